#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Write many files at once
version_added: 1.0.0
description:
  - Writes the files of a service in one call for all of them, each with its owner, group and mode.
  - The commands that check the new files run before the first is replaced, so that a mistake in one leaves all of them
    as they were.
  - Not for secrets, since differences are shown. M(ansible.builtin.copy) with C(no_log) keeps them.
author:
  - firstbell contributors (@firstbell)
options:
  files:
    description: The files that must exist. Their directories are made with the defaults of the system.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      content:
        description: The text, as it is to be in the file.
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
        default: "0644"
      validate:
        description:
          - Command, word by word, that reads the new file and ends with 0 when it is good. C(%s) stands for its path.
        type: list
        elements: str
        default: []
attributes:
  check_mode:
    description: Says what would be changed. The files are not checked, as the commands for it may be missing.
    support: full
  diff_mode:
    description: Shows what changes in each file.
    support: full
"""

EXAMPLES = r"""
- name: Write the configuration
  firstbell.stack.files:
    files:
      - path: /opt/academy/monitoring/prometheus.yml
        content: "{{ lookup('ansible.builtin.template', 'prometheus.yml.j2') }}"
        validate: [promtool, check, config, "%s"]
"""

RETURN = r"""
changes:
  description: The steps that were taken, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [write /opt/academy/monitoring/prometheus.yml]
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.directories import parse_mode, parse_path
from ..module_utils._core.files import File, check, describe, plan
from ..module_utils._io.files import find, write
from ..module_utils._io.system import group_id, user_id


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    wanted = [
        File(
            path=parse_path(item["path"]),
            content=item["content"],
            owner=user_id(item["owner"]),
            group=group_id(item["group"]),
            mode=parse_mode(item["mode"], item["path"]),
            validate=tuple(item["validate"]),
        )
        for item in params["files"]
    ]
    check(wanted)
    found = {file.path: find(file.path) for file in wanted}
    changes = plan(wanted, found)
    if not context.check_mode:
        write(changes)
    return {
        "changed": bool(changes),
        "changes": [f"write {file.path}" for file in changes],
        "diff": [describe(file, found[file.path]) for file in changes],
    }


def main() -> None:
    file = {
        "path": {"type": "str", "required": True},
        "content": {"type": "str", "required": True},
        "owner": {"type": "str", "default": "1001"},
        "group": {"type": "str", "default": "1001"},
        "mode": {"type": "str", "default": "0644"},
        "validate": {"type": "list", "elements": "str", "default": []},
    }
    _shell.run(
        {
            "argument_spec": {"files": {"type": "list", "elements": "dict", "required": True, "options": file}},
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
