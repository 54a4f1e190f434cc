#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_members
short_description: Read what a host needs to join a swarm
version_added: 1.0.0
description:
  - Returns the tokens of a swarm, the addresses of its managers and the ids of its nodes. Nothing is changed.
  - The tokens are secrets, so give the task C(no_log).
author:
  - firstbell contributors (@firstbell)
options: {}
attributes:
  check_mode:
    description: Does the same in check mode. On a host without a swarm everything is empty.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
"""

EXAMPLES = r"""
- name: Read the tokens
  firstbell.stack.swarm_members:
  register: __swarm_members
  no_log: true
"""

RETURN = r"""
tokens:
  description: The secrets by which hosts join, under V(manager) and V(worker).
  type: dict
  returned: success
addresses:
  description: Addresses of the managers.
  type: list
  elements: str
  returned: success
  sample: ["192.0.2.10:2377"]
members:
  description: Ids of the nodes.
  type: list
  elements: str
  returned: success
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._io import engine_api, swarm_api


def work(_params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    if context.check_mode and not engine_api.answers():
        return swarm_api.NO_MEMBERS
    return swarm_api.members()


def main() -> None:
    _shell.run({"argument_spec": {}, "supports_check_mode": True}, work)


if __name__ == "__main__":
    main()
