#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_engine
short_description: Assure that the Docker engine runs with given options
version_added: 1.0.0
description:
  - Writes C(/etc/docker/daemon.json) after the engine's own program has validated it, and makes the engine run with it.
  - Options that the engine reads again on a signal are reloaded. Everything else needs a restart, which stops all
    containers of the host for some seconds; it happens only when such an option differs.
  - Whether the engine runs with the file is told from its start, so that a run that was interrupted is mended.
  - The units that start it with the host are enabled again where somebody has disabled or masked them.
  - Returns when the engine answers and is back in its swarm.
author:
  - firstbell contributors (@firstbell)
requirements:
  - a Docker engine of version 20.10 or newer, run by systemd as C(docker.service)
options:
  config:
    description: The whole content of the file. Options that are not listed have the engine's defaults.
    type: dict
    required: true
attributes:
  check_mode:
    description: Says what would be changed and changes nothing. Works on a host without an engine.
    support: full
  diff_mode:
    description: Shows the file.
    support: full
"""

EXAMPLES = r"""
- name: Rotate the logs of all containers
  firstbell.stack.docker_engine:
    config:
      log-driver: json-file
      log-opts: {max-size: 10m, max-file: "3"}
"""

RETURN = r"""
version:
  description: Version of the engine. Empty in check mode on a host that has none.
  type: str
  returned: success
  sample: 26.1.5+dfsg1
changes:
  description: What was done, or would be in check mode. Of V(enable), V(write), V(start), V(reload), V(restart).
  type: list
  elements: str
  returned: success
differing:
  description: Options that the engine ran without.
  type: list
  elements: str
  returned: success
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core import engine_config
from ..module_utils._io import engine_api, engine_daemon


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    config = params["config"]
    content = engine_config.render(config)
    engine_config.check_swarm(config)
    engine_daemon.validate(config, content)
    found = engine_daemon.find()
    plan = engine_config.plan(config, found)
    disabled = engine_daemon.not_at_boot()
    if disabled and not context.check_mode:
        engine_daemon.start_at_boot(disabled)
    if plan.changes and not context.check_mode:
        engine_daemon.apply(plan, content)
    version = ""
    if engine_api.answers():
        version = engine_api.call("GET", "/version")["Version"]
        engine_config.check_version(version)
    return {
        "changed": bool(plan.changes or disabled),
        "changes": [*(["enable"] if disabled else []), *plan.changes],
        "differing": list(plan.differing),
        "version": version,
        "diff": {
            "before_header": engine_daemon.PATH,
            "after_header": engine_daemon.PATH,
            "before": found.file or "",
            "after": content,
        },
    }


def main() -> None:
    _shell.run(
        {
            "argument_spec": {"config": {"type": "dict", "required": True}},
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
