# SPDX-License-Identifier: GPL-3.0-or-later
"""What is otherwise in a schema than after its last migration."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.definitions import (
    _RESTORE,
    KINDS,
    drift,
    meant,
    record,
    renewed,
)


def row(kind: str, name: str, text: str = "", table: str = "t", **more: str) -> dict[str, str]:
    made = {"make": f"make {name}", "drop": f"drop {name}", "owner": "", "id": ""}
    return {"kind": kind, "table": table, "name": name, "text": text, **made, **more}


COLUMN, KEY, RULE = row("column", "a", "int"), row("constraint", "k", "PRIMARY KEY (a)"), row("NOT NULL", "a")
FUNCTION = row("function", "f()", "one", table="")
ENUM = row("enum", "mood", '["sad", "happy"]', table="")
ONE = {"one": "1a"}
APPLIED = {"one": "applied"}
ALL = [COLUMN, KEY, RULE, FUNCTION]


@pytest.mark.parametrize(
    ("now", "problem", "fix"),
    [
        ([COLUMN, RULE, FUNCTION], "has lost its constraint k since the last migration", "make k"),
        (
            [COLUMN, row("constraint", "k", "CHECK (true)"), RULE, FUNCTION],
            "has another constraint k",
            "drop k; make k",
        ),
        ([COLUMN, KEY, FUNCTION], "has lost its NOT NULL a", "make a"),
        ([KEY, FUNCTION], "has lost its column a since the last migration; bring it back from a backup", ""),
        ([FUNCTION], "is gone since the last migration; bring it back", ""),
        ([row("column", "a", "text"), KEY, RULE, FUNCTION], "has another column a", "make a"),
        ([COLUMN, KEY, RULE, row("function", "f()", "two", table="")], "has another function f()", "make f()"),
        ([*ALL, row("trigger", "s")], "has got the trigger s, which no migration has made", "drop s"),
        ([*ALL, row("unique index", "ON t (b)")], "has got the unique index ON t (b), which no", "drop ON t (b)"),
        ([*ALL, row("function", "g()", table="")], "has got the function g()", "drop g()"),
        ([*ALL, row("default", "a", "1")], "has got the default a, which no migration has made", "drop a"),
        ([*ALL, row("policy", "p")], "has got the policy p, which no migration has made", "drop p"),
        ([*ALL, row("identity", "a", "ALWAYS")], "has got the identity a, which no migration has made", "drop a"),
    ],
)
def test_one_thing_is_otherwise(now: list[dict[str, str]], problem: str, fix: str) -> None:
    (found,) = drift(record(ONE, ALL), APPLIED, now, "app", "owner")
    assert found["problem"].startswith(problem)
    assert found["fix"] == fix


@pytest.mark.parametrize(
    "further",
    [
        row("column", "b", "int"),
        row("default", "b", "1"),
        row("constraint", "k", table="made_by_hand"),
        row("function", "g()", table="", owner="app"),
        row("identity", "b", "ALWAYS"),
        row("index", "ON t (b)"),
        row("sequence", "s", "a"),
    ],
)
def test_what_takes_nothing_from_the_migrations_is_not_told(further: dict[str, str]) -> None:
    assert drift(record(ONE, ALL), APPLIED, [*ALL, further], "app", "owner") == []


@pytest.mark.parametrize("kept", [{}, record({"other": "2b"}, [])])
def test_without_a_record_after_these_migrations_nothing_is_told(kept: dict[str, object]) -> None:
    assert drift(kept, APPLIED, ALL, "app", "owner") == []


def test_a_row_that_was_removed_from_the_ledger_comes_back() -> None:
    (found,) = drift(record({**ONE, "two": "2b"}, ALL), APPLIED, ALL, "app", "owner")
    assert found["problem"] == "has lost two, which the tables have"
    assert "VALUES (gen_random_uuid(), '2b', 'two', now(), now(), 1)" in found["fix"]


def test_after_a_restore_to_before_a_migration_the_playbook_applies_it_again() -> None:
    (found,) = drift(record({**ONE, "two": "2b"}, ALL), APPLIED, [COLUMN], "app", "owner")
    assert (found["problem"], found["fix"]) == ("has lost two, and the tables with it: make site", "")


@pytest.mark.parametrize(
    ("now", "problem"),
    [
        ([], f"has lost all it had, and tables are gone with it; {_RESTORE}"),
        ([COLUMN, KEY, FUNCTION], "has lost its NOT NULL a since the last migration"),
    ],
)
def test_a_ledger_that_is_gone(now: list[dict[str, str]], problem: str) -> None:
    found = drift(record({**ONE, "two": "2b"}, ALL), None, now, "app", "owner")
    assert found[0]["problem"] == problem
    if now:
        made, rows = (one["fix"] for one in found[1:])
        assert made.startswith('SET ROLE "owner"; CREATE TABLE public._prisma_migrations (id VARCHAR(36) PRIMARY KEY')
        assert made.endswith("; RESET ROLE")
        assert rows.endswith("'1a', 'one', now(), now(), 1), (gen_random_uuid(), '2b', 'two', now(), now(), 1)")


def test_of_a_migration_that_seems_to_have_failed_the_rows_are_there() -> None:
    assert drift(record(ONE, ALL), {"one": "failed"}, ALL, "app", "owner") == []


def test_what_the_migrations_have_made_so_is_meant_so() -> None:
    proven, unproven = row("constraint", "p", "CHECK (a)"), row("constraint", "u", "CHECK (a) NOT VALID")
    assert meant(record(ONE, [proven, unproven, row("UNLOGGED", "t")])) == [
        "constraint t p",
        "NOT VALID t u",
        "UNLOGGED t t",
    ]
    assert meant({}) == []


@pytest.mark.parametrize(
    ("one", "fix"),
    [
        (row("option", "fillfactor", "10"), "drop fillfactor"),
        (row("statistics target", "a", "1"), "drop a"),
        (row("n_distinct", "a", "1"), "drop a"),
        (row("collation", "a", '"C"'), "drop a"),
        (row("UNLOGGED", "t"), "drop t"),
        (row("option", "security_invoker", "true", table="v"), "drop security_invoker"),
    ],
)
def test_how_it_is_set_is_compared(one: dict[str, str], fix: str) -> None:
    view = row("view", "v", "SELECT", table="")
    (found,) = drift(record(ONE, [*ALL, view]), APPLIED, [*ALL, view, one], "app", "owner")
    assert (found["problem"], found["fix"]) == (
        f"has got the {one['kind']} {one['name']}, which no migration has made",
        fix,
    )
    assert drift(record(ONE, [*ALL, one]), APPLIED, ALL, "app", "owner") == (
        []
        if one["kind"] == "UNLOGGED"
        else [
            {
                "name": one["table"],
                "problem": f"has lost its {one['kind']} {one['name']} since the last migration",
                "fix": f"make {one['name']}",
            }
        ]
    )


def test_with_a_materialized_view_goes_what_belongs_to_it() -> None:
    view = row("materialized view", "v", "SELECT", table="")
    parts = [row("contents", "v", table="v"), row("unique index", "ON v (a)", table="v"), row("option", "x", table="v")]
    fixes = [one["fix"] for one in drift(record(ONE, [*ALL, view, *parts]), APPLIED, ALL, "app", "owner")]
    assert fixes == ["make v"]
    fixes = [one["fix"] for one in drift(record(ONE, [*ALL, view, *parts]), APPLIED, [*ALL, view], "app", "owner")]
    assert fixes == ["make v", "make ON v (a)", "make x"]


def test_how_a_sequence_counts_goes_with_it() -> None:
    sequence, numbering = row("sequence", "s", "a"), row("numbering", "s", "INCREMENT BY 1")
    kept = record(ONE, [*ALL, sequence, numbering])
    assert [one["problem"].partition(" since")[0] for one in drift(kept, APPLIED, ALL, "app", "owner")] == [
        "has lost its sequence s"
    ]
    (found,) = drift(kept, APPLIED, [*ALL, sequence, {**numbering, "text": "CYCLE"}], "app", "owner")
    assert found["problem"] == "has another numbering s than after the last migration"


def test_what_was_made_by_hand_goes_in_the_order_of_what_needs_what() -> None:
    function, trigger = row("function", "g()", table=""), row("trigger", "g")
    assert [one["fix"] for one in drift(record(ONE, ALL), APPLIED, [*ALL, function, trigger], "app", "owner")] == [
        "drop g",
        "drop g()",
    ]


@pytest.mark.parametrize("kind", ["index", "sequence", "policy", "identity", "generated value", "extension"])
def test_further_kinds_are_lost_as_well(kind: str) -> None:
    one = row(kind, "a", "a", table="" if kind == "extension" else "t")
    (found,) = drift(record(ONE, [*ALL, one]), APPLIED, ALL, "app", "owner")
    assert found["problem"] == f"has lost its {kind} a since the last migration"
    assert found["fix"] == "make a"


@pytest.mark.parametrize(
    "one", [row("sequence", "s", "b"), row("identity", "b", "ALWAYS"), row("generated value", "b", "(a) STORED")]
)
def test_what_belongs_to_a_column_went_with_it(one: dict[str, str]) -> None:
    (found,) = drift(record(ONE, [*ALL, row("column", "b", "int"), one]), APPLIED, ALL, "app", "owner")
    assert found["problem"].startswith("has lost its column b")


def test_one_of_another_kind_is_dropped_before_it_comes_back() -> None:
    before, now = (row("identity", "a", kind) for kind in ("ALWAYS", "BY DEFAULT"))
    (found,) = drift(record(ONE, [*ALL, before]), APPLIED, [*ALL, now], "app", "owner")
    assert found["fix"] == "drop a; make a"


@pytest.mark.parametrize(
    ("values", "fixes"),
    [
        ('["sad", "merry"]', ["ALTER TYPE mood RENAME VALUE 'merry' TO 'happy'"]),
        (
            '["bad", "merry", "new"]',
            ["ALTER TYPE mood RENAME VALUE 'bad' TO 'sad'", "ALTER TYPE mood RENAME VALUE 'merry' TO 'happy'"],
        ),
        ('["happy"]', ["ALTER TYPE mood ADD VALUE 'sad'"]),
        ('["sad", "happy", "new"]', []),
    ],
)
def test_values_of_an_enum_get_their_names_back(values: str, fixes: list[str]) -> None:
    found = drift(record(ONE, [*ALL, ENUM]), APPLIED, [*ALL, {**ENUM, "text": values}], "app", "owner")
    assert [one["fix"] for one in found] == fixes


def test_what_has_become_the_applications_own_is_not_lost() -> None:
    mine = row("function", "g()", "one", table="", owner="app")
    assert drift(record(ONE, [*ALL, mine]), APPLIED, ALL, "app", "owner") == []
    assert drift(record(ONE, ALL), APPLIED, [COLUMN, KEY, RULE, {**FUNCTION, "owner": "app"}], "app", "owner") == []


def old(*definitions: dict[str, str]) -> dict[str, object]:
    """A record of a version before these kinds."""
    return {"migrations": ONE, "definitions": [*ALL, *definitions]}


@pytest.mark.parametrize("kind", ["policy", "identity", "generated value", "index", "sequence", "enum", "extension"])
def test_an_older_record_does_not_know_them(kind: str) -> None:
    assert drift(old(), APPLIED, [*ALL, row(kind, "a", "[]")], "app", "owner") == []


def test_an_older_record_is_renewed_and_hides_nothing() -> None:
    gone, sequence, policy = row("default", "a", "1"), row("sequence", "s", "a"), row("policy", "p")
    today = {**FUNCTION, "make": "make f() for its owner"}
    now = [sequence, COLUMN, {**KEY, "text": "CHECK (true)"}, RULE, today, policy]
    made = renewed(old(gone), now)
    assert made["kinds"] == list(KINDS)
    assert made["definitions"] == [sequence, COLUMN, KEY, RULE, today, gone, policy]
