# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found wrong with backups, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.backup_check import (
    DAY,
    HOUR,
    Facts,
    ServerFacts,
    gaps_of,
    histories_not_yet_there,
    judge,
    lost_moments,
    lost_past,
    newest_restorable,
    not_yet_there,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.backup_config import Config, Limits, PostgresConfig
from ansible_collections.firstbell.stack.plugins.module_utils._core.pgbackrest import Backup, Repository, Stanza
from ansible_collections.firstbell.stack.plugins.module_utils._core.wal import Archived, Segment

NOW = 30 * DAY
TIMER = "school-backup-full.timer"
CONFIG = Config("school", "/opt/school", PostgresConfig("image", 17, "school", Limits(1, 2**29), schedule=(TIMER,)))


def backup(label: str, kind: str, age: float, first: int) -> Backup:
    stop = int(NOW - age)
    wal = Segment(1, first).name
    return Backup(label, kind, 1, 1, stop - 5, stop, "0/1", "0/2", wal, wal, 10**9, 10**8, False)


def archived(*numbers: int, timeline: int = 1, newest: float = NOW - 30) -> list[Archived]:
    last = max(numbers)
    return [Archived(Segment(timeline, number), int(newest - 45 * (last - number)), 700) for number in numbers]


SERVER = ServerFacts(
    now=NOW,
    system_id=7,
    mode="on",
    command="pgbackrest --stanza=school archive-push %p",
    timeout=45,
    last_archived_wal=Segment(1, 20).name,
    last_archived=NOW - 30,
    last_failed_wal="",
    last_failed=0,
    failed=0,
    waiting=0,
    oldest_waiting=0,
    started=NOW - DAY,
)
FULL, INCR = backup("F", "full", 3 * DAY, 10), backup("I", "incr", HOUR, 15)
SOUND = Facts(
    now=NOW,
    stanza=Stanza("school", (Repository(1, 0, "ok", "aes-256-cbc"),), (FULL, INCR), 7),
    archives={1: archived(*range(10, 21))},
    starts={1: {}},
    server=SERVER,
    timers={TIMER: True},
    free=10**11,
    installed=NOW - 20 * DAY,
    last_read=NOW - 3 * DAY,
    last_drill=NOW - HOUR,
)


def facts(**changes: Any) -> Facts:
    server = {name: changes.pop(name) for name in list(changes) if hasattr(SERVER, name) and name != "now"}
    return replace(SOUND, server=replace(SERVER, **server), **changes)


def late(age: float) -> Facts:
    archive = {1: archived(*range(10, 21), newest=NOW - age)}
    return facts(waiting=1, oldest_waiting=NOW - age, last_archived=NOW - age, archives=archive)


def told(found: Facts) -> list[str]:
    return [str(finding) for finding in judge(CONFIG, found)]


def test_what_is_sound_is_found_sound() -> None:
    assert told(SOUND) == []


@pytest.mark.parametrize(
    ("found", "problem", "fix"),
    [
        (facts(timers={TIMER: False}), "the timer does not run", f"systemctl enable --now {TIMER}"),
        (facts(free=10**9), "1.0 GB are free on the disk of /opt/school/backup", "Free some"),
        (facts(mode="off"), "does not archive its WAL", "playbook site"),
        (facts(command="true"), "does not archive its WAL", "playbook site"),
        (
            facts(last_failed=NOW - 5, last_failed_wal="0000", failed=9),
            "0000 could not be archived (9",
            "docker service",
        ),
        (facts(waiting=120, oldest_waiting=NOW - 50), "2.0 GB of WAL wait", "Bring the repository back"),
        (late(90), "the newest moment that can be restored is 90 s old, more than 60 s", "Mend the archiving"),
        (facts(system_id=8), "holds backups of the database 7, and 8 runs", "move the repository away"),
        (facts(last_read=0), "every byte was read last never", "school-backup check --read"),
        (facts(last_read=NOW - 9 * DAY), "every byte was read last at", "school-backup check --read"),
        (facts(last_drill=NOW - 2 * DAY), "a restore was rehearsed last at", "school-backup drill"),
        (facts(last_read=NOW + DAY), "the last one is dated 24h ahead", "school-backup check --read"),
        (facts(last_drill=NOW + DAY), "the last one is dated 24h ahead", "school-backup drill"),
        (facts(last_read=0, installed=NOW + DAY), "every byte was read last never", "school-backup check --read"),
        (facts(drill_success=False), "the last one failed", "/opt/school/backup/records/drill.json"),
        (
            facts(last_archived_wal=Segment(1, 22).name),
            "WAL is missing: 000000010000000000000015 to",
            "backup --type full",
        ),
        (replace(SOUND, server=None, server_problem="gone"), "it does not answer: gone", "docker service ps"),
    ],
)
def test_each_fault_is_found_with_what_to_do(found: Facts, problem: str, fix: str) -> None:
    lines = told(found)
    assert any(problem in line and fix in line for line in lines), lines


