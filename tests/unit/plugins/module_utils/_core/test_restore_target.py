# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a restore ends, what is refused, and what counts as proof."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError, InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.pgbackrest import Backup, Repository, Stanza
from ansible_collections.firstbell.stack.plugins.module_utils._core.restore_target import (
    Target,
    choose,
    parse_as_of,
    parse_target,
    prove,
    refuse_overwriting,
    timeline_at,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.wal import Archived, Segment

NOW = 10_000.0


def backup(label: str, stop: int, lsn: str, repository: int = 1, error: bool = False) -> Backup:
    wal = "000000010000000000000002"
    return Backup(label, "full", repository, 1, stop - 5, stop, lsn, lsn, wal, wal, 10**9, 10**8, error)


STANZA = Stanza(
    "school",
    (Repository(1, 0, "ok", "aes-256-cbc"),),
    (
        backup("A", 1000, "0/2000120"),
        backup("B", 5000, "0/8000120"),
        backup("B2", 5100, "0/9000120", repository=2),
        backup("C", 9000, "0/A000120", error=True),
    ),
)


def test_without_a_target_the_newest_moment_is_meant() -> None:
    choice = choose(parse_target(), STANZA, NOW)
    assert choice.options() == ["--set=B", "--type=default"]


def test_a_backup_in_one_repository_only() -> None:
    assert choose(parse_target(), STANZA, NOW, repository=2).backup.label == "B2"
    with pytest.raises(InputError, match="no backup in repository 3"):
        choose(parse_target(), STANZA, NOW, repository=3)


@pytest.mark.parametrize("text", ["1970-01-01 01:10:00+00", "1970-01-01T02:10:00+01:00", "1970-01-01 01:10:00Z"])
def test_a_time_says_in_which_zone(text: str) -> None:
    choice = choose(parse_target(time=text), STANZA, NOW)
    assert choice.options() == [
        "--set=A",
        "--type=time",
        "--target=1970-01-01 01:10:00.000000+00",
        "--target-action=promote",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"time": "yesterday"}, "'yesterday' is no time; write one such as"),
        ({"time": "2027-01-01 07:45"}, "does not say in which time zone"),
        ({"time": "1970-01-01 02:46:41Z"}, "is in the future; it is 1970-01-01 02:46:40"),
        ({"time": "1970-01-01 00:16:39Z"}, "is before the first backup; the earliest moment is 1970-01-01 00:16:40"),
        ({"lsn": "here"}, "lsn: 'here' is no position in the WAL; one looks like"),
        ({"lsn": "0/2000000"}, "is before the end of the first backup, 0/2000120"),
        ({"backup": "X"}, "there is none of the name 'X'; there are B2, B, A"),
        ({"backup": "C"}, "there is none of the name 'C'"),
        ({"lsn": "0/3000000", "backup": "A"}, "lsn and backup: a restore has one target"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        choose(parse_target(**given), STANZA, NOW)
    assert message in str(caught.value)


def test_no_backup_at_all() -> None:
    with pytest.raises(InputError, match="no backup in any repository"):
        choose(parse_target(), Stanza("school", (), ()), NOW)


def test_a_position_and_a_name() -> None:
    assert choose(parse_target(lsn="0/8fffffF"), STANZA, NOW).options()[:3] == [
        "--set=B",
        "--type=lsn",
        "--target=0/8FFFFFF",
    ]
    assert choose(parse_target(backup="A"), STANZA, NOW).options() == [
        "--set=A",
        "--type=immediate",
        "--target-action=promote",
    ]


def test_a_moment_before_an_earlier_restore_belongs_to_the_timeline_of_then() -> None:
    archived = [Archived(Segment(1, 5), 1100, 1), Archived(Segment(1, 6), 2000, 1), Archived(Segment(2, 6), 3000, 1)]
    assert [timeline_at(archived, when) for when in (1050, 1999, 2500, 4000)] == [1, 1, 2, 0]
    options = choose(parse_target(time="1970-01-01 00:25:00Z"), STANZA, NOW, archived).options()
    assert options[-1] == "--target-timeline=1"


TIME = Target("time", "1970-01-01 01:10:00.000000+00", when=4200.0)


def test_the_log_proves_a_target() -> None:
    stopping = "2027-01-01 LOG:  recovery stopping before commit of transaction 751, time 2027-01-01 00:00:00+00\n"
    assert prove(TIME, stopping, None).startswith("recovery stopping before commit of transaction 751")
    with pytest.raises(FirstbellError, match="does not say that it stopped at the target time"):
        prove(TIME, "LOG:  redo done at 0/9000110\nLOG:  database system is ready to accept connections\n", None)
    with pytest.raises(FirstbellError, match="was not reached: the archived WAL ends before it"):
        prove(TIME, stopping + "FATAL:  recovery ended before configured recovery target was reached\n", None)


@pytest.mark.parametrize(
    ("log", "newest", "proof"),
    [
        ("LOG:  redo done at 0/9000110 system usage: CPU\n", 9, "recovery ended at 0/9000110"),
        ("LOG:  redo done at 0/A000110\n", 9, "recovery ended at 0/A000110"),
        ("LOG:  redo is not required\n", None, "recovery ended at"),
    ],
)
def test_the_newest_moment_is_the_end_of_the_archive(log: str, newest: int | None, proof: str) -> None:
    assert prove(Target("latest"), log, newest).startswith(proof)


def test_the_newest_moment_is_not_where_a_file_is_missing() -> None:
    with pytest.raises(FirstbellError, match="a WAL file is missing in between") as caught:
        prove(Target("latest"), "LOG:  redo done at 0/7000110\n", 9)
    assert "lsn 0/7000110" in str(caught.value)
    with pytest.raises(FirstbellError, match="does not say where"):
        prove(Target("latest"), "LOG:  database system is ready\n", 9)


@pytest.mark.parametrize(("overwrite", "occupied"), [("", True), ("other", True), ("other", False)])
def test_a_database_is_only_replaced_by_name(overwrite: str, occupied: bool) -> None:
    with pytest.raises(InputError, match="overwrite"):
        refuse_overwriting("school", overwrite, occupied)


@pytest.mark.parametrize(("overwrite", "occupied"), [("school", True), ("school", False), ("", False)])
def test_a_place_that_is_empty_needs_no_name(overwrite: str, occupied: bool) -> None:
    refuse_overwriting("school", overwrite, occupied)


def test_the_store_is_read_as_of_a_moment() -> None:
    assert parse_as_of("2027-03-01 07:47:00.5+01:00", None) == ("2027-03-01 06:47:00+00", 2)
    assert parse_as_of("", 1) == ("", 1)
    with pytest.raises(InputError, match="keeps no versions"):
        parse_as_of("2027-03-01 07:47:00+01:00", 1)
    with pytest.raises(InputError, match="time zone"):
        parse_as_of("2027-03-01 07:47:00", None)
