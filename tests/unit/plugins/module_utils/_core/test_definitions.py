# SPDX-License-Identifier: GPL-3.0-or-later
"""What is otherwise in a schema than after its last migration."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.definitions import drift, record


def row(kind: str, name: str, text: str = "", table: str = "t", **more: str) -> dict[str, str]:
    made = {"make": f"make {name}", "drop": f"drop {name}", "owner": ""}
    return {"kind": kind, "table": table, "name": name, "text": text, **made, **more}


COLUMN, KEY, RULE = row("column", "a", "int"), row("constraint", "k", "PRIMARY KEY (a)"), row("NOT NULL", "a")
FUNCTION = row("function", "f()", "one", table="")
ONE = {"one": "1a"}
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
    ],
)
def test_one_thing_is_otherwise(now: list[dict[str, str]], problem: str, fix: str) -> None:
    (found,) = drift(record(ONE, ALL), ONE, now, "app")
    assert found["problem"].startswith(problem)
    assert found["fix"] == fix


@pytest.mark.parametrize(
    "further",
    [
        row("column", "b", "int"),
        row("default", "b", "1"),
        row("constraint", "k", table="made_by_hand"),
        row("function", "g()", table="", owner="app"),
    ],
)
def test_what_takes_nothing_from_the_migrations_is_not_told(further: dict[str, str]) -> None:
    assert drift(record(ONE, ALL), ONE, [*ALL, further], "app") == []


@pytest.mark.parametrize("kept", [{}, record({"other": "2b"}, [])])
def test_without_a_record_after_these_migrations_nothing_is_told(kept: dict[str, object]) -> None:
    assert drift(kept, ONE, ALL, "app") == []


def test_a_row_that_was_removed_from_the_ledger_comes_back() -> None:
    (found,) = drift(record({**ONE, "two": "2b"}, ALL), ONE, ALL, "app")
    assert found["problem"] == "has lost two, which the tables have"
    assert "VALUES (gen_random_uuid(), '2b', 'two', now(), now(), 1)" in found["fix"]


def test_after_a_restore_to_before_a_migration_the_playbook_applies_it_again() -> None:
    (found,) = drift(record({**ONE, "two": "2b"}, ALL), ONE, [COLUMN], "app")
    assert (found["problem"], found["fix"]) == ("has lost two, and the tables with it: make site", "")


def test_what_was_made_by_hand_goes_in_the_order_of_what_needs_what() -> None:
    function, trigger = row("function", "g()", table=""), row("trigger", "g")
    assert [one["fix"] for one in drift(record(ONE, ALL), ONE, [*ALL, function, trigger], "app")] == [
        "drop g",
        "drop g()",
    ]