def test_a_store_that_refuses_the_account_is_told_as_such() -> None:
    said = "[ProtocolError] HTTP request failed with 403 (Forbidden): GET /backups/"
    stanza = replace(SOUND.stanza, repositories=(Repository(1, 99, said, ""),))
    lines = told(replace(SOUND, stanza=stanza))
    assert any("403 (Forbidden)" in line and "backup_s3_secret_key" in line and "timedatectl" in line for line in lines)


def rewritten(number: int, **changes: int) -> Facts:
    """A file of WAL that somebody has changed an hour ago, before it was read."""
    entries = archived(*range(10, 21), newest=NOW - 4 * HOUR)
    entries[number - 10] = replace(entries[number - 10], time=int(NOW - HOUR), **changes)
    return facts(archives={1: entries}, last_archived=NOW - 30)


def test_wal_that_was_changed_since_it_was_archived_is_told_until_all_was_read_and_well() -> None:
    name = Segment(1, 12).name
    line = next(line for line in told(rewritten(12)) if "was changed after it was archived" in line)
    assert line.startswith(f"repository 1: {name} was changed")
    assert "school-backup check --read" in line
    assert f"rm /opt/school/backup/repository/postgres/archive/school/*/*/{name}-*" in line
    assert not any(name in line for line in told(replace(rewritten(12), last_sound=NOW - 60)))
    assert any(f"{name} is empty" in line for line in told(replace(rewritten(12, size=0), last_sound=NOW - 60)))


def test_the_newest_file_and_one_of_a_clock_that_was_ahead_were_not_changed() -> None:
    assert not any("was changed" in line for line in told(rewritten(20)))
    entries = archived(*range(10, 21))
    entries[3] = replace(entries[3], time=int(NOW + DAY))
    assert told(facts(archives={1: entries})) == []


def with_backups(*backups: Backup, archive: list[Archived] | None = None, code: int = 0) -> Facts:
    stanza = replace(SOUND.stanza, backups=backups, repositories=(Repository(1, code, "no\n  way", ""),))
    return replace(SOUND, stanza=stanza, archives={1: archive if archive is not None else archived(*range(10, 21))})


def missing(number: int) -> Facts:
    return with_backups(FULL, INCR, archive=archived(*(n for n in range(10, 21) if n != number)))


@pytest.mark.parametrize(
    ("found", "problem", "fix"),
    [
        (with_backups(), "there is no backup", "school-backup backup --type full"),
        (with_backups(replace(FULL, stop=int(NOW - 27 * HOUR))), "the newest backup is 27h old", "--type incr"),
        (
            with_backups(replace(FULL, stop=int(NOW - 9 * DAY)), INCR),
            "the newest full backup is 216h old",
            "--type full",
        ),
        (with_backups(replace(FULL, stop=int(NOW + DAY))), "F is dated 24h ahead", "school-backup forget F"),
        (with_backups(FULL, INCR, code=99), "repository 1: no way", "its key"),
        (missing(18), "no moment after it can be restored", "full"),
        (missing(10), "backup F cannot be restored", "school-backup forget F"),
        (missing(15), "backup I cannot be restored", "school-backup forget I"),
    ],
)
def test_backups_and_their_wal(found: Facts, problem: str, fix: str) -> None:
    lines = told(found)
    assert any(problem in line and fix in line for line in lines), lines


def test_a_gap_with_a_backup_after_it_is_told_and_no_problem() -> None:
    assert told(missing(12)) == []
    assert lost_moments(missing(12), 1) == [
        "repository 1: no moment between 00000001000000000000000C and the end of backup I can be restored"
    ]
    assert lost_moments(missing(18), 1) == []


