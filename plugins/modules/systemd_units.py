#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_units
short_description: Assure units of systemd, from the file to the running state
version_added: 1.0.0
description:
  - Writes units, such as a service and its timer, after C(systemd-analyze verify) has read them,
    enables, starts and restarts them, in one call.
  - A unit is restarted when its file is newer than its start, so that a run that was interrupted in between is mended.
author:
  - firstbell contributors (@firstbell)
options:
  units:
    description: The units. All are written before any is started.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name with its ending, such as V(firstbell-cleanup.timer).
        type: str
        required: true
      content:
        description: The file. Needed unless the unit is to be removed.
        type: str
      present:
        description: With V(false), the unit is stopped, disabled and removed.
        type: bool
        default: true
      enabled:
        description: Whether it starts at boot. Omit it for units without an install section.
        type: bool
      state:
        description:
          - Whether it runs now. V(any) leaves that to others, as for the service of a timer.
          - A unit that systemd skips, since a condition in it is not met on this host, counts as started.
        type: str
        choices: [started, stopped, any]
        default: any
attributes:
  check_mode:
    description: Says what would be changed. The files are not verified, as their programs may be missing.
    support: full
  diff_mode:
    description: Shows the files that are written or removed.
    support: full
"""

EXAMPLES = r"""
- name: Clean up every Sunday
  firstbell.stack.systemd_units:
    units:
      - name: academy-cleanup.service
        content: "{{ lookup('ansible.builtin.template', 'academy-cleanup.service.j2') }}"
      - name: academy-cleanup.timer
        content: "{{ lookup('ansible.builtin.template', 'academy-cleanup.timer.j2') }}"
        enabled: true
        state: started
"""

RETURN = r"""
changes:
  description: The steps that were taken, or would be in check mode, in their order.
  type: list
  elements: str
  returned: success
  sample: [write academy-cleanup.timer, reload systemd, enable academy-cleanup.timer, start academy-cleanup.timer]
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.errors import FirstbellError, InputError
from ..module_utils._core.systemd_units import Unit, parse_unit, plan
from ..module_utils._io import systemd


def parse(item: Mapping[str, Any]) -> Unit:
    if item["present"] and item["content"] is None:
        raise InputError(f"unit {item['name']} has no content; give it, or set present: false")
    return parse_unit(item["name"], item["content"] if item["present"] else None, item["enabled"], item["state"])


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    units = {item["name"]: parse(item) for item in params["units"]}
    systemd.require()
    found = systemd.find(units.values())
    changes = plan(units.values(), found)
    if changes and not context.check_mode:
        systemd.verify(units.values())
        systemd.apply(changes, units)
        left = plan(units.values(), systemd.find(units.values()))
        if left:
            steps = ", ".join(f"{change.what} {change.name}" for change in left)
            raise FirstbellError(f"after all steps this is still to be done: {steps}; see journalctl --unit")
    return {
        "changed": bool(changes),
        "changes": [f"{change.what} {change.name}" for change in changes],
        "diff": [
            {
                "before_header": unit.path,
                "after_header": unit.path,
                "before": found[unit.name].content or "",
                "after": unit.content or "",
            }
            for unit in units.values()
        ],
    }


def main() -> None:
    unit = {
        "name": {"type": "str", "required": True},
        "content": {"type": "str"},
        "present": {"type": "bool", "default": True},
        "enabled": {"type": "bool"},
        "state": {"type": "str", "choices": ["started", "stopped", "any"], "default": "any"},
    }
    _shell.run(
        {
            "argument_spec": {"units": {"type": "list", "elements": "dict", "required": True, "options": unit}},
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
