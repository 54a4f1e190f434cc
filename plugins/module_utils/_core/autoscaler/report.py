# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays of a configuration: the weeks that fit its calendar, and what came out as text and picture."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from ..errors import InputError
from . import drawing
from .calendar import Calendar
from .config import Config
from .queueing import service_time
from .simulation import Result, replay
from .weeks import KINDS, made, recorded

USERS = 600.0
FIXED = 3
_MOST_USERS = 1e6
_MOST_FIXED = 100
_SEARCHED = 366


def simulate(
    config: Config,
    *,
    first: datetime.date,
    kinds: Sequence[str] = tuple(KINDS),
    users: float = USERS,
    course: str = "",
    course_name: str = "",
    fixed: int = FIXED,
) -> tuple[str, str]:
    """Text and SVG. ``course`` is a recorded one as CSV; without it, weeks of these kinds from ``first`` on."""
    if not 0 < users <= _MOST_USERS:
        raise InputError(f"users: {users:g} is out of range; write a number above 0 and up to {_MOST_USERS:g}")
    if not 1 <= fixed <= _MOST_FIXED:
        raise InputError(f"fixed: {fixed} is out of range; write a number of replicas from 1 to {_MOST_FIXED}")
    days, service = config.calendar, service_time()
    results: dict[str, Result] = {}
    notes = []
    replays = (
        {"recorded": iter(recorded(course, course_name))}
        if course
        else {kind: made(kind, monday(days, kind, first), days.zone, users) for kind in kinds}
    )
    for kind, loads in replays.items():
        results[kind] = replay(loads, days, config.settings, service=service, fixed=fixed)
    if not course:
        notes = [
            f"{kind}: the calendar has no season for it; its load meets an ordinary week."
            for kind in kinds
            if kind != "school" and not _in_season(days, kind, monday(days, kind, first))
        ]
    text = drawing.text(results, days.zone, service)
    return text + "".join(f"\n{note}" for note in notes) + ("\n" if notes else ""), drawing.svg(results, days.zone)


def monday(days: Calendar, kind: str, first: datetime.date) -> datetime.date:
    """The first Monday from ``first`` on whose week is of this kind in the calendar, else the first of all."""
    begin = first + datetime.timedelta(days=-first.weekday() % 7)
    for number in range(0, _SEARCHED, 7):
        candidate = begin + datetime.timedelta(days=number)
        if _in_season(days, kind, candidate):
            return candidate
    return begin


def _in_season(days: Calendar, kind: str, begin: datetime.date) -> bool:
    """Whether the five working days have more than usual (exam), less (summer), or neither (school)."""
    factors = []
    for number in range(5):
        date = begin + datetime.timedelta(days=number)
        factors.append(days.factor(date)[0] / days.weekdays[date.weekday()])
    if kind == "exam":
        return min(factors) > 1
    return max(factors) < 1 if kind == "summer" else factors == [1] * 5
