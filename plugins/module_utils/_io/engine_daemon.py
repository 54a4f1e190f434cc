# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of the Docker engine, and its file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from .._core import engine_config
from .._core.errors import InputError
from .._core.systemd_units import parse_timestamp
from . import engine_api, system, systemd

PATH = "/etc/docker/daemon.json"
UNIT = "docker.service"
#: What starts with the host, as the package leaves it.
_AT_BOOT = (UNIT, "docker.socket")
#: What the engine read on our last signal. Gone with the next boot, as that reading is.
_RELOADED = "/run/firstbell/daemon.json"


def validate(config: Mapping[str, Any], content: str) -> None:
    """Let the engine's own program read the file; before 23.0 it cannot, and the names are checked."""
    program = system.find_program("dockerd")
    if program is None or "--validate" not in system.run([program, "--help"]).out:
        engine_config.check_names(config)
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".json") as file:
        file.write(content)
        file.flush()
        done = system.run([program, "--validate", "--config-file", file.name], check=False)
    if done.code:
        engine_config.check_names(config)  # says it better, where it knows
        raise InputError(f"dockerd refuses the options: {(done.err or done.out).strip()}")


def find() -> engine_config.Found:
    """The file and the process as they are."""
    systemd.require()
    shown = systemd.properties(UNIT)
    return engine_config.Found(
        file=system.read_text(PATH),
        file_time=system.modified_at(PATH),
        active=shown.get("ActiveState") in ("active", "reloading"),
        start_time=parse_timestamp(shown.get("InactiveExitTimestamp", "")),
        reloaded=system.read_text(_RELOADED),
        reload_time=system.modified_at(_RELOADED),
    )


def not_at_boot() -> list[str]:
    """The units that somebody has disabled or masked; none where there is no engine yet."""
    return [unit for unit in _AT_BOOT if systemd.properties(unit).get("UnitFileState") not in ("enabled", "", None)]


def start_at_boot(units: Sequence[str]) -> None:
    """Let them start with the host again."""
    for verb in ("unmask", "enable"):
        system.run(["systemctl", verb, *units])


def apply(plan: engine_config.Plan, content: str) -> None:
    """Take the steps, and wait for the engine."""
    if not plan.action:
        # The engine already runs with these options, only the text differs: nothing is to be read again.
        system.write_text(_RELOADED, content)
    if plan.write:
        system.write_text(PATH, content)
    if not plan.action:
        return
    system.run(["systemctl", plan.action, UNIT], timeout=300)
    if plan.action == "reload":
        system.write_text(_RELOADED, content)
    engine_api.wait_until(engine_api.settled, "the return of the Docker engine", timeout=120)
