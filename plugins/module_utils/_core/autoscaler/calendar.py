# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The school's calendar: bands of the day, weekdays, seasons and single days (C6, C7).

A band has a minimum and a maximum of replicas. The day has a factor that both are multiplied by: that
of a single date if it is listed, else that of the season times that of the weekday. The maximum is
rounded up; the minimum up on days with more than usual, else down. Everything is in local time.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import InputError
from ..findings import Finding
from ..names import did_you_mean
from ..units import shown
from .clock import WEEKDAYS, Day, clock, day, minute_of_day, wall, zone

MOST_REPLICAS = 1000
MOST_FACTOR = 10
_MOST_KNOWN = 10_000
_STEP = 60  # seconds; bands begin at whole minutes


@dataclass(frozen=True)
class Band:
    """From ``start`` (minutes since midnight) to the next band's start."""

    name: str
    start: int
    minimum: int
    maximum: int


@dataclass(frozen=True)
class Season:
    """Days that have a factor of their own, ``first`` and ``last`` included."""

    name: str
    first: Day
    last: Day
    factor: Fraction

    def holds(self, date: datetime.date) -> bool:
        today = self.first.of(date)
        if self.first.key <= self.last.key:
            return self.first.key <= today <= self.last.key
        return today >= self.first.key or today <= self.last.key  # over New Year


@dataclass(frozen=True)
class Window:
    """What the calendar says for a moment."""

    minimum: int
    maximum: int
    band: str
    factor: Fraction
    why: str


