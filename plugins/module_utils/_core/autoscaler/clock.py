# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time as the school's clock shows it, and the days of its year."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ..errors import InputError
from ..names import did_you_mean
from ..units import shown

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_MINUTES = 24 * 60

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_DAY = re.compile(r"(?:([0-9]{4})-)?([0-9]{1,2})-([0-9]{1,2})", re.ASCII)
_LEAP_YEAR = 2000


def zone(name: object, where: str = "firstbell_timezone") -> ZoneInfo:
    """The time zone of this name; its rules come from the host's tzdata."""
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(str(name), available_timezones())
        hint = f"did you mean {near}?" if near else "take a name like Europe/Berlin"
        raise InputError(f"{where}: {shown(name)} is no time zone of this host; {hint}") from None


def wall(moment: float, where: ZoneInfo) -> datetime.datetime:
    """The clock on the wall at ``moment`` (seconds since 1970), without its zone.

    In an hour that summer time's end doubles, it stands still at the end of the first pass until
    the second one is over, so that an edge in that hour happens once. An edge in an hour that
    summer time's begin leaves out happens when the clock has jumped over it.
    """
    local = datetime.datetime.fromtimestamp(moment, where)
    if not local.fold:
        return local.replace(tzinfo=None)
    first = moment // 60 * 60
    while datetime.datetime.fromtimestamp(first, where).fold:
        first -= 60
    return datetime.datetime.fromtimestamp(first + 59, where).replace(tzinfo=None)


def minute_of_day(value: object, where: str) -> int:
    """Minutes since midnight from "08:00"; YAML itself makes 1080 of an 18:00 without quotes."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < DAY_MINUTES:
        return value
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise InputError(f'{where}: {shown(value)} is no time of day; write it in quotes, like "08:00"')
    return int(found[1]) * 60 + int(found[2])


def clock(minutes: int) -> str:
    """A time of day as it is written."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True)
class Day:
    """A day of one year, or of every year (``year`` is 0)."""

    year: int
    month: int
    day: int

    @property
    def key(self) -> tuple[int, int, int]:
        return (self.year, self.month, self.day)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}-{self.day:02}" if self.year else f"{self.month:02}-{self.day:02}"

    def of(self, date: datetime.date) -> tuple[int, int, int]:
        """A date in the form in which it compares with this day."""
        return (date.year if self.year else 0, date.month, date.day)


def day(value: object, where: str) -> Day:
    """A day from "2027-05-10" or, for every year, "05-10"."""
    text = value.isoformat() if isinstance(value, datetime.date) else value
    found = _DAY.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise InputError(f'{where}: {shown(value)} is no date; write it like "2027-05-10", or "05-10" for every year')
    year, month, number = int(found[1] or 0), int(found[2]), int(found[3])
    try:
        datetime.date(year or _LEAP_YEAR, month, number)
    except ValueError:
        raise InputError(f"{where}: there is no {shown(value)}; correct the day, the month or the year") from None
    return Day(year, month, number)
