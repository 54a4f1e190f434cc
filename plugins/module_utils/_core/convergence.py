# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a swarm service is what its spec promises, judged from what the engine shows.

Each predicate looks at one observation and returns a verdict or None; the first
verdict counts, and a service that no predicate objects to has converged.

What the engine does, and these predicates rely on:

- A task whose container has a health check stays ``starting`` until the check has
  passed once, so a task that is ``running`` is healthy.
- ``UpdateStatus`` is removed by every update and set only when tasks have to be
  replaced. Right after an update it is empty while the old tasks still run; after a
  change of labels or replicas it stays empty for ever. So the status alone proves
  nothing: the tasks must be made from the new spec as well.
- A roll-back puts the previous spec back into the service and says so in the status.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .service_spec import same_tasks

#: A service whose tasks have no health check must have run this long to count as steady.
STEADY_SECONDS = 3.0
#: Failed tasks of one slot that make a crash loop.
CRASH_LIMIT = 3
#: Tasks of one slot that no container could be made for (no image, no mount source).
REJECT_LIMIT = 2
#: How long the scheduler may find no host before that counts as an answer.
UNSCHEDULABLE_SECONDS = 15.0

_FAILED = frozenset(("failed", "rejected", "complete"))
_ENDED = frozenset(("complete", "shutdown", "failed", "rejected", "orphaned", "remove"))
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Observation:
    """What the engine showed at one moment.

    ``known_tasks`` are the ids of tasks that had already ended when the run began:
    their failures are not held against the service. ``wrote`` says that this run
    has created or updated the service, or that an update was still going on when it
    began. ``replaced`` are the ids of tasks from before a change of ports or of the
    endpoint mode, which a task's spec does not show.
    """

    service: Mapping[str, Any]
    tasks: tuple[Mapping[str, Any], ...]
    now: float
    down_nodes: frozenset[str] = frozenset()
    known_tasks: frozenset[str] = frozenset()
    wrote: bool = False
    replaced: frozenset[str] = frozenset()

    @property
    def template(self) -> Mapping[str, Any]:
        template: Mapping[str, Any] = self.service["Spec"]["TaskTemplate"]
        return template

    @property
    def update_state(self) -> str:
        return str((self.service.get("UpdateStatus") or {}).get("State") or "")

    def is_new(self, task: Mapping[str, Any]) -> bool:
        """Whether the task was made from the service's spec as it is now."""
        return task["ID"] not in self.replaced and same_tasks(self.template, task["Spec"])

    def wanted(self) -> list[Mapping[str, Any]]:
        """The tasks that the engine wants to run."""
        return [task for task in self.tasks if task["DesiredState"] not in ("shutdown", "remove")]

    def failures(self) -> list[Mapping[str, Any]]:
        """The tasks that ended by themselves since the run began, the latest first."""
        return failed_tasks(task for task in self.tasks if task["ID"] not in self.known_tasks)


@dataclass(frozen=True)
class Verdict:
    """``patience`` is how many seconds this verdict may stand before it is a failure.

    None: as long as the caller waits at all; 0: it is a failure now.
    """

    reason: str
    message: str
    converged: bool = False
    patience: float | None = None


Predicate = Callable[[Observation], "Verdict | None"]


def nanoseconds(timestamp: str) -> int:
    """Nanoseconds since 1970 of a timestamp of the engine (RFC 3339, up to nine decimals)."""
    match = _TIMESTAMP.fullmatch(timestamp)
    if match is None:
        return 0
    zone = "+00:00" if match[3] == "Z" else match[3]
    whole = datetime.fromisoformat(match[1] + zone)
    seconds = (whole - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()
    return int(seconds) * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))


def state(task: Mapping[str, Any]) -> str:
    return str(task["Status"]["State"])


def has_ended(task: Mapping[str, Any]) -> bool:
    return state(task) in _ENDED


