# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A school's calendar and settings for the autoscaler's tests, and a trace that is played through the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler import policy
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.calendar import Calendar, parse

BANDS = [
    {"name": "school", "from": "08:00", "minimum": 2, "maximum": 4},
    {"name": "evening", "from": "18:00", "minimum": 1, "maximum": 4},
    {"name": "night", "from": "22:00", "minimum": 1, "maximum": 2},
]
ALWAYS = [{"name": "always", "from": "00:00", "minimum": 1, "maximum": 6}]
INTERVAL = 10


def school(**changes: Any) -> dict[str, Any]:
    return {
        "timezone": "Europe/Berlin",
        "bands": BANDS,
        "weekdays": {"saturday": 0.5, "sunday": 0.5},
        "seasons": [
            {"name": "exams", "from": "05-10", "to": "06-04", "factor": 1.5},
            {"name": "summer", "from": "07-01", "to": "08-31", "factor": 0.3},
        ],
        "dates": [{"name": "Christmas Day", "date": "12-25", "factor": 0.3}],
        **changes,
    }


def anytime() -> Calendar:
    return parse({"bands": ALWAYS})


def settings(**changes: Any) -> policy.Settings:
    return policy.Settings(**{"targets": {"requests": 50.0}, "caps": {"autoscaler_maximum": 6}, **changes})


@dataclass
class Trace:
    """What happened in a run of the policy, one entry for each decision."""

    times: list[float]
    decisions: list[policy.Decision]

    @property
    def replicas(self) -> list[int]:
        return [decision.replicas for decision in self.decisions]

    @property
    def moves(self) -> list[tuple[float, int]]:
        pairs = zip(self.times, self.decisions)
        return [(at, decision.direction) for at, decision in pairs if decision.direction]

    def most_turns(self) -> int:
        """The most direction changes among the moves of any hour, counted plainly."""
        most = 0
        for end, _ in self.moves:
            hour = [direction for at, direction in self.moves if end - 3600 < at <= end]
            most = max(most, sum(left != right for left, right in zip(hour, hour[1:])))
        return most


def play(
    metrics: Callable[[float], Mapping[str, float]],
    seconds: float,
    *,
    begin: float = 0.0,
    replicas: int = 1,
    calendar: Calendar | None = None,
    wanted: policy.Settings | None = None,
    clock: Callable[[float], float] = lambda at: at,
) -> Trace:
    """Decide every ten seconds; ``clock`` is what the host's clock shows at a true time."""
    history, trace = policy.History(), Trace([], [])
    for step in range(int(seconds / INTERVAL) + 1):
        true = begin + step * INTERVAL
        now = clock(true)
        readings = {name: policy.Reading(value, now) for name, value in metrics(step * INTERVAL).items()}
        decision, history = policy.decide(
            now, calendar or anytime(), readings, policy.State(replicas), history, settings=wanted or settings()
        )
        replicas = decision.replicas
        trace.times.append(true)
        trace.decisions.append(decision)
    return trace
