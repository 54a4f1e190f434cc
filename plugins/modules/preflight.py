#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Refuse a stack that cannot work, before anything is touched
version_added: 1.0.0
description:
  - On the controller it checks the variables, which are unknown names, types, secrets, and whether the plan of the
    profile adds up. On the host it looks at the operating system, ports in use, foreign data and disk space.
  - Every finding is reported at once, each with the variable or place and the way out. Nothing is changed.
  - Runs as an action on the controller; the module part only looks at the host.
author:
  - firstbell contributors (@firstbell)
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  ports:
    description: TCP ports that must be free, or already be the stack's.
    type: list
    elements: int
    default: [80, 443]
  postgres_major:
    description: Major version of PostgreSQL that the data directory may hold.
    type: str
    default: "17"
  minimum_free:
    description: Free disk space that the stack needs, such as V(10GB).
    type: str
    default: 10GB
  all_hosts:
    description: Whether every host of the group C(firstbell) must have been reached in this run.
    type: bool
    default: false
  uid:
    description: User and group that all containers run as.
    type: int
    default: 1001
attributes:
  check_mode:
    description: Can run in check mode and does the same there.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
"""

EXAMPLES = r"""
- name: Refuse what cannot work
  firstbell.stack.preflight:
    stack: "{{ firstbell_stack_name }}"
"""

RETURN = r"""
probe:
  description: What was seen on the host.
  type: dict
  returned: success
  sample: {distribution: debian, release: "13", listeners: {"22": sshd}}
"""

from ..module_utils import _shell
from ..module_utils._io.probe import probe_host


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "stack": {"type": "str", "required": True},
                "ports": {"type": "list", "elements": "int", "default": [80, 443]},
                "postgres_major": {"type": "str", "default": "17"},
                "minimum_free": {"type": "str", "default": "10GB"},
                "all_hosts": {"type": "bool", "default": False},
                "uid": {"type": "int", "default": 1001},
            },
            "supports_check_mode": True,
        },
        lambda params, _context: {"probe": probe_host(params["stack"], params["postgres_major"], params["uid"])},
    )


if __name__ == "__main__":
    main()
