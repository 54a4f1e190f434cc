# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of the WAL are missing."""

from __future__ import annotations

import json

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._core.wal import (
    Gap,
    Segment,
    covers,
    find_gaps,
    folders,
    histories,
    parse_history,
    parse_listing,
    parse_lsn,
    parse_segment,
    segment_of,
)
from hypothesis import given
from hypothesis import strategies as st

SHA = "14b0b1344f09bd5e2c26fac3c3b6913fc9202abc"


def on(timeline: int, *numbers: int) -> list[Segment]:
    return [Segment(timeline, number) for number in numbers]


def said(gaps: list[Gap]) -> list[tuple[int, int, int]]:
    return [(gap.first.timeline, gap.first.number, gap.last.number) for gap in gaps]


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**40 - 1))
def test_a_name_leads_back_to_its_segment(timeline: int, number: int) -> None:
    assert parse_segment(Segment(timeline, number).name) == Segment(timeline, number)


def test_the_low_half_of_a_number_ends_at_255() -> None:
    assert Segment(1, 255).name == "0000000100000000000000FF"
    assert Segment(1, 256).name == "000000010000000100000000"


@pytest.mark.parametrize("name", ["", "00000001", "00000001000000000000000g", "000000010000000000000001.partial"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(FirstbellError, match="no name of a WAL file"):
        parse_segment(name)


def test_positions() -> None:
    assert parse_lsn("1/2000028") == 2**32 + 0x2000028
    assert segment_of(parse_lsn("1/2000028"), 3).name == "000000030000000100000002"
    with pytest.raises(FirstbellError, match="one looks like"):
        parse_lsn("2000028")


def test_a_listing_holds_more_than_wal() -> None:
    entry = {"type": "file", "size": 720, "time": 100}
    listing = {
        ".": {"type": "path"},
        "0000000100000000": {"type": "path"},
        f"0000000100000000/000000010000000000000003-{SHA}.zst": {**entry, "time": 300},
        f"0000000100000000/000000010000000000000002-{SHA}.zst": entry,
        "0000000100000000/000000010000000000000002.00000028.backup": entry,
        f"0000000100000000/000000010000000000000004.partial-{SHA}.zst": entry,
        "00000002.history": entry,
    }
    found = parse_listing(json.dumps(listing))
    assert [(item.segment.number, item.time, item.size) for item in found] == [(2, 100, 720), (3, 300, 720)]
    assert histories(json.dumps(listing)) == [2]


@pytest.mark.parametrize("text", ["", "[]", '{"000000010000000000000002-' + SHA + '.zst": {"type": "file"}}'])
def test_a_listing_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(FirstbellError, match="cannot be read"):
        parse_listing(text)


def test_a_history_tells_where_timelines_begin() -> None:
    text = "1\t0/5000148\tno recovery target specified\n\n2\t0/9000000\tbefore 2027-01-01 00:00:00+00\n"
    assert parse_history(text, 3) == {2: 5, 3: 9}
    with pytest.raises(FirstbellError, match="timeline 3 cannot be read"):
        parse_history("nonsense", 3)


@pytest.mark.parametrize(
    ("present", "needed", "starts", "newest", "missing"),
    [
        (on(1, 2, 3, 4), Segment(1, 2), {}, None, []),
        (on(1, 2, 4), Segment(1, 2), {}, None, [(1, 3, 3)]),
        (on(1, 2, 6, 7, 9), Segment(1, 2), {}, None, [(1, 3, 5), (1, 8, 8)]),
        # What is older than the oldest backup was expired, and nobody misses it.
        (on(1, 1, 4, 5), Segment(1, 4), {}, None, []),
        # The beginning, and the end as far as the server tells of it.
        (on(1, 4, 5), Segment(1, 2), {}, None, [(1, 2, 3)]),
        (on(1, 2, 3), Segment(1, 2), {}, Segment(1, 5), [(1, 4, 5)]),
        (on(1, 2, 3), Segment(1, 2), {}, Segment(1, 3), []),
        ([], Segment(1, 2), {}, Segment(1, 3), [(1, 2, 3)]),
        # After a restore: the second timeline begins in the file where the first was left.
        (on(1, 2, 3, 4) + on(2, 3, 4), Segment(1, 2), {2: 3}, Segment(2, 4), []),
        (on(1, 2, 3, 4) + on(2, 4, 5), Segment(1, 2), {2: 3}, Segment(2, 5), [(2, 3, 3)]),
        (on(1, 2, 3) + on(2, 3), Segment(1, 2), {2: 3}, Segment(2, 5), [(2, 4, 5)]),
        # Backups of the old timeline have expired.
        (on(1, 9) + on(2, 3, 4), Segment(2, 3), {2: 3}, None, []),
        # A server that archived nothing of its new timeline yet.
        (on(1, 2, 3), Segment(1, 2), {}, Segment(2, 4), [(2, 4, 4)]),
    ],
)
def test_gaps(
    present: list[Segment],
    needed: Segment,
    starts: dict[int, int],
    newest: Segment | None,
    missing: list[tuple[int, int, int]],
) -> None:
    assert said(find_gaps(present, needed, starts, newest)) == missing


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 60))
def test_what_is_there_and_what_is_missing_is_everything(numbers: set[int], start: int) -> None:
    gaps = find_gaps(on(1, *numbers), Segment(1, start))
    missing = {number for gap in gaps for number in range(gap.first.number, gap.last.number + 1)}
    kept = {number for number in numbers if number >= start}
    assert not missing & kept
    if kept:
        assert missing | kept == set(range(start, max(kept) + 1))


def test_a_gap_is_told_in_words() -> None:
    assert str(Gap(Segment(1, 3), Segment(1, 3))) == "000000010000000000000003"
    assert str(Gap(Segment(1, 3), Segment(1, 4))).endswith("000000010000000000000004 (2 files)")


@pytest.mark.parametrize(
    ("first", "last", "hit"), [(1, 1, False), (1, 2, True), (3, 3, True), (4, 9, True), (5, 9, False)]
)
def test_a_backup_needs_the_wal_of_its_own_time(first: int, last: int, hit: bool) -> None:
    assert covers(Gap(Segment(1, first), Segment(1, last)), Segment(1, 2), Segment(1, 4)) is hit
    assert not covers(Gap(Segment(2, first), Segment(2, last)), Segment(1, 2), Segment(1, 4))


def test_folders_are_told_from_files() -> None:
    listing = {
        ".": {"type": "path"},
        "20270301-023000F": {"type": "path"},
        "backup.info": {"type": "file"},
        "latest": {"type": "link"},
    }
    assert folders(json.dumps(listing)) == ["20270301-023000F"]
