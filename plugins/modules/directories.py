#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: directories
short_description: Assure many directories at once
version_added: 1.0.0
description:
  - Makes directories, and corrects their owner, group and mode, in one call for all of them.
  - Parents that are not listed are made with the defaults of the system. What is inside a directory is never touched.
author:
  - firstbell contributors (@firstbell)
options:
  directories:
    description: The directories that must exist.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      owner:
        description:
          - Name or number of the owner; a number need not exist yet. The default is the user of all containers.
        type: str
        default: "1001"
      group:
        description: Name or number of the group.
        type: str
        default: "1001"
      mode:
        description: Mode as a quoted octal number.
        type: str
        default: "0755"
attributes:
  check_mode:
    description: Says what would be changed and changes nothing.
    support: full
  diff_mode:
    description: Shows each directory that is made or corrected.
    support: full
"""

EXAMPLES = r"""
- name: Have the directories of the stack
  firstbell.stack.directories:
    directories:
      - path: /opt/academy/data/redis
      - path: /opt/academy/pki
        mode: "0700"
"""

RETURN = r"""
changes:
  description: The steps that were taken, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: ["create /opt/academy/pki"]
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.directories import Directory, check_unique, describe, parse_mode, parse_path, plan
from ..module_utils._io.system import apply_directory, find_directory, group_id, user_id


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    wanted = [
        Directory(
            path=parse_path(item["path"]),
            owner=user_id(item["owner"]),
            group=group_id(item["group"]),
            mode=parse_mode(item["mode"], item["path"]),
        )
        for item in params["directories"]
    ]
    check_unique(wanted)
    changes = plan(wanted, {item.path: find_directory(item.path) for item in wanted})
    if not context.check_mode:
        for change in changes:
            apply_directory(change)
    before, after = describe(changes)
    return {
        "changed": bool(changes),
        "changes": [f"{change.what} {change.wanted.path}" for change in changes],
        "diff": {"before": before, "after": after},
    }


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "directories": {
                    "type": "list",
                    "elements": "dict",
                    "required": True,
                    "options": {
                        "path": {"type": "str", "required": True},
                        "owner": {"type": "str", "default": "1001"},
                        "group": {"type": "str", "default": "1001"},
                        "mode": {"type": "str", "default": "0755"},
                    },
                },
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
