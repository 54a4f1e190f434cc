# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import records
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.failover import (
    FROZEN,
    KILLED,
    Kept,
    Seen,
    Step,
    Targets,
    agenda,
    judge,
    longest_gap,
    not_begun,
    record,
)

RUNNING = ["redis", "prometheus", "postgres", "nginx", "app", "node_exporter"]
TARGETS = Targets({"postgres_killed": 45, "postgres": 200}, unnoticed=5, back=300)
TIMES = (1_700_000_000.7, 1_700_000_100.7)


def seen(step: Step, **values: Any) -> Seen:
    return Seen(**{
        "step": step, "answers": 0.1, "writes": 0.2, "requests": 300, "failed": 0,
        "back": dict.fromkeys(step.services, 7.5), **values,
    })  # fmt: skip


def test_what_a_request_passes_is_killed_first_then_the_others_at_once_then_some_are_frozen() -> None:
    assert agenda(RUNNING, ["postgres", "app"]) == [
        *(Step((name,), KILLED) for name in ("nginx", "app", "postgres", "redis")),
        Step(("node_exporter", "prometheus"), KILLED),
        Step(("app",), FROZEN),
        Step(("postgres",), FROZEN),
    ]
    assert agenda(RUNNING, ["app"], ["prometheus"]) == [Step(("prometheus",), KILLED)]


@pytest.mark.parametrize(("frozen", "only"), [(["postgre"], []), ([], ["postgre"])])
def test_what_does_not_run_cannot_be_tried(frozen: list[str], only: list[str]) -> None:
    with pytest.raises(InputError, match="no container of postgre runs on this host; did you mean postgres"):
        agenda(RUNNING, frozen, only)


@pytest.mark.parametrize(
    ("times", "gap"),
    [([], 10), ([12, 13], 7), ([11, 17, 18, 19], 6), ([3, 11, 12, 25], 8), ([19, 11, 15], 4)],
)
def test_the_longest_gap_counts_from_the_begin_and_to_the_end(times: list[float], gap: float) -> None:
    assert longest_gap(times, 10, 20) == gap


def test_the_nearest_target_counts() -> None:
    assert TARGETS.of(Step(("postgres",), KILLED)) == 45
    assert TARGETS.of(Step(("postgres",), FROZEN)) == 200
    assert TARGETS.of(Step(("prometheus",), KILLED)) == 5
    assert TARGETS.of(Step(("postgres", "redis"), KILLED)) == 5


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ({}, ""),
        ({"answers": 45.1}, "no answer for 45.1 s, at most 45 s"),
        ({"writes": 60.0}, "nothing could be committed for 60.0 s"),
        ({"back": {"postgres": None}}, "postgres was not healthy again within 300 s"),
        ({"problem": "the site did not answer"}, "the site did not answer"),
    ],
)
def test_a_step_is_judged_by_what_clients_missed(values: dict[str, Any], finding: str) -> None:
    item = judge(seen(Step(("postgres",), KILLED), **values), TARGETS)
    assert finding in item.finding
    assert item.passed is not bool(finding)


def test_a_drill_in_which_all_went_well_has_passed() -> None:
    steps = [seen(Step(("postgres",), KILLED), writes=7.0), seen(Step(("prometheus",), KILLED), failed=2)]
    found = record(steps, (Kept(90), Kept(50)), TARGETS, TIMES)
    assert found.passed
    assert found.measured["longest_missed_seconds"] == 7
    assert (found.measured["requests"], found.measured["failed_requests"]) == (600, 2)
    assert records.parse(found.as_dict()).items == found.items


@pytest.mark.parametrize(
    ("rows", "keys", "values", "finding"),
    [
        (Kept(90, (17, 5)), Kept(50), {}, "2 of 90 acknowledged rows are gone, the first is number 5"),
        (Kept(90), Kept(50, (1,)), {}, "1 of 50 acknowledged keys are gone"),
        (Kept(0), Kept(50), {}, "no row was acknowledged"),
        (Kept(90), Kept(0), {"answers": 99.0}, "postgres killed: clients had no answer"),
    ],
)
def test_a_drill_that_lost_something_has_failed(rows: Kept, keys: Kept, values: Any, finding: str) -> None:
    found = record([seen(Step(("postgres",), KILLED), **values)], (rows, keys), TARGETS, TIMES)
    assert not found.passed
    assert finding in found.findings[0]


def test_a_drill_that_tried_nothing_proves_nothing() -> None:
    assert record([], (Kept(1), Kept(0)), TARGETS, TIMES).findings == ("nothing was tried",)
    stopped = record(
        [seen(Step(("app",), KILLED))], (Kept(1), Kept(0)), TARGETS, TIMES, stopped="redis could not be tried"
    )
    assert (stopped.passed, stopped.findings, len(stopped.items)) == (False, ("redis could not be tried",), 1)
    found = not_begun("app is not healthy", TARGETS, TIMES)
    assert not found.passed
    assert records.parse(found.as_dict()).findings == ("app is not healthy",)
