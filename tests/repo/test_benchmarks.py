# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/benchmarks.md says is what was measured, and a claim does not hold by chance."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.claims import table, worst_case
from benchmark.claims.model import NAIVE, OURS, Claim, judge

CLAIM = Claim("name", "words", "how", "ms", {NAIVE: "", OURS: ""}, least=0.5)


def test_the_table_is_that_of_the_results() -> None:
    assert table.TARGET.read_text(encoding="utf-8") == table.render(), (
        "type: .venv/bin/python tests/benchmark/claims/run.py table"
    )


def test_there_are_results() -> None:
    assert len(list(table.outcomes())) >= 4


@pytest.mark.parametrize(("experiment", "result", "outcome"), list(table.outcomes()))
def test_a_result_is_whole(experiment: Any, result: dict[str, Any], outcome: Any) -> None:
    assert set(result) == {"at", "machine", "rounds"}
    assert outcome.verdict in ("holds", "partly", "does not hold", "not decided")
    assert experiment.CLAIM.claimed


@pytest.mark.parametrize(
    ("naive", "ours", "verdict"),
    [
        ([10, 11, 12], [4, 5, 5.4], "holds"),
        ([10, 11, 12], [6, 7, 8], "partly"),
        ([10, 11, 30], [4, 5, 10.5], "does not hold"),
        ([10, 11, 12], [12, 13, 14], "does not hold"),
        ([10, 11, 12], [10, 11, 12], "does not hold"),
    ],
)
def test_a_claim_holds_when_it_is_large_enough_and_no_chance(
    naive: list[float], ours: list[float], verdict: str
) -> None:
    assert judge(CLAIM, {NAIVE: naive, OURS: ours}).verdict == verdict


@pytest.mark.parametrize(
    "rounds",
    [{NAIVE: [1, 2, 3]}, {NAIVE: [1, 2, 3], OURS: [1, 2]}, {NAIVE: [1, 2], OURS: [1, 2]}, {NAIVE: [], OURS: []}],
)
def test_what_is_no_measurement_has_no_verdict(rounds: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="name"):
        judge(CLAIM, rounds)


@pytest.mark.parametrize(
    ("naive", "ours", "verdict"),
    [([1, 0, 1], [0, 0, 0], "does not hold"), ([0, 0, 0], [0, 0, 0], "holds"), ([1, 1, 1], [0, 1, 0], "does not hold")],
)
def test_a_database_that_is_killed_once_is_no_database(naive: list[float], ours: list[float], verdict: str) -> None:
    assert worst_case.judge({NAIVE: naive, OURS: ours}).verdict == verdict
