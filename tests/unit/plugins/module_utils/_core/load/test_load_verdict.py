# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from typing import Any, Callable

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import records
from ansible_collections.firstbell.stack.plugins.module_utils._core.load import text, usage, verdict

TARGETS = verdict.Targets()
BUDGET = {"max_client_conn": 2000.0, "pool": 15.0, "max_connections": 40.0}


def scenario(**changes: Any) -> dict[str, Any]:
    times = {"p50_seconds": 0.05, "p95_seconds": 0.2, "p99_seconds": 0.3, "max_seconds": 0.6}
    return {"requests": 600, "errors": 0, "messages": {}, **times, **changes}


def step(users: int = 300, **changes: Any) -> dict[str, Any]:
    return {
        "users": users,
        "start": 1000.0,
        "end": 1040.0,
        "planned": {"scan": 600, "dashboard": 1200},
        "sent": 1800,
        "late_p99_seconds": 0.01,
        "cpu": 0.4,
        "all": {"p50_seconds": 0.05, "p95_seconds": 0.2, "p99_seconds": 0.3, "max_seconds": 0.6},
        "scenarios": {"scan": scenario(), "dashboard": scenario(requests=1200)},
        **changes,
    }


def container(service: str, at: float, cpus: float, limit: float, **changes: Any) -> dict[str, Any]:
    return {
        "service": service,
        "id": service * 5,
        "cpu": (at - 990) * cpus,
        "cpus": limit,
        "periods": round((at - 990) * 10),
        "throttled": 0,
        "memory": 100 * 2**20,
        "memory_limit": 640 * 2**20,
        "oom": 0,
        **changes,
    }


def sample(at: float, **changes: Any) -> dict[str, Any]:
    return {
        "at": at,
        "host": {"total": round(at * 200), "idle": round(at * 100), "memory": 4 * 2**30, "available": 2 * 2**30},
        "containers": [container("app", at, 0.5, 1.5), container("postgres", at, 0.2, 1.5)],
        "database": {"connections": 12, "active": 2, "waiting": 0},
        "pool": {"clients": 12, "waiting": 0, "active": 3, "servers": 9, "wait": 0.0},
        **changes,
    }


def samples() -> list[dict[str, Any]]:
    return [sample(990.0 + second) for second in range(60)]


def report(*steps: dict[str, Any], mode: str = verdict.LOAD_TEST, **changes: Any) -> dict[str, Any]:
    return {
        "mode": mode,
        "at": 985.0,
        "seconds": 80.0,
        "signed_in": {},
        "steps": list(steps),
        "problems": [],
        **changes,
    }


def judged(*steps: dict[str, Any], seen: list[dict[str, Any]] | None = None, **changes: Any) -> verdict.Judged:
    return verdict.judge(report(*steps, **changes), samples() if seen is None else seen, BUDGET, TARGETS)


def test_a_good_run_passes_and_is_a_record() -> None:
    found = judged(step())
    assert found.record.passed
    assert found.record.measured["scans_per_second"] == 15.0
    assert found.record.measured["database_connections"] == 12
    assert found.record.measured["host_cpu_share"] == 0.5
    assert found.record.targets == {
        "p95_seconds": 1.0,
        "errors": 0,
        "scans_per_second": 14.7,
        "pool_clients": 2000.0,
        "database_connections": 40.0,
    }
    assert {one.name for one in found.record.items} >= {"scan", "dashboard", "generator", "container app"}
    assert records.parse(found.record.as_dict()) == found.record
    assert text.word(found) == "pass"


def _slow(one: dict[str, Any]) -> None:
    one["scenarios"]["scan"]["p95_seconds"] = 1.01


def _errors(one: dict[str, Any]) -> None:
    one["scenarios"]["dashboard"].update(errors=1, messages={"HTTP 502": 1})


def _unanswered(one: dict[str, Any]) -> None:
    one["scenarios"]["scan"]["requests"] = 580


@pytest.mark.parametrize(
    ("spoil", "name", "said"),
    [
        (_slow, "scan", "p95 1.01 s, the target is 1 s"),
        (_errors, "dashboard", "1 of 1200 failed: 1 times HTTP 502"),
        (_unanswered, "scan", "580 of 600 scans were answered"),
    ],
)
def test_what_is_wrong_with_a_scenario_is_said(spoil: Callable[[dict[str, Any]], None], name: str, said: str) -> None:
    one = step()
    spoil(one)
    found = judged(one)
    assert not found.record.passed
    assert [item.name for item in found.record.items if not item.passed] == [name]
    assert said in found.record.findings[0]
    assert text.word(found) == "fail"
    assert not verdict.holds(one, TARGETS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sent": 1700}, "sent 1700 of 1800"),
        ({"late_p99_seconds": 0.2}, "0.20 s late itself"),
        ({"cpu": 0.95}, "95% of its CPU"),
    ],
)
def test_a_generator_that_could_not_keep_up_is_invalid_and_no_pass(change: dict[str, Any], said: str) -> None:
    found = judged(step(**change))
    assert not found.record.passed
    assert said in found.record.findings[0]
    assert text.word(found) == "invalid"
    assert not verdict.holds(step(**change), TARGETS)


def test_more_connections_than_the_budget_fail() -> None:
    seen = samples()
    seen[30]["database"] = {"connections": 41, "active": 41, "waiting": 0}
    found = judged(step(), seen=seen)
    assert "database_connections: 41 were open, the budget is 40" in found.record.findings[0]


def test_a_container_that_was_killed_or_replaced_fails() -> None:
    killed = samples()
    for one in killed[35:]:
        one["containers"][1]["oom"] = 1
    assert "killed 1 processes for memory" in judged(step(), seen=killed).record.findings[0]
    ended = samples()
    for one in ended[30:]:
        del one["containers"][1]
    assert "ended during the test" in judged(step(), seen=ended).record.findings[0]


