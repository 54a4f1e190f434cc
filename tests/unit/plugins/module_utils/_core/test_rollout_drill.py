# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill of roll-outs: its steps, its versions, its verdict."""

from __future__ import annotations

import re

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import rollout_drill as drill
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.records import dump, file_name, load
from ansible_collections.firstbell.stack.plugins.module_utils._core.rollout_drill import (
    AS_BEFORE,
    CRASHES,
    DOWN,
    UNHEALTHY,
    UP,
    WORKS,
    Answer,
    Step,
    Targets,
)

SPEC = {
    "Name": "academy_app",
    "TaskTemplate": {"ContainerSpec": {"Env": ["A=1"], "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5}}},
    "Mode": {"Replicated": {"Replicas": 2}},
    "UpdateConfig": {"Order": "start-first", "Delay": 10_000_000_000, "Monitor": 15_000_000_000},
}


@pytest.mark.parametrize(
    ("replicas", "most", "first", "last", "crashes"),
    [(1, 1, WORKS, AS_BEFORE, 0), (1, 2, UP, DOWN, 1), (2, 2, WORKS, AS_BEFORE, 1), (2, 3, UP, DOWN, 1)],
)
def test_the_agenda_leaves_the_service_as_it_was(replicas: int, most: int, first: str, last: str, crashes: int) -> None:
    steps = drill.agenda(10, replicas, most)
    assert (steps[0], steps[-1]) == (first, last)
    rollouts = [step for step in steps if step not in (UP, DOWN)]
    assert len(rollouts) == 10
    assert rollouts[-1] == AS_BEFORE
    assert (steps.count(UNHEALTHY), steps.count(CRASHES)) == (1, crashes)


@pytest.mark.parametrize("rollouts", [4, 5, 6, 30])
def test_any_number_of_rollouts_has_both_bad_versions(rollouts: int) -> None:
    steps = drill.agenda(rollouts, 2, 2)
    assert (steps.count(UNHEALTHY), steps.count(CRASHES), steps[-1]) == (1, 1, AS_BEFORE)


def test_too_few_rollouts_are_refused() -> None:
    with pytest.raises(InputError, match="write 4 or more"):
        drill.agenda(3, 1, 2)


def test_versions_differ_in_their_environment_and_the_bad_one_in_its_health_check() -> None:
    works, bad = drill.varied(SPEC, WORKS, 1), drill.varied(SPEC, UNHEALTHY, 2)
    assert works["TaskTemplate"]["ContainerSpec"]["Env"] == ["A=1", "FIRSTBELL_DRILL=1"]
    assert works["TaskTemplate"]["ContainerSpec"]["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 5}
    assert bad["TaskTemplate"]["ContainerSpec"]["Healthcheck"]["Test"] != ["CMD", "true"]
    assert bad["TaskTemplate"]["ContainerSpec"]["Healthcheck"]["Interval"] == 5
    assert works["UpdateConfig"] == bad["UpdateConfig"] == SPEC["UpdateConfig"]
    assert drill.of_drill(works)
    assert not drill.of_drill(SPEC)
    assert drill.with_replicas(SPEC, 3)["Mode"]["Replicated"]["Replicas"] == 3
    assert SPEC["Mode"] == {"Replicated": {"Replicas": 2}}


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.99, 4.0), (1.0, 4.0), (0.25, 1.0), (0.01, 1.0)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert drill.percentile([4.0, 2.0, 1.0, 3.0], share) == value


def answers(slow: float = 0.03, said: str = "200") -> list[Answer]:
    """Ten a second for 100 s; from 50 s on each tenth is slow, and that at 70 s is answered otherwise."""
    return [
        Answer(due / 10, slow if due >= 500 and due % 10 == 0 else 0.02, said if due == 700 else "200")
        for due in range(1000)
    ]


STEPS = [
    Step(WORKS, 50.0, 60.0, "converged"),
    Step(UNHEALTHY, 60.0, 90.0, "rolled_back", "the engine went back"),
    Step(AS_BEFORE, 90.0, 99.0, "converged"),
]


def test_a_good_drill_passes_and_is_a_record() -> None:
    record = drill.judged(answers(), STEPS, Targets(requests=1000), 1_800_000_000, 10)
    assert record.passed, record.findings
    assert record.measured["requests"] == 1000
    assert record.measured["failed"] == 0
    assert record.measured["p99_ratio"] == 1.5
    assert record.measured["back_seconds"] == 30.0
    assert [item.passed for item in record.items] == [True] * 3
    kept = load(file_name(record), dump(record))
    assert kept is not None
    assert kept.record is not None, kept.problem


@pytest.mark.parametrize(
    ("given", "steps", "targets", "finding"),
    [
        (
            answers(said="503"),
            STEPS,
            Targets(),
            "1 of 1000 requests failed .1 x 503., the first one during a version that",
        ),
        (answers(said="ConnectionResetError"), STEPS, Targets(), "1 x ConnectionResetError"),
        (answers(slow=0.05), STEPS, Targets(), "p99 was 50 ms during the roll-outs and 20 ms before"),
        (answers(), STEPS, Targets(requests=1001), "fewer than 1001"),
        (answers(), STEPS, Targets(back=29), "rolled back after 30 s, not within 29 s"),
        (
            answers(),
            [*STEPS[:2], Step(AS_BEFORE, 90, 99, "paused", "x")],
            Targets(),
            "ended as paused instead of converged",
        ),
        (answers(), [Step(UNHEALTHY, 50, 90, "converged")], Targets(), "ended as converged instead of rolled_back"),
        ([answer for answer in answers() if answer.due > 50], STEPS, Targets(), "more than 2 times as much"),
    ],
)
def test_what_is_missed_is_named(given: list[Answer], steps: list[Step], targets: Targets, finding: str) -> None:
    record = drill.judged(given, steps, targets, 1_800_000_000, 10)
    assert not record.passed
    assert len(record.findings) == 1
    assert re.search(finding, record.findings[0]), record.findings
