# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the night work of a stack knows: one JSON file, without secrets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..autoscaler import calendar
from ..autoscaler.calendar import Calendar
from ..errors import InputError
from ..host_command import configuration
from ..units import shown
from .plan import low_band


@dataclass(frozen=True)
class Config:
    """``rate``: transactions a second of others from which it stops; ``margin``: seconds before the band's end.

    ``rebuild``: whether indexes may be rebuilt, or the names of those that may.
    """

    stack: str
    directory: str
    socket: str
    databases: tuple[str, ...]
    schemas: tuple[str, ...]
    calendar: Calendar
    band: str
    rate: float
    margin: float
    rebuild: bool | tuple[str, ...]

    @property
    def command(self) -> str:
        """What an administrator types."""
        return f"{self.stack}-night"


def parse_file(text: str, path: str) -> Config:
    """The configuration in a file; raises InputError."""
    return parse(configuration(text, path))


def parse(data: Mapping[str, Any]) -> Config:
    """A checked configuration. Messages name the role's input that a value comes from."""
    days = calendar.parse(data.get("calendar"))
    rebuild = data.get("rebuild", False)
    if not isinstance(rebuild, bool):
        if not isinstance(rebuild, list) or not all(isinstance(name, str) for name in rebuild):
            raise InputError(
                f"night_work_rebuild_indexes: {shown(rebuild)} is neither a truth nor a list of names; "
                "write true, false, or names such as [public.idx_attendance_session]"
            )
        rebuild = tuple(rebuild)
    return Config(
        stack=str(data.get("stack", "")),
        directory=str(data.get("directory", "")),
        socket=str(data.get("socket", "")),
        databases=tuple(str(name) for name in data.get("databases", [])),
        schemas=tuple(str(name) for name in data.get("schemas", ["public"])),
        calendar=days,
        band=low_band(days, str(data.get("band", ""))),
        rate=_number(data.get("rate", 20), "night_work_transactions_per_second", 0.1, 1e6),
        margin=_number(data.get("margin", 900), "night_work_margin_seconds", 0, 6 * 3600),
        rebuild=rebuild,
    )


def _number(value: object, where: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{where}: {shown(value)} is no number; write one from {least:g} to {most:g}")
    if not least <= value <= most:
        raise InputError(f"{where}: {value:g} is out of range; write a number from {least:g} to {most:g}")
    return float(value)
