# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much load a stack is to carry: users, and requests a second of each scenario, from the profile.

Users and scans: S93 to S96 and C12 of the requirements; each figure is the upper end of its range. Users think
ten seconds between two pages, and all of them sign in within ten minutes when the bell rings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..units import shown

THINK_SECONDS = 10.0
ARRIVAL_SECONDS = 600.0
#: A reader asks for a book that often; nobody else reads.
READING_SECONDS = 30.0

#: Most that one run may ask for, in users, requests a second and seconds of one measurement.
MOST_USERS = 20_000
MOST_RATE = 5_000.0
MOST_SECONDS = 3_600.0


@dataclass(frozen=True)
class Crowd:
    """Users at the same time, barcode scans a second, and the share of the users that read."""

    users: int
    scans: float
    readers: float


CROWDS: Mapping[str, Crowd] = {
    "small": Crowd(300, 15.0, 0.1),  # S93; scans by the ratio of S96
    "medium": Crowd(1000, 50.0, 0.1),  # S94, S96
    "large": Crowd(2000, 100.0, 0.1),  # S95; scans by the ratio of S96
    "academy": Crowd(1000, 50.0, 0.1),  # S96
    "stories": Crowd(100, 0.0, 1.0),  # the 100 sessions of S71 and C12; a library: everybody reads (S80), nobody scans
}


@dataclass(frozen=True)
class Load:
    """``rates``: arrivals a second by scenario. ``students``: cards that can be scanned, none of them twice."""

    users: int
    rates: Mapping[str, float] = field(default_factory=dict)
    students: int = 1

    @property
    def rate(self) -> float:
        return sum(self.rates.values())

    def as_dict(self) -> dict[str, Any]:
        return {"users": self.users, "rates": dict(self.rates), "students": self.students}


def load_of(
    profile: str,
    seconds: float,
    users: object = None,
    scans: object = None,
    rates: Mapping[str, object] | None = None,
) -> Load:
    """The load of a profile; ``users`` and ``scans`` replace its figures, ``rates`` adds or replaces scenarios.

    Fewer or more users than the profile's scale everything that is not given. Raises InputError.
    """
    if profile not in CROWDS:
        raise InputError(f"profile: there is no {shown(profile)}; take one of {', '.join(CROWDS)}")
    crowd = CROWDS[profile]
    people = crowd.users if users in (None, "") else _whole("load_test_users", users, MOST_USERS)
    share = people / crowd.users
    scanned = crowd.scans * share if scans in (None, "") else _number("load_test_scans_per_second", scans, MOST_RATE)
    found = {
        "morning_peak": people / ARRIVAL_SECONDS,
        "sign_in": people / ARRIVAL_SECONDS / 2,
        "login_page": people / ARRIVAL_SECONDS * 2,
        "dashboard": people / THINK_SECONDS,
        # Of an application that has no scenarios of its own: users who look at its first page.
        "landing": people / THINK_SECONDS,
        "scan": scanned,
        "read_book": people * crowd.readers / READING_SECONDS,
    }
    given = {name: _number(f"load_test_rates.{name}", rate, MOST_RATE) for name, rate in (rates or {}).items()}
    merged = {name: round(rate, 4) for name, rate in {**found, **given}.items() if rate > 0}
    load = Load(people, merged, _students(merged.get("scan", 0.0), seconds))
    if load.rate > MOST_RATE:
        raise InputError(f"load_test_rates: {load.rate:.0f} requests a second in all; at most {MOST_RATE:.0f} are sent")
    return load


def scaled(load: Load, users: int, seconds: float) -> Load:
    """The same mixture for another number of users."""
    share = users / load.users
    rates = {name: round(rate * share, 4) for name, rate in load.rates.items()}
    return Load(users, rates, _students(rates.get("scan", 0.0), seconds))


def _students(scans: float, seconds: float) -> int:
    """A tenth more than are scanned: a card that is scanned twice would cost the database less."""
    return max(1, round(scans * seconds * 1.1) + 10)


def _number(name: str, value: object, most: float) -> float:
    try:
        number = float(str(value))
    except ValueError:
        raise InputError(f"{name}: {shown(value)} is no number") from None
    if not 0 <= number <= most:
        raise InputError(f"{name}: {shown(value)} must be between 0 and {most:g}")
    return number


def _whole(name: str, value: object, most: int) -> int:
    number = _number(name, value, most)
    if number != int(number) or number < 1:
        raise InputError(f"{name}: {shown(value)} must be a whole number between 1 and {most}")
    return int(number)


#: Signing in takes this long for each user, with everything busy; signing out and late answers come on top.
_SIGN_IN_SECONDS = 0.25
_AROUND_SECONDS = 180.0
_MOST_STUDENTS = 200_000


@dataclass(frozen=True)
class Plan:
    """A run: its first load, and what the host must have for it.

    ``users`` that can sign in, ``students`` that can be scanned, ``most_seconds`` until the generator gives up and
    ``open_seconds`` until the host closes what it has opened.
    """

    load: Load
    users: int
    students: int
    most_seconds: int
    open_seconds: int

    def as_dict(self) -> dict[str, Any]:
        most = {"users": self.users, "students": self.students}
        return {
            "load": self.load.as_dict(),
            **most,
            "most_seconds": self.most_seconds,
            "open_seconds": self.open_seconds,
        }


def plan_of(load: Load, seconds: float, warm: float, most_users: int, steps: int) -> Plan:
    """``steps`` is 1 for one measurement; a search takes up to as many, and up to ``most_users`` users."""
    if not 5 <= seconds <= MOST_SECONDS:  # noqa: PLR2004 - shorter than that there is no p95
        raise InputError(f"load_test_seconds: {shown(seconds)} must be between 5 and {MOST_SECONDS:g}")
    users = max(load.users, most_users) if steps > 1 else load.users
    if users > MOST_USERS:
        raise InputError(f"load_test_capacity_users_max: {users} must be at most {MOST_USERS}")
    students = min(_MOST_STUDENTS, scaled(load, users, seconds + warm).students * min(steps, 4))
    most = min(MOST_SECONDS, steps * (seconds + warm + 40) + users * _SIGN_IN_SECONDS + _AROUND_SECONDS)
    return Plan(Load(load.users, load.rates, students), users, students, round(most), round(most) + 120)
