# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rehearsal must prove."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.drill import (
    Measured,
    allowed_recovery_time,
    compare_counts,
    judge,
    pick,
    record,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.pgbackrest import Backup

GOOD = Measured("F", 20.0, 30.0, 10.0, 10**9, True, tables_counted=2)


@pytest.mark.parametrize(
    ("before", "after", "restored", "problems"),
    [
        ({"a": 5}, {"a": 5}, {"a": 5}, []),
        ({"a": 5}, {"a": 7}, {"a": 6}, []),
        ({"a": 7}, {"a": 5}, {"a": 5}, []),
        ({"a": 5}, {"a": 5}, {"a": 6}, ["a has 6 rows instead of 5"]),
        ({"a": 5}, {"a": 7}, {"a": 4}, ["a has 4 rows instead of 5 to 7"]),
        ({"a": 5, "b": 0}, {"a": 5}, {"a": 5}, ["b is missing"]),
        ({"a": 5}, {}, {"a": 5, "new": 1}, []),
    ],
)
def test_rows_are_those_of_the_marker(
    before: dict[str, int], after: dict[str, int], restored: dict[str, int], problems: list[str]
) -> None:
    assert compare_counts(before, after, restored) == problems


def test_a_good_one_has_no_findings() -> None:
    assert judge(GOOD, 60, allowed_recovery_time(60, 6, GOOD.database_bytes)) == []
    assert judge(replace(GOOD, recovery_point=None), 60, 66) == []
    content = record(GOOD, [], 1.0, 2.0, "newest")
    assert content["success"] is True
    assert content["recovery_time"] == 30.0


@pytest.mark.parametrize(
    ("measured", "problem"),
    [
        (replace(GOOD, marker_found=False), "the marker of before is not in the restored database"),
        (replace(GOOD, structure=('heap table "x": xmin',)), "pg_amcheck: heap table"),
        (replace(GOOD, rows=("a has 6 rows instead of 5",)), "a has 6 rows instead of 5"),
        (replace(GOOD, recovery_point=61.0), "a commit could be restored 61.0 s later, not within 60 s"),
        (replace(GOOD, recovery_time=66.5), "the restore took 66.5 s, more than 66 s"),
    ],
)
def test_what_was_not_proven_is_found(measured: Measured, problem: str) -> None:
    findings = judge(measured, 60, allowed_recovery_time(60, 6, measured.database_bytes))
    assert [problem in str(finding) for finding in findings] == [True]
    assert record(measured, findings, 1.0, 2.0, "newest")["success"] is False


@pytest.mark.parametrize(("random", "label"), [(0.0, "A"), (0.34, "B"), (0.999, "C"), (1.0, "C")])
def test_any_backup_can_be_picked(random: float, label: str) -> None:
    backups = [Backup(name, "full", 1, 1, 0, 0, "", "", "", "", 0, 0, False) for name in "CAB"]
    assert pick(backups, random).label == label
