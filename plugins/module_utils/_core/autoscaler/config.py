# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the autoscaler of a stack knows: one JSON file, without secrets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..host_command import configuration
from ..names import did_you_mean
from ..units import shown
from . import calendar
from .calendar import Calendar, replicas
from .policy import TRIGGERS, Settings

#: Settings that are times in seconds, with the least that makes sense.
_TIMES = {
    "down_window": 0.0,
    "settle": 0.0,
    "max_age": 1.0,
    "hold": 0.0,
    "stand_before": 0.0,
    "start": 0.0,
}
_LONGEST = 86400.0
_MOST_TOLERANCE = 0.5
_LEAST_INTERVAL, _MOST_INTERVAL = 1.0, 60.0
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")


@dataclass(frozen=True)
class Config:
    """``queries`` in PromQL by trigger; an empty ``prometheus`` leaves the decision to the calendar.

    ``interval``: seconds between two decisions. ``port``: where the autoscaler's own metrics are.
    """

    stack: str
    service: str
    directory: str
    prometheus: str
    calendar: Calendar
    settings: Settings
    queries: Mapping[str, str]
    interval: float
    port: int

    @property
    def command(self) -> str:
        """What an administrator types."""
        return f"{self.stack}-autoscaler"


def parse_file(text: str, path: str) -> Config:
    """The configuration in a file; raises InputError."""
    return parse(configuration(text, path))


def parse(data: Mapping[str, Any]) -> Config:
    """A checked configuration. Messages name the role's input that a value comes from."""
    prometheus = str(data.get("prometheus", ""))
    if prometheus and not _URL.fullmatch(prometheus):
        raise InputError(
            f"autoscaler_prometheus_url: {shown(prometheus)} is no address; write it like http://prometheus:9090"
        )
    known = dict(data.get("queries") or {})
    targets = _targets(data.get("triggers") or {}, known) if prometheus or data.get("simulated") else {}
    days = calendar.parse(data.get("calendar"))
    settings = _settings(data.get("settings") or {}, targets, data.get("caps"))
    _refuse_unreachable(days, settings)
    interval = _number(data.get("interval", 10), "autoscaler_interval_seconds", _LEAST_INTERVAL, _MOST_INTERVAL)
    if settings.max_age < 2 * interval:
        raise InputError(
            f"autoscaler_max_age_seconds: {settings.max_age:g} is less than two intervals of {interval:g} s; "
            f"write {2 * interval:g} or more"
        )
    return Config(
        stack=str(data.get("stack", "")),
        service=str(data.get("service", "")),
        directory=str(data.get("directory", "")),
        prometheus=prometheus.rstrip("/"),
        calendar=days,
        settings=settings,
        queries={name: str(known[name]) for name in targets if name in known},
        interval=interval,
        port=int(data.get("port", 9405)),
    )


def _targets(given: Mapping[str, Any], queries: Mapping[str, Any]) -> dict[str, float]:
    targets = {}
    for name, target in given.items():
        where = f"autoscaler_triggers.{name}"
        if name not in TRIGGERS:
            near = did_you_mean(str(name), TRIGGERS)
            hint = f"did you mean {near}?" if near else f"take one of {', '.join(TRIGGERS)}"
            raise InputError(f"{where}: there is no such trigger; {hint}")
        if target in (0, None, False):
            continue  # switched off
        targets[str(name)] = _number(target, where, 1e-6, 1e9)
        if not queries.get(name):
            raise InputError(f"{where}: nothing says how to measure it; write a query in autoscaler_queries.{name}")
    return targets


def _settings(given: Mapping[str, Any], targets: Mapping[str, float], caps: object) -> Settings:
    values: dict[str, Any] = {}
    for name, value in given.items():
        where = f"autoscaler_{name}" + ("_seconds" if name in _TIMES else "")
        if name in _TIMES:
            values[name] = _number(value, where, _TIMES[name], _LONGEST)
        elif name == "tolerance":
            values[name] = _number(value, where, 0, _MOST_TOLERANCE)
        elif name == "fallback":
            values[name] = replicas(value, where) if value else None
        else:
            raise InputError(f"{where}: there is no such setting; run the playbook site")
    if not isinstance(caps, Mapping) or not caps:
        raise InputError("autoscaler_maximum: it is missing; write the most replicas there may be, such as 3")
    return Settings(
        targets=targets, caps={str(name): replicas(value, str(name)) for name, value in caps.items()}, **values
    )


def _refuse_unreachable(days: Calendar, settings: Settings) -> None:
    cap, name = settings.cap()
    for band in days.bands:
        if band.minimum > cap:
            raise InputError(
                f"autoscaler_bands.{band.name}.minimum: {band.minimum} replicas are more than {name} allows, "
                f"{cap}; write at most {cap}, or raise {name}"
            )


def _number(value: object, where: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{where}: {shown(value)} is no number; write one from {least:g} to {most:g}")
    if not least <= value <= most:
        raise InputError(f"{where}: {value:g} is out of range; write a number from {least:g} to {most:g}")
    return float(value)