def failed_tasks(tasks: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that ended by themselves, the latest first."""
    failed = [task for task in tasks if state(task) in _FAILED]
    return sorted(failed, key=lambda task: nanoseconds(task["Status"]["Timestamp"]), reverse=True)


def error_of(task: Mapping[str, Any]) -> str:
    """What the engine says about the task, with the exit code where a container ended."""
    status = task["Status"]
    text = str(status.get("Err") or status.get("Message") or state(task))
    code = (status.get("ContainerStatus") or {}).get("ExitCode")
    if state(task) in ("failed", "complete") and code is not None and f"({code})" not in text:
        text += f" (exit code {code})"
    return text


def rolled_back(seen: Observation) -> Verdict | None:
    if not seen.wrote or not seen.update_state.startswith("rollback_"):
        return None
    text = str(seen.service["UpdateStatus"].get("Message") or "")
    if seen.update_state == "rollback_completed":
        return Verdict(
            "rolled_back", "the engine went back to the previous version, which is serving again", patience=0
        )
    if seen.update_state == "rollback_paused":
        return Verdict("rollback_paused", f"the engine could not go back to the previous version: {text}", patience=0)
    return Verdict("rolling_back", f"the engine goes back to the previous version: {text}")


def paused(seen: Observation) -> Verdict | None:
    if seen.update_state not in ("paused", "rollback_paused"):
        return None
    return Verdict("paused", f"the update is paused: {seen.service['UpdateStatus'].get('Message') or ''}", patience=0)


def crash_looping(seen: Observation) -> Verdict | None:
    """Failures of one slot; while an update runs that the engine itself would end, the engine decides."""
    action = (seen.service["Spec"].get("UpdateConfig") or {}).get("FailureAction")
    if seen.update_state == "updating" and action != "continue":
        return None
    slots: dict[object, list[Mapping[str, Any]]] = {}
    for task in seen.failures():
        if seen.is_new(task):
            slots.setdefault(task.get("Slot") or task.get("NodeID"), []).append(task)
    for failed in slots.values():
        error = error_of(failed[0])
        rejected = [task for task in failed if state(task) == "rejected"]
        if len(rejected) >= REJECT_LIMIT or len(failed) >= CRASH_LIMIT:
            return Verdict(_why(failed[0]), f"{len(failed)} tasks failed one after the other: {error}", patience=0)
    return None


def _why(task: Mapping[str, Any]) -> str:
    error = error_of(task).lower()
    if any(text in error for text in ("no such image", "pull access denied", "manifest unknown")):
        return "image_missing"
    if "unhealthy" in error:
        return "unhealthy"
    return "rejected" if state(task) == "rejected" else "crash_looping"


def unschedulable(seen: Observation) -> Verdict | None:
    """No host for a task. While an old task is stopping, the new one waits for its place, which is no trouble."""
    if lingering(seen) is not None:
        return None
    for task in seen.wanted():
        if state(task) == "pending" and task["Status"].get("Err"):
            error = task["Status"]["Err"]
            return Verdict("unschedulable", f"no host can take a task: {error}", patience=UNSCHEDULABLE_SECONDS)
    return None


def updating(seen: Observation) -> Verdict | None:
    replaced = [task for task in seen.wanted() if not seen.is_new(task)]
    if replaced:
        return Verdict("updating", f"{len(replaced)} tasks of the previous version are still to be replaced")
    if seen.update_state in ("updating", "rollback_started"):
        return Verdict("updating", "the engine is still updating or watching the new tasks")
    return None


def incomplete(seen: Observation) -> Verdict | None:
    """Too few or too many running tasks, or some that are not steady yet."""
    wanted = seen.wanted()
    replicated = seen.service["Spec"]["Mode"].get("Replicated")
    count = max(len(wanted), 1) if replicated is None else int(replicated.get("Replicas", 1))
    running = [task for task in wanted if state(task) == "running" and task["DesiredState"] == "running"]
    if len(running) < count:
        reason, doing = _first_obstacle(seen, wanted)
        return Verdict(reason, f"{len(running)} of {count} tasks are running{doing}")
    if len(wanted) > count:
        return Verdict("updating", f"{len(wanted) - count} tasks too many are still to be stopped")
    if has_health_check(seen.template):
        return None
    youngest = max((nanoseconds(task["Status"]["Timestamp"]) / 1e9 for task in running), default=0.0)
    if abs(seen.now - youngest) < STEADY_SECONDS:
        return Verdict("starting", "the tasks have just started and have no health check")
    return None


def _first_obstacle(seen: Observation, wanted: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    failures = seen.failures()
    if failures:
        return _why(failures[0]), f"; the last one ended: {error_of(failures[0])}"
    for task in wanted:
        if state(task) == "starting" and has_health_check(seen.template):
            return "unhealthy", "; the health check has not passed yet"
        if state(task) != "running":
            return "starting", f"; one is {state(task)}"
    return "starting", ""


def lingering(seen: Observation) -> Verdict | None:
    """Old tasks that have not ended.

    Those that never will do not count: on a lost host, or never given to a host.
    """
    old = [
        task
        for task in seen.tasks
        if task["DesiredState"] in ("shutdown", "remove")
        and not has_ended(task)
        and task.get("NodeID")
        and task["NodeID"] not in seen.down_nodes
    ]
    return Verdict("stopping", f"{len(old)} old tasks are still stopping") if old else None


PREDICATES: tuple[Predicate, ...] = (
    rolled_back,
    paused,
    crash_looping,
    unschedulable,
    updating,
    incomplete,
    lingering,
)


def judge(seen: Observation) -> Verdict:
    """The first objection, or that the service has converged."""
    for predicate in PREDICATES:
        verdict = predicate(seen)
        if verdict is not None:
            return verdict
    return Verdict("converged", "all tasks run the wanted version", converged=True)


def has_health_check(template: Mapping[str, Any]) -> bool:
    """Whether the spec has a check of its own. One from the image alone is not seen, and costs a few seconds."""
    test = ((template.get("ContainerSpec") or {}).get("Healthcheck") or {}).get("Test") or []
    return bool(test) and test[0] != "NONE"


@dataclass(frozen=True)
class Outcome:
    """How waiting ended. ``timed_out`` is true where only the caller's patience was over."""

    verdict: Verdict
    seen: Observation
    waited: float
    timed_out: bool = False


def _pauses() -> Iterator[float]:
    pause = 0.2
    while True:
        yield pause
        pause = min(1.0, pause * 1.2)


@dataclass
class Waiter:
    """Looks again and again until the verdict is final.

    ``observe`` looks, ``clock`` returns seconds that never go back, ``sleep`` sleeps.
    """

    observe: Callable[[], Observation]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    timeout: float
    pauses: Iterator[float] = field(default_factory=_pauses)

    def wait(self) -> Outcome:
        start = since = self.clock()
        reason = ""
        while True:
            seen = self.observe()
            verdict = judge(seen)
            now = self.clock()
            if verdict.reason != reason:
                reason, since = verdict.reason, now
            final = verdict.converged or (verdict.patience is not None and now - since >= verdict.patience)
            if final or now - start >= self.timeout:
                return Outcome(verdict, seen, now - start, timed_out=not final)
            self.sleep(next(self.pauses))
