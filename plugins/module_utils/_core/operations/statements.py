# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_stat_statements has counted since the last report: by itself it counts since it was reset, for years.

Of a report only numbers are kept, and no text of a statement.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DAY = 86400.0
#: One that was made by hand between two reports of a timer does not take the week from the next one.
KEPT = 5 * DAY


@dataclass(frozen=True)
class Snapshot:
    """Calls and seconds of each statement at a moment; ``reset``: since when they were counted."""

    at: float
    reset: float
    counted: Mapping[str, tuple[float, float]]

    def dump(self) -> str:
        content = {"at": self.at, "reset": self.reset, "counted": {key: list(one) for key, one in self.counted.items()}}
        return json.dumps(content) + "\n"


@dataclass(frozen=True)
class Counted:
    """Statements with the calls and times of what is since ``begin``; ``max_seconds`` is since ``reset``."""

    rows: Sequence[Mapping[str, Any]]
    begin: float
    reset: float


def take(database: Mapping[str, Any], at: float) -> Snapshot:
    """What is counted now."""
    counted = {str(one["id"]): (float(one["calls"]), float(one["total_seconds"])) for one in database["statements"]}
    return Snapshot(at, float(database["statements_since"]), counted)


def parse(text: str) -> Snapshot | None:
    """A snapshot that was kept; None where it is none, such as a file that somebody has changed."""
    try:
        content = json.loads(text)
        counted = {str(key): (float(calls), float(seconds)) for key, (calls, seconds) in content["counted"].items()}
        found = Snapshot(float(content["at"]), float(content["reset"]), counted)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return found if math.isfinite(found.at) and math.isfinite(found.reset) else None


def serves(last: Snapshot | None, database: Mapping[str, Any], now: float) -> bool:
    """Whether what was counted since then is the difference: not where counting began anew."""
    return last is not None and abs(last.reset - database["statements_since"]) < 1 and last.at < now


def is_due(last: Snapshot | None, database: Mapping[str, Any], now: float) -> bool:
    """Whether a new one is to be kept instead of the last."""
    return last is None or not serves(last, database, now) or now - last.at > KEPT


def since(last: Snapshot | None, database: Mapping[str, Any], now: float) -> Counted:
    """The difference to the last snapshot where there is one, else everything that is counted."""
    rows, reset = database["statements"], float(database["statements_since"])
    if last is None or not serves(last, database, now):
        return Counted(rows, reset, reset)
    found = []
    for one in rows:
        calls, seconds = last.counted.get(one["id"], (0.0, 0.0))
        if one["calls"] < calls:  # it was dropped for others meanwhile, and came again
            calls = seconds = 0.0
        if one["calls"] > calls:
            fresh, total = one["calls"] - calls, max(one["total_seconds"] - seconds, 0.0)
            found.append({**one, "calls": fresh, "total_seconds": total, "mean_seconds": total / fresh})
    return Counted(found, last.at, reset)