def test_a_rehearsal_of_another_repository_is_no_problem_of_this_one() -> None:
    assert told(facts(installed=NOW - HOUR, last_drill=NOW - 2 * HOUR, drill_success=False)) == []


def test_a_young_repository_is_not_blamed_for_what_was_not_due_yet() -> None:
    assert told(facts(installed=NOW - HOUR, last_read=0, last_drill=0)) == []


@pytest.mark.parametrize(
    ("found", "age"),
    [
        # PostgreSQL completes a file when its first record is archive_timeout old.
        (facts(), 30),
        (facts(archives={1: archived(*range(10, 21), newest=NOW - HOUR)}), 45),
        (facts(waiting=3, oldest_waiting=NOW - 600, archives={1: archived(*range(10, 21), newest=NOW - 601)}), 601),
        # What the server says it archived must be there.
        (facts(archives={1: archived(*range(10, 19), newest=NOW - 700)}), 700),
        (facts(last_archived_wal="", archives={1: archived(*range(10, 21), newest=NOW - HOUR)}), 45),
        (facts(last_archived_wal="00000002.history", archives={1: archived(*range(10, 21), newest=NOW - HOUR)}), 45),
        (replace(SOUND, server=None), 30),
        (with_backups(), NOW),
    ],
)
def test_the_newest_moment(found: Facts, age: float) -> None:
    assert NOW - newest_restorable(found) == age


def test_wal_of_a_label_is_that_of_its_file() -> None:
    found = facts(last_archived_wal=Segment(1, 20).name + ".00000028.backup")
    assert gaps_of(found, 1) == []
    assert told(found) == []


def test_what_the_store_lacks_is_told_when_it_waits_for_long() -> None:
    config = replace(CONFIG, postgres=replace(CONFIG.postgres, repositories=(1, 2)))
    stored = [replace(backup, repository=2) for backup in (FULL, INCR)]
    stanza = replace(
        SOUND.stanza,
        backups=(FULL, INCR, *stored),
        repositories=(*SOUND.stanza.repositories, Repository(2, 0, "ok", "")),
    )
    found = replace(SOUND, stanza=stanza, archives={1: archived(*range(9, 21)), 2: archived(*range(10, 19))})
    assert [entry.segment.number for entry in not_yet_there(found, 2)] == [19, 20]
    assert judge(config, found) == []
    late = replace(found, archives={1: archived(*range(9, 21)), 2: archived(*range(10, 12))})
    assert [str(finding).partition(". ")[0] for finding in judge(config, late)] == [
        "repository 2: 9 files of WAL wait for the store, for 6m30s"
    ]


def test_only_histories_that_are_on_the_host_can_be_brought() -> None:
    # A host that was restored on its third timeline: the history of the second is told of in it, and not there.
    found = facts(starts={1: {2: 5, 3: 9}, 2: {}}, histories={1: [3, 4, 31], 2: [4]})
    assert histories_not_yet_there(found, 2) == ["00000003.history", "0000001F.history"]
    assert histories_not_yet_there(found, 3) == ["00000003.history", "00000004.history", "0000001F.history"]


def test_a_backup_whose_files_somebody_removed_is_missed() -> None:
    assert not [line for line in told(replace(SOUND, folders={1: ["F", "I", "being-made"]})) if "are gone" in line]
    (line,) = (line for line in told(replace(SOUND, folders={1: ["I"]})) if "are gone" in line)
    assert line.startswith(
        "repository 1: the files of backup F are gone. Find out who removed them. Type: school-backup"
    )


@pytest.mark.parametrize(
    ("oldest", "installed", "noted"),
    [(20, 20, False), (3, 10, False), (3, 20, True), (29, 400, False), (20, 400, True)],
)
def test_it_is_noted_when_backups_reach_less_far_back_than_they_are_kept(
    oldest: int, installed: int, noted: bool
) -> None:
    stanza = replace(SOUND.stanza, backups=(backup("F", "full", oldest * DAY, 10), INCR))
    seen = replace(SOUND, stanza=stanza, installed=NOW - installed * DAY)
    assert bool(lost_past(CONFIG, seen, 1)) is noted
    assert lost_past(CONFIG, seen, 2) == []
