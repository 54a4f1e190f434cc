# SPDX-License-Identifier: GPL-3.0-or-later
"""When a service is what was promised, and when waiting is over."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.convergence import (
    UNSCHEDULABLE_SECONDS,
    Observation,
    Verdict,
    Waiter,
    error_of,
    has_health_check,
    judge,
    nanoseconds,
)

NOW = 1_800_000_000.0
LONG_AGO = "2027-01-15T07:00:00Z"
JUST_NOW = "2027-01-15T07:59:59.5Z"
HEALTH = {"Test": ["CMD", "true"]}
NEW = {"ContainerSpec": {"Image": "web:2", "Healthcheck": HEALTH}}
OLD = {"ContainerSpec": {"Image": "web:1", "Healthcheck": HEALTH}}
BARE = {"ContainerSpec": {"Image": "web:2"}}

_numbers = itertools.count()


def task(
    state: str = "running",
    desired: str = "running",
    spec: dict[str, Any] | None = None,
    slot: int = 1,
    *,
    error: str = "",
    at: str = LONG_AGO,
    code: int | None = None,
    node: str = "n1",
) -> dict[str, Any]:
    status: dict[str, Any] = {"State": state, "Timestamp": at}
    if error:
        status["Err"] = error
    if code is not None:
        status["ContainerStatus"] = {"ExitCode": code}
    return {
        "ID": f"t{next(_numbers)}",
        "Slot": slot,
        "NodeID": node,
        "Spec": NEW if spec is None else spec,
        "Status": status,
        "DesiredState": desired,
        "CreatedAt": at,
    }


def service(
    replicas: int | None = 1, update: str = "", template: dict[str, Any] | None = None, action: str = "rollback"
) -> dict[str, Any]:
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    spec = {
        "Name": "web",
        "Mode": mode,
        "TaskTemplate": NEW if template is None else template,
        "UpdateConfig": {"FailureAction": action},
    }
    found: dict[str, Any] = {"ID": "s1", "Spec": spec}
    if update:
        found["UpdateStatus"] = {"State": update, "Message": "said the engine"}
    return found


def seen(service_: dict[str, Any], *tasks: dict[str, Any], **more: Any) -> Observation:
    return Observation(service=service_, tasks=tasks, now=NOW, **more)


FAILED: dict[str, Any] = {"state": "failed", "desired": "shutdown", "error": "task: non-zero exit (1)", "code": 1}
BEFORE = task()
REJECTED: dict[str, Any] = {"state": "rejected", "desired": "shutdown", "error": "No such image: web:2"}


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        (seen(service(), task()), "converged"),
        (seen(service(0)), "converged"),
        (seen(service(2), task(slot=1), task(slot=2)), "converged"),
        (seen(service(None), task(slot=0), task(slot=0, node="n2")), "converged"),
        (seen(service(), task(), task("shutdown", "shutdown", OLD)), "converged"),
        (seen(service(update="completed"), task(), wrote=True), "converged"),
        # A roll-back of an earlier run is history.
        (seen(service(update="rollback_completed"), task()), "converged"),
        # Labels only: no status ever, the tasks stay.
        (seen(service(), task(), wrote=True), "converged"),
        # Placement only: the engine keeps a task that is where it should be.
        (seen(service(template={**NEW, "Placement": {"Constraints": ["a==b"]}}), task()), "converged"),
        # Right after an update: no status yet, old tasks run.
        (seen(service(), task(spec=OLD), wrote=True), "updating"),
        # A stale status of the update before.
        (seen(service(update="completed"), task(spec=OLD)), "updating"),
        (seen(service(update="updating"), task(), wrote=True), "updating"),
        # Other ports: a task's spec does not show them.
        (seen(service(), BEFORE, wrote=True, replaced=frozenset({BEFORE["ID"]})), "updating"),
        (seen(service(), task(), wrote=True, replaced=frozenset({BEFORE["ID"]})), "converged"),
        # Right after scaling down: the engine has not chosen yet which tasks end.
        (seen(service(1), task(slot=1), task(slot=2), wrote=True), "updating"),
        # The old one still stops.
        (seen(service(), task(), task("running", "shutdown", OLD)), "stopping"),
        (seen(service(), task(), task("running", "remove", slot=2)), "stopping"),
        (
            seen(service(), task(), task("running", "shutdown", OLD, node="n9"), down_nodes=frozenset({"n9"})),
            "converged",
        ),
        (seen(service(), task(), task("pending", "shutdown", OLD, node="")), "converged"),
        # Too few.
        (seen(service()), "starting"),
        (seen(service(None)), "starting"),
        (seen(service(), task("preparing")), "starting"),
        (seen(service(), task("starting")), "unhealthy"),
        (seen(service(2), task(slot=1), task("starting", slot=2)), "unhealthy"),
        (seen(service(template=BARE), task("starting", spec=BARE)), "starting"),
        (seen(service(), task("ready", "ready"), task(**FAILED)), "crash_looping"),
        (seen(service(), task("ready", "ready"), task(**REJECTED)), "image_missing"),
        # Without a health check, running is not enough.
        (seen(service(template=BARE), task(spec=BARE, at=JUST_NOW)), "starting"),
        (seen(service(template=BARE), task(spec=BARE)), "converged"),
        # The engine's own verdict.
        (seen(service(update="rollback_started"), task(spec=OLD), wrote=True), "rolling_back"),
        (seen(service(update="rollback_completed"), task(), wrote=True), "rolled_back"),
        (seen(service(update="rollback_paused"), task(), wrote=True), "rollback_paused"),
        (seen(service(update="paused"), task(spec=OLD), wrote=True), "paused"),
        (seen(service(update="paused"), task(spec=OLD)), "paused"),
        # Failures.
        (seen(service(), task("ready", "ready"), *(task(**FAILED) for _ in range(3))), "crash_looping"),
        (seen(service(), task(), *(task(**FAILED, slot=n) for n in range(3))), "converged"),
        (seen(service(), task("ready", "ready"), *(task(**REJECTED) for _ in range(2))), "image_missing"),
        (
            seen(
                service(),
                task("ready", "ready"),
                *(task("failed", "shutdown", error="task: unhealthy container", code=137) for _ in range(3)),
            ),
            "unhealthy",
        ),
        (
            seen(
                service(),
                task("ready", "ready"),
                *(task("rejected", "shutdown", error="bind source path does not exist: /x") for _ in range(2)),
            ),
            "rejected",
        ),
        # While the engine decides itself, it decides.
        (seen(service(update="updating"), task(), *(task(**FAILED) for _ in range(3)), wrote=True), "updating"),
        (
            seen(service(update="updating", action="continue"), *(task(**FAILED) for _ in range(3)), wrote=True),
            "crash_looping",
        ),
        # No place.
        (seen(service(), task("pending", error="no suitable node")), "unschedulable"),
        (
            seen(service(), task("pending", error="no suitable node"), task("running", "shutdown", OLD)),
            "unschedulable_not_yet",
        ),
    ],
)
def test_verdict(observation: Observation, reason: str) -> None:
    verdict = judge(observation)
    if reason == "unschedulable_not_yet":
        assert verdict.reason not in ("unschedulable", "converged")
        return
    assert verdict.reason == reason
    assert verdict.converged == (reason == "converged")
    assert verdict.message


def test_failures_before_the_run_do_not_count() -> None:
    old = [task(**FAILED) for _ in range(3)]
    known = frozenset(item["ID"] for item in old)
    assert judge(seen(service(), task(), *old, known_tasks=known)).converged
    assert judge(seen(service(), task(), *old)).reason == "crash_looping"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T00:00:01.000000001Z", 10**9 + 1),
        ("1970-01-01T01:00:01.5+01:00", 1_500_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800 * 10**9),
        ("never", 0),
    ],
)
def test_nanoseconds(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (task("failed", error="task: non-zero exit (3)", code=3), "task: non-zero exit (3)"),
        (task("complete", error="finished", code=0), "finished (exit code 0)"),
        (task("rejected", error="No such image: a", code=0), "No such image: a"),
        (task("starting"), "starting"),
    ],
)
def test_error_of(item: dict[str, Any], text: str) -> None:
    assert error_of(item) == text


def test_health_check_of_its_own() -> None:
    assert has_health_check(NEW)
    assert not has_health_check(BARE)
    assert not has_health_check({"ContainerSpec": {"Healthcheck": {"Test": ["NONE"]}}})


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def waiter(*observations: Observation, timeout: float = 100) -> tuple[Waiter, Clock]:
    clock = Clock()
    left = list(observations)

    def observe() -> Observation:
        return left.pop(0) if len(left) > 1 else left[0]

    return Waiter(observe, clock.now, clock.sleep, timeout), clock


def test_wait_until_converged() -> None:
    wait, clock = waiter(seen(service(), task("starting")), seen(service(), task("starting")), seen(service(), task()))
    outcome = wait.wait()
    assert outcome.verdict.converged
    assert outcome.waited == clock.time < 1


def test_no_sleep_where_nothing_is_to_be_waited_for() -> None:
    wait, clock = waiter(seen(service(), task()))
    assert wait.wait().verdict.converged
    assert clock.time == 0


def test_failure_ends_the_wait() -> None:
    wait, clock = waiter(seen(service(update="rollback_completed"), task(), wrote=True))
    outcome = wait.wait()
    assert (outcome.verdict.reason, outcome.timed_out) == ("rolled_back", False)
    assert clock.time == 0


def test_timeout_keeps_the_last_reason() -> None:
    wait, clock = waiter(seen(service(), task("starting")), timeout=30)
    outcome = wait.wait()
    assert (outcome.verdict.reason, outcome.timed_out) == ("unhealthy", True)
    assert 30 <= clock.time < 32


def test_patience_with_the_scheduler() -> None:
    wait, clock = waiter(seen(service(), task("pending", error="no suitable node")))
    outcome = wait.wait()
    assert (outcome.verdict.reason, outcome.timed_out) == ("unschedulable", False)
    assert UNSCHEDULABLE_SECONDS <= clock.time < UNSCHEDULABLE_SECONDS + 2


def test_scheduler_that_finds_a_place_after_all() -> None:
    pending = seen(service(), task("pending", error="no suitable node"))
    wait, _clock = waiter(pending, pending, pending, seen(service(), task()))
    assert wait.wait().verdict == Verdict("converged", "all tasks run the wanted version", converged=True)
