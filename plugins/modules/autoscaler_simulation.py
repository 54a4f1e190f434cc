#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: autoscaler_simulation
short_description: Replay weeks through the autoscaler's calendar and policy
version_added: 1.0.0
description:
  - Lets a made or a recorded course of load meet the policy that the autoscaler decides by and a queueing model of the
    application (M/M/c), and compares replica-hours and 95th percentiles with a fixed number of replicas.
  - Touches nothing but the two files that it writes, and needs neither an engine nor Prometheus.
author:
  - firstbell contributors (@firstbell)
options:
  config:
    description: The autoscaler's configuration, as P(firstbell.stack.autoscaler_config#filter) checks it.
    type: dict
    required: true
  weeks:
    description: Kinds of week that are made and replayed. Each is looked for in the calendar from today on.
    type: list
    elements: str
    choices: [school, exam, summer]
    default: [school, exam, summer]
  users:
    description: The most users on a school day.
    type: float
    default: 600
  recorded:
    description:
      - A CSV file that is replayed in place of made weeks, with C(time), C(requests) and, if known, C(sessions).
      - Times are in seconds since 1970, or ISO 8601 with an offset; requests are those of a second.
    type: path
  fixed:
    description: Number of replicas to compare with.
    type: int
    default: 3
  cpus:
    description: CPUs of the hosts, which replicas, database and edge share. V(0) gives each replica one of its own.
    type: float
    default: 0
  text_path:
    description: Where the figures are written.
    type: path
    required: true
  picture_path:
    description: Where the picture is written, as SVG.
    type: path
    required: true
attributes:
  check_mode:
    description: Computes and writes nothing.
    support: full
  diff_mode:
    description: Shows the figures before and after.
    support: full
"""

EXAMPLES = r"""
- name: Replay a school week
  firstbell.stack.autoscaler_simulation:
    config: "{{ settings | firstbell.stack.autoscaler_config }}"
    weeks: [school]
    users: 800
    text_path: simulation/simulation.txt
    picture_path: simulation/simulation.svg
  delegate_to: localhost
"""

RETURN = r"""
text:
  description: The figures.
  type: str
  returned: success
"""

import datetime
from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.autoscaler.config import parse
from ..module_utils._core.autoscaler.report import simulate
from ..module_utils._core.errors import InputError
from ..module_utils._io import system


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    config = parse({**params["config"], "simulated": True})
    course = system.read_text(params["recorded"]) if params["recorded"] else ""
    if course is None:
        raise InputError(f"recorded: there is no file {params['recorded']}")
    text, picture = simulate(
        config,
        first=datetime.datetime.now(config.calendar.zone).date(),
        kinds=params["weeks"],
        users=params["users"],
        course=course,
        course_name=params["recorded"] or "",
        fixed=params["fixed"],
        cpus=params["cpus"],
    )
    wanted = {params["text_path"]: text, params["picture_path"]: picture}
    before = {path: system.read_text(path) for path in wanted}
    if not context.check_mode:
        for path, content in wanted.items():
            if before[path] != content:
                system.write_text(path, content)
    shown = {"before_header": params["text_path"], "after_header": params["text_path"]}
    diff = {**shown, "before": before[params["text_path"]] or "", "after": text}
    return {"changed": before != wanted, "text": text, "diff": diff}


def main() -> None:
    kinds = ["school", "exam", "summer"]
    _shell.run(
        {
            "argument_spec": {
                "config": {"type": "dict", "required": True},
                "weeks": {"type": "list", "elements": "str", "choices": kinds, "default": kinds},
                "users": {"type": "float", "default": 600},
                "recorded": {"type": "path"},
                "fixed": {"type": "int", "default": 3},
                "cpus": {"type": "float", "default": 0},
                "text_path": {"type": "path", "required": True},
                "picture_path": {"type": "path", "required": True},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
