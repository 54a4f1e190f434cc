# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays of a configuration: the weeks that fit its calendar, and what came out as text and picture."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence

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
_WEEKS = 52


def simulate(
    config: Config,
    *,
    first: datetime.date,
    kinds: Sequence[str] = tuple(KINDS),
    users: float = USERS,
    course: str = "",
    course_name: str = "",
    fixed: int = FIXED,
    cpus: float = 0,
) -> tuple[str, str]:
    """Text and SVG. ``course`` is a recorded one as CSV; without it, weeks of these kinds from ``first`` on.

    ``cpus``: those of the hosts, which the replicas share; 0 for one each.
    """
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
        results[kind] = replay(loads, days, config.settings, service=service, fixed=fixed, cpus=cpus)
    if not course:
        notes = [
            f"{kind}: the calendar has no season for it; its load meets an ordinary week."
            for kind in kinds
            if kind != "school" and not _in_season(days, kind, monday(days, kind, first))
        ]
        if set(results) == set(KINDS):
            notes.append(_year(days, first, results))
    text = drawing.text(results, days.zone, service, cpus)
    return text + "".join(f"\n{note}" for note in notes) + ("\n" if notes else ""), drawing.svg(results, days.zone)


def monday(days: Calendar, kind: str, first: datetime.date) -> datetime.date:
    """The first Monday from ``first`` on whose week is of this kind in the calendar, else the first of all."""
    begin = first + datetime.timedelta(days=-first.weekday() % 7)
    for number in range(0, _SEARCHED, 7):
        candidate = begin + datetime.timedelta(days=number)
        if _in_season(days, kind, candidate):
            return candidate
    return begin


def _year(days: Calendar, first: datetime.date, results: Mapping[str, Result]) -> str:
    """What a year of such weeks comes to, each week of the kind that the calendar makes it."""
    begin = first + datetime.timedelta(days=-first.weekday() % 7)
    counts = Counter(
        next((kind for kind in KINDS if _in_season(days, kind, begin + datetime.timedelta(weeks=number))), "school")
        for number in range(_WEEKS)
    )
    used = sum(counts[kind] * result.scaled.hours for kind, result in results.items())
    fixed = sum(counts[kind] * result.fixed.hours for kind, result in results.items())
    saved = 1 - used / fixed
    mix = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
    reached = "reached" if saved >= drawing.GOAL else "missed"
    return f"year of {mix} weeks: {used:.0f} of {fixed:.0f} replica-hours, {saved:.0%} saved: goal {reached}"


def _in_season(days: Calendar, kind: str, begin: datetime.date) -> bool:
    """Whether the five working days have more than usual (exam), less (summer), or neither (school)."""
    factors = []
    for number in range(5):
        date = begin + datetime.timedelta(days=number)
        factors.append(days.factor(date)[0] / days.weekdays[date.weekday()])
    if kind == "exam":
        return min(factors) > 1
    return max(factors) < 1 if kind == "summer" else factors == [1] * 5
