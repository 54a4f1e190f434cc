#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_drill
short_description: Roll a running service out under load, and count what is lost
version_added: 1.0.0
description:
  - Sends requests through the edge at a constant rate while the service is rolled out again and again, one version
    never getting healthy and one crashing under load, with a replica more and less. Counts failed requests and compares
    the 99th percentile with the one before. Latency counts from the moment a request was to be sent.
  - The versions are the one that runs with another value in its environment; the bad ones have a health check that
    never passes, or are killed while they serve. Afterwards the service is as it was, also when the drill fails.
  - Runs on the host of the service, a manager of the swarm.
author:
  - firstbell contributors (@firstbell)
options:
  service:
    description: Name of the service.
    type: str
    required: true
  url:
    description: Address of the site as its users write it, such as V(https://school.example.org).
    type: str
    required: true
  address:
    description: Where the edge is connected to.
    type: str
    required: true
  ca_file:
    description: Certificates that are trusted, on the host. Empty for the host's own.
    type: path
    default: ""
  paths:
    description: Paths that are asked for in turn, by GET. Every answer from 200 to 399 counts as good.
    type: list
    elements: str
    default: [/]
  requests_per_second:
    description: Rate of the load.
    type: float
    default: 200
  rollouts:
    description: Number of roll-outs, the bad ones and the last, which brings back what was, included.
    type: int
    default: 10
  max_replicas:
    description: How many replicas there is room for. With room, one is added during the drill.
    type: int
    default: 1
  before_seconds:
    description: How long the load runs before the first roll-out.
    type: float
    default: 30
  min_requests:
    description: The drill fails with fewer requests than these.
    type: int
    default: 0
  max_ratio:
    description: The drill fails when the 99th percentile is more than so many times the one before.
    type: float
    default: 2
  max_back_seconds:
    description: The drill fails when a bad version is not rolled back within this time.
    type: float
    default: 90
  autoscaler:
    description: The autoscaler's command, which is paused meanwhile unless it already is. Empty where there is none.
    type: path
    default: ""
  records_path:
    description: Directory of the records, on the host. The last 30 are kept.
    type: path
    required: true
  docker_host:
    description: The engine's socket. If the option is not set, E(DOCKER_HOST) is read.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Does nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Roll out ten times under load
  firstbell.stack.rollout_drill:
    service: academy_app
    url: https://academy.example.org
    address: 192.0.2.10
    records_path: /opt/academy/records
"""

RETURN = r"""
record:
  description: What was measured, the targets, what was missed and what to do about it.
  type: dict
  returned: always, but in check mode
path:
  description: The file that keeps it.
  type: str
  returned: always, but in check mode
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import env_fallback

from ..module_utils import _shell
from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.rollout_drill import Targets
from ..module_utils._io import records
from ..module_utils._io.engine import DEFAULT_HOST, DockerEngine
from ..module_utils._io.rollout_drill import Wishes, rehearse
from ..module_utils._io.steady_load import Aim


class MissedError(FirstbellError):
    """The drill is through and has missed a target; ``result`` holds the record."""

    def __init__(self, message: str, result: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.result = dict(result)


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    if context.check_mode:
        return {"changed": False}
    record = rehearse(
        DockerEngine(params["docker_host"]),
        Wishes(
            service=params["service"],
            rollouts=params["rollouts"],
            most=params["max_replicas"],
            targets=Targets(
                requests=params["min_requests"], ratio=params["max_ratio"], back=params["max_back_seconds"]
            ),
            before=params["before_seconds"],
            autoscaler=params["autoscaler"] or "",
        ),
        Aim(
            url=params["url"],
            address=params["address"],
            paths=params["paths"],
            rate=params["requests_per_second"],
            ca_file=params["ca_file"] or "",
        ),
    )
    path = records.write(params["records_path"], record)
    result = {"changed": False, "record": record.as_dict(), "path": path}
    if not record.passed:
        raise MissedError("\n".join(record.findings), result)
    return result


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "service": {"type": "str", "required": True},
                "url": {"type": "str", "required": True},
                "address": {"type": "str", "required": True},
                "ca_file": {"type": "path", "default": ""},
                "paths": {"type": "list", "elements": "str", "default": ["/"]},
                "requests_per_second": {"type": "float", "default": 200},
                "rollouts": {"type": "int", "default": 10},
                "max_replicas": {"type": "int", "default": 1},
                "before_seconds": {"type": "float", "default": 30},
                "min_requests": {"type": "int", "default": 0},
                "max_ratio": {"type": "float", "default": 2},
                "max_back_seconds": {"type": "float", "default": 90},
                "autoscaler": {"type": "path", "default": ""},
                "records_path": {"type": "path", "required": True},
                "docker_host": {"type": "str", "default": DEFAULT_HOST, "fallback": (env_fallback, ["DOCKER_HOST"])},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
