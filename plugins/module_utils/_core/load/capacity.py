# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the number of users that a host just carries.

Steps grow by half until one does not hold, then the gap is halved until it is small. Every step is a measurement of
its own with its own verdict; nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

GROWTH = 1.5
#: A gap of this share of the users is small enough; measurements scatter by as much.
CLOSE = 0.1
STEPS = 12
LEAST = 10


class Tried(NamedTuple):
    """A step that was measured, and whether it held."""

    users: int
    held: bool


def next_users(tried: Sequence[Tried], first: int, most: int, steps: int = STEPS) -> int | None:
    """How many users come next; None when the answer is known, or when it has been long enough."""
    if not tried:
        return min(first, most)
    if len(tried) >= steps:
        return None
    low, high = carried(tried), broken(tried)
    if high is None:
        return None if low >= most else min(most, _rounded(low * GROWTH))
    if high <= LEAST or high - low <= max(LEAST, CLOSE * low):
        return None
    middle = max(LEAST, _rounded((low + high) / 2))
    return None if middle in (low, high) else middle


def carried(tried: Sequence[Tried]) -> int:
    """The most users that held, below any number that did not; 0 of none."""
    high = broken(tried)
    return max((one.users for one in tried if one.held and (high is None or one.users < high)), default=0)


def broken(tried: Sequence[Tried]) -> int | None:
    """The fewest users that did not hold."""
    return min((one.users for one in tried if not one.held), default=None)


def _rounded(users: float) -> int:
    """To tens: more exact than the measurement is nothing."""
    return round(users / LEAST) * LEAST
