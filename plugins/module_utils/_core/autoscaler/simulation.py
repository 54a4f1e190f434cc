# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays load through the policy and the queueing model, beside a fixed number of replicas."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .calendar import Calendar
from .policy import History, Reading, Settings, State, decide, turns
from .queueing import Formula, Queue
from .weeks import STEP, Load

#: The seeds' goal: a page in less than a second; half of that for the 95th percentile.
OBJECTIVE = 0.5
_BISECTIONS = 40
#: Rates are measured over this long, as the queries do.
MEASURED = 60.0


@dataclass(frozen=True)
class Point:
    """One step. ``p95`` in seconds."""

    at: float
    requests: float
    replicas: int
    p95: float
    fixed_p95: float


@dataclass(frozen=True)
class Summary:
    """The figures of one way to run the application.

    ``hours`` of replicas; ``p95`` over all requests and ``worst``, the highest p95 of any step, in
    seconds; ``late``: the share of requests that took longer than OBJECTIVE.
    """

    hours: float
    p95: float
    worst: float
    late: float
    moves: int = 0
    turns: int = 0


@dataclass(frozen=True)
class Result:
    points: tuple[Point, ...]
    scaled: Summary
    fixed: Summary
    fixed_replicas: int

    @property
    def saved(self) -> float:
        """The share of replica-hours that scaling saves."""
        return 1 - self.scaled.hours / self.fixed.hours


def replay(
    loads: Iterable[Load],
    calendar: Calendar,
    settings: Settings,
    *,
    service: float,
    fixed: int = 3,
    start: float = 30.0,
    cpus: float = 0,
) -> Result:
    """Run the load. ``service``: seconds of CPU of a request; ``start``: seconds until a new replica serves.

    ``cpus``: those that the replicas share; 0 for one each.
    """
    queue, beside = Queue(service, cpus), Queue(service, cpus)
    history = History()
    ordered, serving = 0, 0
    starting: list[tuple[float, int]] = []
    recent: deque[tuple[Load, float]] = deque(maxlen=max(1, int(MEASURED / STEP)))
    measured: dict[str, float] = {}
    points, moves = [], []
    ours: defaultdict[Formula, float] = defaultdict(float)
    others: defaultdict[Formula, float] = defaultdict(float)
    for load in loads:
        metrics = {name: Reading(value, load.at) for name, value in measured.items() if name in settings.targets}
        decision, history = decide(load.at, calendar, metrics, State(ordered), history, settings=settings)
        if decision.direction:
            moves.append((load.at, decision.direction))
        if decision.replicas > ordered:
            starting.append((load.at + (start if ordered else 0), decision.replicas))
        ordered = decision.replicas
        serving = max([min(serving, ordered), *(min(count, ordered) for ready, count in starting if ready <= load.at)])
        starting = [item for item in starting if item[0] > load.at]

        now = queue.step(load.requests, serving, STEP)
        fixed_now = beside.step(load.requests, fixed, STEP)
        ours[now.formula] += load.requests
        others[fixed_now.formula] += load.requests
        recent.append((load, now.busy))
        measured = {
            "sessions": load.sessions,
            "requests": sum(item[0].requests for item in recent) / len(recent),
            "cpu": sum(item[1] for item in recent) / len(recent),
            "p95": now.p95,
            "queue": now.waiting,
        }
        points.append(Point(load.at, load.requests, ordered, now.p95, fixed_now.p95))
    hours = STEP / 3600
    p95, late = _over_all(ours)
    fixed_p95, fixed_late = _over_all(others)
    worst, fixed_worst = max(point.p95 for point in points), max(point.fixed_p95 for point in points)
    used = sum(point.replicas for point in points) * hours
    return Result(
        points=tuple(points),
        scaled=Summary(used, p95, worst, late, len(moves), _most_turns(tuple(moves))),
        fixed=Summary(fixed * len(points) * hours, fixed_p95, fixed_worst, fixed_late),
        fixed_replicas=fixed,
    )


def _over_all(steps: Mapping[Formula, float]) -> tuple[float, float]:
    """The 95th percentile over all requests of all steps, and the share that is later than OBJECTIVE."""
    total = sum(steps.values()) or 1.0

    def late(seconds: float) -> float:
        return sum(count * formula.late(seconds) for formula, count in steps.items()) / total

    low, high = 0.0, 1.0
    while late(high) > 0.05:  # noqa: PLR2004
        high *= 2
    for _step in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if late(middle) > 0.05 else (low, middle)  # noqa: PLR2004
    return high, late(OBJECTIVE)


def _most_turns(moves: tuple[tuple[float, int], ...]) -> int:
    """The most direction changes in any hour."""
    times = turns(moves)
    return max((sum(at - 3600 < other <= at for other in times) for at in times), default=0)
