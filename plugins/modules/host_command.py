#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_command
short_description: Install one of the collection's commands on a host
version_added: 1.0.0
description:
  - Writes the Python files that the command is made of, the same that the collection's modules use, a program that
    starts them, and what it is to know of the stack. Timers of the host run it without a controller.
  - What is written is what that command imports, so nothing is missing and nothing is left over.
author:
  - firstbell contributors (@firstbell)
options:
  name:
    description: Name of the command, below C(/usr/local/sbin). Its files are below C(/usr/local/lib).
    type: str
    required: true
  program:
    description:
      - What the command does, make and restore backups, look after the autoscaler, do the work of the night, rehearse
        the alerts, open the host to load tests, report on the stack, or say why it is slow.
    type: str
    choices: [alerts, autoscaler, backup, diagnose, load_test, maintain, night]
    default: backup
  config:
    description: Path of its configuration file, which everybody may read.
    type: path
    required: true
  settings:
    description: What the configuration file says, as JSON. No secrets. If omitted, others write the file.
    type: dict
  state:
    description: With V(absent), the command, its files and its configuration file are removed.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Says what would be changed and changes nothing.
    support: full
  diff_mode:
    description: Names each file that is written or removed.
    support: full
"""

EXAMPLES = r"""
- name: Have the backup command
  firstbell.stack.host_command:
    name: academy-backup
    config: /opt/academy/backup/backup.json
    settings:
      stack: academy
      directory: /opt/academy
"""

RETURN = r"""
changes:
  description: The steps that were taken, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [write /opt/academy/backup/backup.json, write /usr/local/sbin/academy-backup]
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.host_command import PROGRAMS, check_name, library_of, plan, plan_config, program_of
from ..module_utils._io import host_command as io


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    name = check_name(params["name"])
    library, program = library_of(name), program_of(name)
    wanted = io.wanted(name, params["program"], params["config"]) if params["state"] == "present" else {}
    config = params["config"]
    known = io.find(None, config)
    # The configuration goes first, as a timer may start the new program at once.
    told = plan_config(config, params["settings"], params["state"] == "present", known)
    changes = [*told, *plan(wanted, io.find(library, program))]
    if not context.check_mode:
        io.apply(changes, library)
    steps = [f"{'remove' if change.content is None else 'write'} {change.path}" for change in changes]
    files = {"before": "", "after": "".join(f"{step}\n" for step in steps)}
    texts = [
        {
            "before_header": config,
            "after_header": config,
            "before": known[config][0] if config in known else "",
            "after": change.content or "",
        }
        for change in told
    ]
    return {"changed": bool(changes), "changes": steps, "diff": [files, *texts]}


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "name": {"type": "str", "required": True},
                "program": {"type": "str", "choices": sorted(PROGRAMS), "default": "backup"},
                "config": {"type": "path", "required": True},
                "settings": {"type": "dict"},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
