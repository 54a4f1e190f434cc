# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup that does not end before the next one is due."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.backup_pace import (
    intervals,
    parse_elapses,
    slow_backups,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.pgbackrest import Backup, Repository, Stanza

HOUR, DAY = 3600.0, 86400.0
UTC_TEXT = """  Original form: *-*-* *:30
Normalized form: *-*-* *:30:00
    Next elapse: Sun 2026-11-29 04:30:00 UTC
       From now: 22min left
       Iter. #2: Sun 2026-11-29 05:30:00 UTC
       From now: 1h 22min left
"""
LOCAL_TEXT = """    Next elapse: Sun 2026-11-29 07:30:00 EAT
       (in UTC): Sun 2026-11-29 04:30:00 UTC
       From now: 22min left
      Iter. #2: Sun 2026-11-29 08:30:00 EAT
       (in UTC): Sun 2026-11-29 05:30:00 UTC
"""


@pytest.mark.parametrize("text", [UTC_TEXT, LOCAL_TEXT])
def test_moments_are_read_in_any_time_zone(text: str) -> None:
    first, second = parse_elapses(text)
    assert (first, second - first) == (1795926600.0, HOUR)


def test_an_answer_without_moments_allows_everything() -> None:
    assert parse_elapses("Failed to parse calendar specification") == []
    assert intervals({"incr": []}) == {}


def test_the_hourly_ones_wait_for_the_larger_ones_and_these_for_each_other() -> None:
    week = [day * DAY for day in range(8)]
    found = intervals({"full": week[::7], "diff": [*week[1:7]], "incr": [HOUR * n for n in (1, 3, 4, 5)]})
    assert found == {"incr": HOUR, "diff": DAY, "full": DAY}
    assert intervals({"full": week[::7], "diff": [], "incr": []}) == {"full": 7 * DAY}


def backup(kind: str, took: float, repository: int = 1) -> Backup:
    return Backup(kind, kind, repository, 1, 1000, int(1000 + took), "0/1", "0/2", "", "", 10**9, 10**8, False)


@pytest.mark.parametrize(
    ("backups", "found"),
    [
        ([backup("incr", HOUR - 1), backup("full", DAY - 1)], []),
        (
            [backup("incr", HOUR + 60)],
            ["schedule: the last incr backup took 1h1m, and the next is due 1h after it began"],
        ),
        ([backup("incr", 2000), backup("incr", 2000, 2)], ["schedule: the last incr backup took 1h6m40s"]),
        ([backup("full", 30 * HOUR)], ["schedule: the last full backup took 30h, and the next is due 24h after"]),
    ],
)
def test_one_that_takes_longer_than_its_interval_is_found(backups: list[Backup], found: list[str]) -> None:
    stanza = Stanza("school", (Repository(1, 0, "ok", ""),), tuple(backups))
    said = [str(finding) for finding in slow_backups(stanza, {"incr": HOUR, "full": DAY}, "school-backup")]
    assert len(said) == len(found)
    for text, start in zip(said, found):
        assert text.startswith(start)
        assert "Raise the cpus of backup_limits, or make backups less often (backup_schedule_" in text
