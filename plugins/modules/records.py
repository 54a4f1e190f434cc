#!/usr/bin/python

# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: records
short_description: Keep what a drill or a load measured
version_added: 1.0.0
author:
  - firstbell contributors (@firstbell)
description:
  - Writes one JSON file for each drill or load, which the checklist reads back with its age and verdict, and forgets
    the oldest of its kind. Without O(record) it only tells what there is.
options:
  directory:
    description: Folder of the records on the host. It is made where it is missing.
    type: path
    required: true
  record:
    description:
      - C(kind), C(at) (UTC, such as V(2026-11-29T05:00:00Z); now, where it is left out), C(seconds), C(passed),
        C(measured) and C(targets) (numbers by name), C(findings) (texts that say what is wrong and what to type), and
        C(items) (each with C(name), C(passed), C(measured), C(finding)).
    type: dict
  keep:
    description: How many of a kind are kept.
    type: int
    default: 30
attributes:
  check_mode:
    description: Can run in check mode and writes nothing there.
    support: full
  diff_mode:
    description: A record is written once and never changed.
    support: none
"""

EXAMPLES = r"""
- name: Keep what the load test measured
  firstbell.stack.records:
    directory: "{{ firstbell_directory }}/records"
    record:
      kind: load_test
      seconds: 93.2
      passed: true
      measured: {p95_seconds: 0.31}
      targets: {p95_seconds: 1.0}

- name: Learn what was measured last
  firstbell.stack.records:
    directory: "{{ firstbell_directory }}/records"
  register: kept
"""

RETURN = r"""
path:
  description: The file that was written.
  type: str
  returned: when there is a record
newest:
  description: The last record of each kind; a damaged one has only C(problem).
  type: dict
  returned: success
"""

import time
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.errors import InputError
from ..module_utils._core.records import Record, file_name, newest, parse
from ..module_utils._io import records


def work(params: dict[str, Any], context: _shell.Context) -> dict[str, Any]:
    if params["keep"] < 1:
        raise InputError("keep must be 1 or more")
    record = _wanted(params["record"]) if params["record"] else None
    result: dict[str, Any] = {"changed": record is not None}
    if record:
        result["path"] = f"{params['directory']}/{file_name(record)}"
        if not context.check_mode:
            records.write(params["directory"], record, params["keep"])
    last = newest(records.read(params["directory"]))
    result["newest"] = {
        kind: one.record.as_dict() if one.record else {"problem": one.problem} for kind, one in last.items()
    }
    return result


def _wanted(content: dict[str, Any]) -> Record:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return parse({"at": now, **content})


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "directory": {"type": "path", "required": True},
                "record": {"type": "dict"},
                "keep": {"type": "int", "default": 30},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