def test_an_application_may_be_scaled_meanwhile() -> None:
    more = samples()
    for one in more[30:]:
        one["containers"].append(container("app", one["at"], 0.5, 1.5, id="another"))
    assert judged(step(), seen=more).record.passed


@pytest.mark.parametrize(
    ("spoil", "limit"),
    [
        (lambda one: one["containers"].__setitem__(0, container("app", one["at"], 0.98, 1.5)), "app-thread"),
        (lambda one: one["containers"].__setitem__(1, container("postgres", one["at"], 1.45, 1.5)), "postgres-cpu"),
        (lambda one: one["pool"].update(active=15, wait=2.0), "pool"),
        (lambda one: one["pool"].update(active=15, wait=0.0), None),
        (lambda one: one["containers"][0].update(memory=630 * 2**20), "app-memory"),
        (lambda one: one["containers"][0].update(memory=580 * 2**20), None),
        (lambda one: one["host"].update(idle=round(one["at"])), "host-cpu"),
        (lambda one: None, None),
    ],
)
def test_the_limit_is_the_resource_that_has_least_left(spoil: Callable[[Any], object], limit: str | None) -> None:
    seen = samples()
    for one in seen:
        spoil(one)
    found = judged(step(), seen=seen).view.limit
    assert (found.name if found else None) == limit
    assert found is None or len(found.advice) > 20


def test_a_failure_names_the_limit_and_what_to_do() -> None:
    one, seen = step(), samples()
    _slow(one)
    for reading in seen:
        reading["containers"][0] = container("app", reading["at"], 0.98, 1.5)
    assert "raise firstbell_app_replicas" in judged(one, seen=seen).record.findings[-1]


def test_a_run_that_the_host_did_not_watch_is_no_pass() -> None:
    for seen in ([], samples()[:2]):
        found = judged(step(), seen=seen)
        assert not found.record.passed
        assert text.word(found) == "invalid"


def test_a_short_measurement_takes_the_samples_around_it() -> None:
    seen = [sample(at) for at in (990.0, 999.0, 1003.0, 1012.0, 1020.0)]
    assert [one["at"] for one in usage.between(seen, 1001.0, 1006.0)] == [999.0, 1003.0, 1012.0]
    assert usage.between(seen, 1004.0, 1006.0) == []


def test_throttling_is_counted_over_the_measurement() -> None:
    seen = samples()
    for one in seen:
        one["containers"][0]["throttled"] = round((one["at"] - 990) * 3)
    (app,) = [one for one in usage.containers(usage.between(seen, 1000, 1040)) if one["service"] == "app"]
    assert app["throttled"] == pytest.approx(0.3, abs=0.01)
    assert app["cpus"] == pytest.approx(0.5, abs=0.01)


def test_a_search_says_how_many_and_what_was_at_its_end() -> None:
    bad = step(450, start=1060.0, end=1100.0)
    _slow(bad)
    seen = [*samples(), *(sample(1060.0 + n, containers=[container("app", 1060.0 + n, 0.99, 1.5)]) for n in range(40))]
    found = judged(step(300), bad, step(380), mode=verdict.CAPACITY, seen=seen)
    assert found.record.passed
    assert found.record.kind == "capacity"
    assert found.record.measured["users"] == 380
    assert found.record.items[-1].name == "limit"
    assert "app-thread" in found.record.items[-1].finding
    assert records.parse(found.record.as_dict()) == found.record
    assert next(text.lines(found, 3)).startswith("capacity: 380 users on this host")


def test_a_search_that_ends_at_the_generator_says_so() -> None:
    found = judged(step(300), step(450, cpu=0.99), mode=verdict.CAPACITY)
    assert found.record.measured["users"] == 300
    assert "the generator was the limit at 450 users" in found.record.items[-1].finding


def test_a_host_that_carries_nobody_fails() -> None:
    bad = step(10)
    _errors(bad)
    found = judged(bad, mode=verdict.CAPACITY)
    assert not found.record.passed
    assert found.record.measured["users"] == 0


@pytest.fixture(name="load_verdict")
def _load_verdict() -> Callable[..., dict[str, Any]]:
    """The filter, where the controller's part of Ansible is there."""
    door: Callable[..., dict[str, Any]] = pytest.importorskip(
        "ansible_collections.firstbell.stack.plugins.filter.load_verdict", exc_type=ImportError
    ).load_verdict
    return door


def test_the_door_does_not_pass_what_was_not_measured(load_verdict: Callable[..., dict[str, Any]]) -> None:
    nothing = load_verdict(report(problems=["nobody could sign in"]), {"samples": []}, BUDGET, {})
    assert not nothing["passed"]
    assert "nobody could sign in" in nothing["summary"][0]
    cut = load_verdict(report(step()), {"samples": samples(), "expired": True}, BUDGET, {})
    assert not cut["passed"]
    assert "its time was over" in cut["summary"][-1]


def test_the_door_says_what_people_want_to_know(load_verdict: Callable[..., dict[str, Any]]) -> None:
    told = load_verdict(report(step()), {"samples": samples(), "expired": False}, BUDGET, {"p95_seconds": 1.0})
    assert told["passed"]
    assert told["summary"][0] == "load test: pass: 300 users, 1800 requests in 40 s (45.0 a second), 0 errors"
    assert any("12 of 40 connections of the database" in line for line in told["summary"])


def test_judging_changes_nothing() -> None:
    given = report(step())
    before = copy.deepcopy(given)
    verdict.judge(given, samples(), BUDGET, TARGETS)
    assert given == before
