# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rehearsal of roll-outs under load: what is rolled out, what was lost, and the verdict.

Requests are sent at a constant rate whatever the answers do, and a request's time counts from the moment
it was to be sent (G. Tene, "How NOT to Measure Latency": a client that waits for answers hides the worst).
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import InputError
from .records import Item, Record

#: What a roll-out leaves in the environment, so that the engine replaces the containers.
MARK = "FIRSTBELL_DRILL"
#: A command that no image has: its health check never passes.
_NOWHERE = ["CMD", "/firstbell/never-healthy"]

WORKS, UNHEALTHY, CRASHES, UP, DOWN, AS_BEFORE = (
    "a version that works",
    "a version that never gets healthy",
    "a version that crashes under load",
    "one replica more",
    "one replica less",
    "the version from before the drill",
)
_BAD = (UNHEALTHY, CRASHES)


@dataclass(frozen=True)
class Answer:
    """``due``: when it was to be sent, on the load's clock; ``seconds`` from then to its last byte.

    ``said``: the status, or what went wrong.
    """

    due: float
    seconds: float
    said: str

    @property
    def good(self) -> bool:
        return self.said[:1] in ("2", "3")


@dataclass(frozen=True)
class Step:
    """One change of the service. Times are on the load's clock; ``outcome`` is the verdict's reason."""

    name: str
    began: float
    ended: float
    outcome: str
    message: str = ""

    @property
    def expected(self) -> str:
        return "rolled_back" if self.name in _BAD else "converged"

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True)
class Targets:
    """``ratio``: p99 during the roll-outs to p99 before; ``back``: seconds until a bad version is rolled back."""

    requests: int = 0
    failed: int = 0
    ratio: float = 2.0
    back: float = 90.0


