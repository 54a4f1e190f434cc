# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers what the chosen checks need, each part once; one that cannot be had is told, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..._core.checklist.upkeep import LOG_TIMER, SSH_UNITS, starting
from ..._core.checklist.written import configurations
from ..._core.errors import FirstbellError
from ..operations import edge
from . import (
    certificates,
    custody,
    data,
    engine,
    host,
    jobs,
    logins,
    monitoring,
    programs,
    records,
    scaling,
    service_secrets,
    updates,
)

Gatherer = Callable[[Mapping[str, Any], Mapping[str, str]], Any]


def _units(expected: Mapping[str, Any]) -> list[str]:
    timers = [
        name
        for role in ("backup", "docker", "edge", "night_work", "operations")
        for name in expected.get(role, {}).get("timers", [])
    ]
    return [*timers, *starting(expected["files"]), *SSH_UNITS, LOG_TIMER]


#: From what the inventory asks for, and its secrets.
GATHERERS: Mapping[str, Gatherer] = {
    "engine": lambda expected, _secrets: engine.gather(expected["stack"]),
    "settings": lambda expected, _secrets: data.gather_settings(expected["postgres"]),
    "database": lambda expected, secrets: data.gather(expected["stack"], expected["postgres"], secrets),
    "indexes": lambda expected, _secrets: data.gather_indexes(expected["postgres"], expected["app"]),
    "pool": lambda expected, _secrets: data.gather_pool(expected["stack"]),
    "cache": lambda expected, secrets: data.gather_cache(expected["stack"], secrets),
    "balancer": lambda expected, _secrets: edge.gather_servers(expected["stack"]),
    "doors": lambda expected, _secrets: edge.gather_doors(expected["stack"]),
    "unread": lambda expected, _secrets: edge.gather_unread(expected["stack"], expected["files"]),
    "certificates": lambda expected, _secrets: certificates.gather(expected["pki"]),
    "host": lambda expected, _secrets: host.gather(expected["stack"], expected["host"], expected["files"]),
    "units": lambda expected, _secrets: host.gather_units(_units(expected)),
    "firewall": lambda expected, _secrets: host.gather_firewall(expected["firewall"]),
    "files": lambda expected, _secrets: host.gather_files([*expected["files"], *configurations(expected)]),
    "left_over": lambda expected, _secrets: host.gather_left_over(expected["stack"], expected["files"]),
    "secret_files": lambda expected, _secrets: custody.gather_secret_files(expected["secret_files"]),
    "service_secrets": lambda expected, _secrets: service_secrets.gather(
        expected["stack"], expected["service_secrets"]
    ),
    "access": lambda _expected, _secrets: host.gather_access(),
    "logins": lambda expected, _secrets: logins.gather(expected["stack"], expected["files"]),
    "programs": lambda expected, _secrets: programs.gather(expected),
    "jobs": lambda expected, _secrets: jobs.gather(expected["stack"], expected["files"]),
    "released": lambda expected, _secrets: engine.gather_released(expected["stack"]),
    "updates": lambda _expected, _secrets: updates.gather(),
    "backups": lambda expected, _secrets: custody.gather_backups(expected["stack"]),
    "monitoring": lambda expected, _secrets: monitoring.gather(expected["stack"], expected["monitoring"]),
    "records": lambda expected, _secrets: records.gather(expected["stack"]),
    "logs": lambda expected, _secrets: host.gather_logs(expected["logs"]),
    "scaling": lambda expected, _secrets: scaling.gather(expected["stack"], expected["autoscaler"]["enabled"]),
    "visible": lambda expected, secrets: custody.gather_visible(expected["stack"], secrets),
}


def gather(
    names: Iterable[str], expected: Mapping[str, Any], secrets: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The facts by name, and why others are missing."""
    facts: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name in sorted(set(names)):
        try:
            facts[name] = GATHERERS[name](expected, secrets)
        except Exception as error:  # noqa: BLE001 - the checks that need it fail, the others do not
            said = _short(str(error)) or type(error).__name__
            errors[name] = said if isinstance(error, FirstbellError) else f"{name}: {said}"
    return facts, errors


def _short(text: str) -> str:
    """Of what a program of Python said when it broke, where, and at last why."""
    lines = text.strip().splitlines()
    return f"{lines[0]} ... {lines[-1].strip()}" if "Traceback" in text and len(lines) > 1 else text
