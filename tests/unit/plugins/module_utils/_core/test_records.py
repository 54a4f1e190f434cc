# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.records import (
    dump,
    file_name,
    load,
    newest,
    parse,
    parse_name,
    surplus,
)

CONTENT: dict[str, Any] = {
    "kind": "load_test",
    "at": "2026-11-29T05:00:00Z",
    "seconds": 93.2,
    "passed": False,
    "measured": {"p95_seconds": 1.31, "requests": 4000},
    "targets": {"p95_seconds": 1.0},
    "findings": ["scans took 1.31 s; raise firstbell_profile"],
    "items": [{"name": "scans", "passed": False, "measured": {"p95_seconds": 1.31}, "finding": "too slow"}],
}
NAME = "load_test-20261129T050000Z.json"


def test_a_record_comes_back_as_it_was_written() -> None:
    record = parse(CONTENT)
    assert file_name(record) == NAME
    assert json.loads(dump(record)) == CONTENT
    kept = load(NAME, dump(record))
    assert kept is not None
    assert kept.record == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "load_tests"}, "did you mean load_test"),
        ({"kind": None}, "is none of"),
        ({"at": "2026-11-29 05:00"}, "write it like 2026-11-29T05:00:00Z"),
        ({"at": "2026-13-29T05:00:00Z"}, "is no time"),
        ({"seconds": "93"}, "seconds must be a number"),
        ({"seconds": float("nan")}, "seconds must be a number"),
        ({"passed": "yes"}, "passed must be true or false"),
        ({"measured": {"p95_seconds": True}}, "measured.p95_seconds must be a number"),
        ({"targets": [1]}, "targets must be a mapping"),
        ({"findings": "slow"}, "findings must be a list"),
        ({"items": {"a": 1}}, "items must be a list"),
        ({"items": [{"passed": True}]}, r"items\[0\] needs a name"),
        ({"items": [{"name": "a"}]}, r"items\[0\].passed must be"),
        ({"verdict": "pass"}, "no field 'verdict'"),
        ({"passed": True}, "passed is true, and yet"),
        ({"passed": True, "findings": []}, "passed is true, and yet"),
    ],
)
def test_a_record_that_says_nothing_clear_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse({**CONTENT, **change})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read"),
        ("[]", "must be a mapping"),
        ('{"kind": "load_test"', "cannot be read"),
        (json.dumps({**CONTENT, "at": "2026-11-30T05:00:00Z"}), "another kind or time"),
        (json.dumps({**CONTENT, "passed": True}), "passed is true, and yet"),
    ],
)
def test_a_damaged_or_altered_file_is_told(text: str, problem: str) -> None:
    kept = load(NAME, text)
    assert kept is not None
    assert kept.record is None
    assert problem in kept.problem


@pytest.mark.parametrize(
    "name",
    ["drill.json", "load_test-latest.json", "load_test-20261329T050000Z.json", "other-20261129T050000Z.json", NAME[1:]],
)
def test_files_of_something_else_are_none_of_ours(name: str) -> None:
    assert parse_name(name) is None
    assert load(name, "{}") is None


def test_the_newest_of_each_kind_counts_even_when_it_is_damaged() -> None:
    older, other = load(NAME, dump(parse(CONTENT))), load("capacity-20261101T000000Z.json", "")
    damaged = load("load_test-20261129T060000Z.json", "{")
    assert older
    assert other
    assert damaged
    assert newest([damaged, older, other]) == {"load_test": damaged, "capacity": other}


def test_the_oldest_of_a_kind_are_surplus_and_no_other() -> None:
    names = [f"load_test-2026112{day}T050000Z.json" for day in (3, 1, 2)]
    assert surplus([*names, "capacity-20200101T000000Z.json", "notes.txt"], "load_test", 2) == (names[1],)
    assert surplus(names, "load_test") == ()
