# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Weeks to replay: made ones, and recorded ones from a file."""

from __future__ import annotations

import csv
import datetime
import io
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ..errors import InputError
from ..units import shown

STEP = 15.0  # seconds
#: Requests of a user in each second: one in 10 s, the middle of the 5-15 s that users of a load test think.
REQUESTS_OF_A_USER = 0.1
DAY = 86400.0
WEEK = 7 * DAY

#: Users at a time of day (hours), as a share of the most on an ordinary school day, joined by
#: straight lines: the first bell, lessons with a dip at noon, homework, the night.
_SCHOOL = (
    (0, 0.01), (6, 0.01), (7.5, 0.10), (7.83, 0.45), (8, 0.95), (8.25, 1.0), (8.75, 0.60), (10, 0.55), (11.75, 0.60),
    (12.25, 0.35), (13, 0.50), (15.5, 0.45), (16.5, 0.25), (19, 0.30), (20.5, 0.25), (22, 0.08), (23, 0.02), (24, 0.01),
)  # fmt: skip
_FREE = ((0, 0.01), (9, 0.02), (11, 0.08), (16, 0.12), (20, 0.15), (22, 0.05), (23.5, 0.01), (24, 0.01))

#: Kind of week: factor of school days and of days off.
KINDS = {"school": (1.0, 1.0), "exam": (1.5, 2.0), "summer": (0.1, 0.5)}
_NOISE = 0.1


@dataclass(frozen=True)
class Load:
    """What arrives during one step of STEP seconds: requests a second, and signed-in users."""

    at: float
    requests: float
    sessions: float


def made(kind: str, monday: datetime.date, zone: ZoneInfo, users: float, seed: int = 1) -> Iterator[Load]:
    """A week of this kind from Monday 00:00 local time, with 10 % of noise, the same for each seed."""
    if kind not in KINDS:
        raise InputError(f"week: {shown(kind)} is none that can be made; take one of {', '.join(KINDS)}")
    noise = random.Random(seed)  # noqa: S311  (a simulation)
    school, free = KINDS[kind]
    begin = datetime.datetime.combine(monday, datetime.time(), zone).timestamp()
    for number in range(int(WEEK / STEP)):
        at = begin + number * STEP
        local = datetime.datetime.fromtimestamp(at, zone)
        weekend = local.weekday() >= 5  # noqa: PLR2004  (Saturday)
        hour = local.hour + local.minute / 60 + local.second / 3600
        share = _between(_FREE, hour) * free if weekend else _between(_SCHOOL, hour) * school
        sessions = users * share * (1 + _NOISE * noise.uniform(-1, 1))
        yield Load(at, sessions * REQUESTS_OF_A_USER, sessions)


def _between(points: Sequence[tuple[float, float]], hour: float) -> float:
    for (left, low), (right, high) in zip(points, points[1:]):
        if hour <= right:
            return low + (high - low) * (hour - left) / (right - left)
    return points[-1][1]


def recorded(text: str, where: str) -> list[Load]:
    """A recorded course from CSV with the columns time, requests and, if known, sessions.

    ``time`` is in seconds since 1970 or as ISO 8601 with an offset, ``requests`` in requests a
    second; each line holds until the next one.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    if len(rows) < 2 or not {"time", "requests"} <= set(rows[0]):  # noqa: PLR2004
        raise InputError(
            f"{where}: it has no two lines with the columns time and requests; write time,requests,sessions first"
        )
    points: list[Load] = []
    for number, row in enumerate(rows, 2):
        try:
            at, requests = _time(row["time"]), float(row["requests"])
            sessions = float(row.get("sessions") or requests / REQUESTS_OF_A_USER)
        except (ValueError, TypeError):
            raise InputError(
                f"{where}: line {number} cannot be read; write it like 2027-03-01T08:00:00+01:00,84.5,640"
            ) from None
        if not (math.isfinite(requests) and math.isfinite(sessions) and requests >= 0 and sessions >= 0):
            raise InputError(f"{where}: line {number} has no number that load can have; write 0 or more")
        if points and at <= points[-1].at:
            raise InputError(f"{where}: line {number} is not later than the one before; sort the lines by time")
        points.append(Load(at, requests, sessions))
    if points[-1].at - points[0].at > 8 * WEEK:
        raise InputError(f"{where}: it is longer than eight weeks; replay a part of it")
    loads, index, at = [], 0, points[0].at
    while at <= points[-1].at:
        while index + 1 < len(points) and points[index + 1].at <= at:
            index += 1
        loads.append(Load(at, points[index].requests, points[index].sessions))
        at += STEP
    return loads


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            raise ValueError("no offset") from None
        return moment.timestamp()