def agenda(rollouts: int, replicas: int, most: int) -> list[str]:
    """The steps in their order: as many roll-outs as asked for, two of them bad, and a replica more and less.

    A single replica that crashes is an interruption whatever is done about it; where the plan has no room
    for a second one, no version crashes.
    """
    if rollouts < 4:  # noqa: PLR2004
        raise InputError(
            f"rollouts: {rollouts} is too few; two of them are bad and one brings back what was: write 4 or more"
        )
    can_grow = replicas < most
    steps = [WORKS] * (rollouts - 1) + [AS_BEFORE]
    steps[rollouts // 3] = UNHEALTHY
    if replicas > 1 or can_grow:
        steps[2 * rollouts // 3] = CRASHES
    if can_grow:
        steps.insert(0, UP)
        steps.append(DOWN)
    return steps


def varied(spec: Mapping[str, Any], name: str, number: int) -> dict[str, Any]:
    """The service's spec for a step; ``spec`` is the one from before the drill, ``number`` tells roll-outs apart."""
    changed: dict[str, Any] = copy.deepcopy(dict(spec))
    container = changed["TaskTemplate"]["ContainerSpec"]
    container["Env"] = [*(container.get("Env") or []), f"{MARK}={number}"]
    if name == UNHEALTHY:
        container["Healthcheck"] = {**(container.get("Healthcheck") or {}), "Test": _NOWHERE}
    return changed


def of_drill(spec: Mapping[str, Any]) -> bool:
    """Whether a spec is one that an interrupted drill has left behind."""
    environment = spec["TaskTemplate"]["ContainerSpec"].get("Env") or []
    return any(entry.startswith(f"{MARK}=") for entry in environment)


def with_replicas(spec: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The spec with another number of replicas."""
    changed: dict[str, Any] = copy.deepcopy(dict(spec))
    changed["Mode"]["Replicated"]["Replicas"] = count
    return changed


def percentile(seconds: Sequence[float], share: float) -> float:
    """The smallest time that ``share`` of the requests do not exceed (nearest rank); 0 for none."""
    ordered = sorted(seconds)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def judged(answers: Sequence[Answer], steps: Sequence[Step], targets: Targets, at: float, rate: float) -> Record:
    """The record: what was measured, the targets, and what to do about what was missed."""
    began, ended = steps[0].began, steps[-1].ended
    before = [answer.seconds for answer in answers if answer.due < began]
    during = [answer.seconds for answer in answers if began <= answer.due <= ended]
    failed = [answer for answer in answers if not answer.good]
    p99_before, p99_during = percentile(before, 0.99), percentile(during, 0.99)
    bad = [step for step in steps if step.name in _BAD]
    back = max((step.seconds for step in bad), default=0.0)
    length = max((answer.due for answer in answers), default=0.0)
    ratio = p99_during / p99_before if p99_before else math.inf
    findings = []
    if len(answers) < targets.requests:
        findings.append(
            f"{len(answers)} requests are fewer than {targets.requests}: raise app_drill_requests_per_second "
            "or app_drill_rollouts"
        )
    if len(failed) > targets.failed:
        said = ", ".join(
            f"{count} x {what}" for what, count in Counter(answer.said for answer in failed).most_common(3)
        )
        when = _when(failed[0].due, steps)
        findings.append(
            f"{len(failed)} of {len(answers)} requests failed ({said}), the first one during {when}: "
            "look at docker service logs of nginx and haproxy"
        )
    if not before or ratio > targets.ratio:
        worst = max(steps, key=lambda step: percentile(_of(step, answers), 0.99))
        findings.append(
            f"p99 was {p99_during * 1000:.0f} ms during the roll-outs and {p99_before * 1000:.0f} ms before, more than "
            f"{targets.ratio:g} times as much; worst during {worst.name}. "
            "Give the host more CPUs, or drill and deploy when less is going on"
        )
    if back > targets.back:
        findings.append(
            f"a bad version was rolled back after {back:.0f} s, not within {targets.back:.0f} s: "
            "lower start_period, interval or retries in firstbell_plan_overrides.health.app"
        )
    findings += [
        f"{step.name}: ended as {step.outcome} instead of {step.expected} ({step.message})"
        for step in steps
        if step.outcome != step.expected
    ]
    return Record(
        kind="rollout_drill",
        at=at,
        seconds=length,
        passed=not findings,
        measured={
            "requests": len(answers),
            "failed": len(failed),
            "requests_per_second": rate,
            "p99_before_seconds": round(p99_before, 4),
            "p99_during_seconds": round(p99_during, 4),
            "p99_ratio": round(ratio, 2) if math.isfinite(ratio) else 0,
            "p50_before_seconds": round(percentile(before, 0.5), 4),
            "p50_during_seconds": round(percentile(during, 0.5), 4),
            "slowest_seconds": round(max((answer.seconds for answer in answers), default=0.0), 3),
            "back_seconds": round(back, 1),
            "rollouts": sum(step.name not in (UP, DOWN) for step in steps),
        },
        targets={
            "requests": targets.requests,
            "failed": targets.failed,
            "p99_ratio": targets.ratio,
            "back_seconds": targets.back,
        },
        findings=tuple(findings),
        items=tuple(_item(step, answers) for step in steps),
    )


def _of(step: Step, answers: Sequence[Answer]) -> list[float]:
    return [answer.seconds for answer in answers if step.began <= answer.due <= step.ended]


def _item(step: Step, answers: Sequence[Answer]) -> Item:
    inside = [answer for answer in answers if step.began <= answer.due <= step.ended]
    lost = sum(not answer.good for answer in inside)
    wrong = "" if step.outcome == step.expected else f"ended as {step.outcome} instead of {step.expected}"
    return Item(
        name=step.name,
        passed=not wrong and not lost,
        measured={
            "seconds": round(step.seconds, 1),
            "requests": len(inside),
            "failed": lost,
            "p99_seconds": round(percentile([answer.seconds for answer in inside], 0.99), 4),
        },
        finding=wrong or (f"{lost} requests failed" if lost else ""),
    )


def _when(due: float, steps: Sequence[Step]) -> str:
    for step in steps:
        if step.began <= due <= step.ended:
            return f"{step.name}, {due - step.began:.1f} s after its begin"
    return "the time before" if due < steps[0].began else "the time after"
