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
        ([*ALL, row("function", "g()", table="")], "has got the function g()", "drop g()"),
    ],
)
def test_one_thing_is_otherwise(now: list[dict[str, str]], problem: str, fix: str) -> None:
    (found,) = drift(record(["one"], ALL), ["one"], now, "app")
    assert found["problem"].startswith(problem)
    assert found["fix"] == fix


@pytest.mark.parametrize(
    "further",
    [
        row("column", "b", "int"),
        row("unique index", "CREATE UNIQUE INDEX ON t (b)"),
        row("constraint", "k", table="made_by_hand"),
        row("function", "g()", table="", owner="app"),
    ],
)
def test_what_takes_nothing_from_the_migrations_is_not_told(further: dict[str, str]) -> None:
    assert drift(record(["one"], ALL), ["one"], [*ALL, further], "app") == []


@pytest.mark.parametrize("kept", [{}, record(["one", "two"], [])])
def test_without_a_record_after_these_migrations_nothing_is_told(kept: dict[str, object]) -> None:
    assert drift(kept, ["one"], ALL, "app") == []