@dataclass(frozen=True)
class Calendar:
    """``bands`` by their start; ``weekdays`` holds a factor for each of the seven, Monday first."""

    zone: ZoneInfo
    bands: tuple[Band, ...]
    weekdays: tuple[Fraction, ...]
    seasons: tuple[Season, ...]
    dates: tuple[Season, ...]
    _known: dict[int, Window] = field(default_factory=dict, compare=False, repr=False)

    def factor(self, date: datetime.date) -> tuple[Fraction, str]:
        """The day's factor and where it is from."""
        for single in self.dates:
            if single.holds(date):
                return single.factor, single.name
        names = [WEEKDAYS[date.weekday()]]
        factor = self.weekdays[date.weekday()]
        for season in self.seasons:
            if season.holds(date):
                factor *= season.factor
                names.append(season.name)
        return factor, ", ".join(names)

    def at(self, moment: float) -> Window:
        """Minimum and maximum at ``moment``, before any cap; neither is ever below 1."""
        minute = int(moment // _STEP)
        if minute not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[minute] = self._at(minute * _STEP)
        return self._known[minute]

    def _at(self, moment: float) -> Window:
        local = wall(moment, self.zone)
        minutes = local.hour * 60 + local.minute
        begun = [band for band in self.bands if band.start <= minutes]
        band = begun[-1] if begun else self.bands[-1]  # that of the evening before
        factor, names = self.factor(local.date())
        minimum = math.ceil(band.minimum * factor) if factor > 1 else math.floor(band.minimum * factor)
        maximum = math.ceil(band.maximum * factor)
        why = f"{band.name} from {clock(band.start)}, {names}" + (f" x {float(factor):g}" if factor != 1 else "")
        return Window(max(1, minimum), max(1, maximum), band.name, factor, why)

    def ahead(self, moment: float, lead: float) -> Window:
        """As ``at``, but with the largest minimum and maximum of the ``lead`` seconds to come."""
        now = self.at(moment)
        best, most = now, now.maximum
        # Every minute on the way, so that no short band is stepped over.
        for minute in range(int(moment // _STEP) + 1, int((moment + lead) // _STEP) + 1):
            window = self.at(minute * _STEP)
            most = max(most, window.maximum)
            if window.minimum > best.minimum:
                best = window
        why = now.why if best is now else f"{best.why}, before it begins"
        return Window(best.minimum, most, now.band, now.factor, why)


def parse(data: object, where: str = "autoscaler") -> Calendar:
    """A checked calendar; raises InputError that names the entry and what to write.

    ``data`` has ``timezone``, ``bands`` and, if wanted, ``weekdays``, ``seasons`` and ``dates``.
    """
    given = _mapping(data, f"{where}_calendar", ("timezone", "bands", "weekdays", "seasons", "dates"))
    seasons = tuple(_season(item, f"{where}_seasons") for item in _list(given.get("seasons", []), f"{where}_seasons"))
    dates = tuple(_date(item, f"{where}_dates") for item in _list(given.get("dates", []), f"{where}_dates"))
    _refuse_overlaps(seasons, f"{where}_seasons", "let one end before the other begins, or list its days under dates")
    _refuse_overlaps(dates, f"{where}_dates", "leave one of them out")
    return Calendar(
        zone=zone(given.get("timezone", "UTC"), "firstbell_timezone"),
        bands=_bands(given.get("bands"), f"{where}_bands"),
        weekdays=_weekdays(given.get("weekdays", {}), f"{where}_weekdays"),
        seasons=seasons,
        dates=dates,
    )


def calendar_findings(variables: Mapping[str, Any]) -> list[Finding]:
    """What cannot be meant in the calendar that a user gives, before there is a plan to hold it against."""
    parts = ("bands", "weekdays", "seasons", "dates")
    given = {part: variables[f"autoscaler_{part}"] for part in parts if f"autoscaler_{part}" in variables}
    try:
        parse({"bands": [{"name": "all day", "from": "00:00", "minimum": 1, "maximum": 1}], **given})
    except InputError as error:
        name, _colon, problem = str(error).partition(": ")
        return [Finding(name, problem, "")]
    return []


def _bands(data: object, where: str) -> tuple[Band, ...]:
    bands: list[Band] = []
    for item in _list(data, where):
        here = f"{where}.{item['name']}" if isinstance(item, Mapping) and "name" in item else where
        given = _mapping(item, here, ("name", "from", "minimum", "maximum"), required=True)
        band = Band(
            str(given["name"]),
            minute_of_day(given["from"], f"{here}.from"),
            replicas(given["minimum"], f"{here}.minimum"),
            replicas(given["maximum"], f"{here}.maximum"),
        )
        if band.minimum > band.maximum:
            raise InputError(f"{here}: minimum {band.minimum} is more than maximum {band.maximum}; swap or change them")
        for other in bands:
            if other.name == band.name:
                raise InputError(f"{where}: two bands are called {shown(band.name)}; give one another name")
            if other.start == band.start:
                raise InputError(
                    f"{where}: {other.name} and {band.name} both begin at {clock(band.start)}; change one of them"
                )
        bands.append(band)
    if not bands:
        raise InputError(
            f'{where}: there is none; write one such as {{name: all day, from: "00:00", minimum: 1, maximum: 3}}'
        )
    return tuple(sorted(bands, key=lambda band: band.start))


def _weekdays(data: object, where: str) -> tuple[Fraction, ...]:
    given = _mapping(data, where, WEEKDAYS)
    return tuple(factor_of(given.get(name, 1), f"{where}.{name}") for name in WEEKDAYS)


def _season(data: object, where: str) -> Season:
    here = f"{where}.{data['name']}" if isinstance(data, Mapping) and "name" in data else where
    given = _mapping(data, here, ("name", "from", "to", "factor"), required=True)
    first, last = day(given["from"], f"{here}.from"), day(given["to"], f"{here}.to")
    if bool(first.year) != bool(last.year):
        raise InputError(f"{here}: {first} to {last}: write the year at both ends, or at neither for every year")
    if first.year and first.key > last.key:
        raise InputError(f"{here}: it ends on {last} before it begins on {first}; swap them")
    return Season(str(given["name"]), first, last, factor_of(given["factor"], f"{here}.factor"))


def _date(data: object, where: str) -> Season:
    here = f"{where}.{data['name']}" if isinstance(data, Mapping) and "name" in data else where
    given = _mapping(data, here, ("name", "date", "factor"), required=True)
    only = day(given["date"], f"{here}.date")
    return Season(str(given["name"]), only, only, factor_of(given["factor"], f"{here}.factor"))


def _refuse_overlaps(seasons: Sequence[Season], where: str, fix: str) -> None:
    years = {end.year for season in seasons for end in (season.first, season.last)} - {0}
    for year in sorted(years | {2028}):  # a leap year for those of every year
        date = datetime.date(year, 1, 1)
        while date.year == year:
            here = [season.name for season in seasons if season.holds(date)]
            if len(here) > 1:
                raise InputError(f"{where}: {here[0]} and {here[1]} both hold {date.isoformat()}; {fix}")
            date += datetime.timedelta(days=1)


def replicas(value: object, where: str) -> int:
    """A number of replicas: never 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_REPLICAS:
        raise InputError(f"{where}: {shown(value)} is no number of replicas; write a whole number from 1")
    return value


def factor_of(value: object, where: str) -> Fraction:
    """A factor as it is written: 0.3 is three tenths."""
    if not isinstance(value, bool) and isinstance(value, (int, float)) and 0 < value <= MOST_FACTOR:
        return Fraction(str(value))
    raise InputError(
        f"{where}: {shown(value)} is no factor; write a number above 0 and up to {MOST_FACTOR}, such as 0.5 for half"
    )


def _list(data: object, where: str) -> Sequence[object]:
    if not isinstance(data, (list, tuple)):
        raise InputError(f"{where}: {shown(data)} is no list; begin each entry with a hyphen")
    return data


def _mapping(data: object, where: str, known: Sequence[str], required: bool = False) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: {shown(data)} has no entries; write {', '.join(known)}, each with its value")
    for key in data:
        if key not in known:
            near = did_you_mean(str(key), known)
            raise InputError(
                f"{where}: nothing is called {shown(key)}; "
                + (f"did you mean {near}?" if near else f"take one of {', '.join(known)}")
            )
    missing = [key for key in known if required and key not in data]
    if missing:
        raise InputError(f"{where}: {missing[0]} is missing; write all of {', '.join(known)}")
    return data
