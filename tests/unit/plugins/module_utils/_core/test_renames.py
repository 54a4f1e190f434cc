# SPDX-License-Identifier: GPL-3.0-or-later
"""What has another name than after the last migration gets its own back, and nothing of it is lost."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.definitions import drift, record, renewed

from unit.plugins.module_utils._core.test_definitions import ONE, row

APPLIED = {"one": "applied"}
DATABASE = row("database", "", table="", id="1.5")
SCHEMA = row("schema", "public", table="", id="n2200")
T, U = "public.t", 'public."U"'
TABLE, OTHER = row("table", T, table=T, id="r10"), row("table", U, table=U, id="r11")
COLUMNS = [
    row("column", "a", "integer", table=T, id="c10.1"),
    row("column", "b", "integer", table=T, id="c10.2"),
    row("column", "a", "text", table=U, id="c11.1"),
]
RULE = row("NOT NULL", "a", table=T)
KEY = row("constraint", "t_pkey", "PRIMARY KEY (a)", table=T, id="k20")
POINTS = row("constraint", "u_fkey", "FOREIGN KEY (a) REFERENCES public.t(a)", table=U, id="k21")
FUNCTION = row("function", "public.f(integer)", "one", table="", id="f30")
SEQUENCE = row("sequence", "public.t_a_seq", "a", table=T, id="r12")
ENUM = row("enum", "public.mood", '["sad"]', table="", id="t40")
ALL = [DATABASE, SCHEMA, ENUM, TABLE, OTHER, *COLUMNS, RULE, SEQUENCE, FUNCTION, KEY, POINTS]


def called(old: dict[str, str], name: str, *, definitions: list[dict[str, str]] | None = None) -> list[dict[str, str]]:
    """All, with another name for this one."""
    return [{**one, "name": name} if one == old else one for one in definitions or ALL]


def moved(name: str) -> list[dict[str, str]]:
    """All, with another name for the table ``t``, in another schema where the name says so."""
    if not name.startswith("public."):
        rest = [one for one in ALL if one["table"] != T]
        return [*rest, row("elsewhere", name, table=name.partition(".")[0], id="r10")]
    texts = [{**one, "text": one["text"].replace("public.t(", f"{name}(")} for one in called(TABLE, name)]
    return [{**one, "table": name} if one["table"] == T else one for one in texts]


def unnumbered(definitions: list[dict[str, str]]) -> list[dict[str, str]]:
    """As the version before has kept them."""
    kept = [one for one in definitions if one["kind"] not in ("database", "schema", "table")]
    return [{key: value for key, value in one.items() if key != "id"} for one in kept]


def found(now: list[dict[str, str]], before: list[dict[str, str]] = ALL) -> list[tuple[str, str]]:
    kept = record(ONE, before)
    return [(one["problem"], one["fix"]) for one in drift(kept, APPLIED, now, "app", "owner")]


@pytest.mark.parametrize(
    ("now", "problem", "fix"),
    [
        (moved("public.x"), "is called public.x since", "ALTER TABLE public.x RENAME TO t"),
        (moved("other.t"), "is called other.t since", "ALTER TABLE other.t SET SCHEMA public"),
        (
            moved("other.x"),
            "is called other.x since",
            "ALTER TABLE other.x SET SCHEMA public; ALTER TABLE public.x RENAME TO t",
        ),
        (called(COLUMNS[0], '"A"'), 'its column a under the name "A"', 'ALTER TABLE public.t RENAME COLUMN "A" TO a'),
        (called(KEY, "foo"), "its constraint t_pkey", "ALTER TABLE public.t RENAME CONSTRAINT foo TO t_pkey"),
        (called(FUNCTION, "public.g(integer)"), "its function", "ALTER ROUTINE public.g(integer) RENAME TO f"),
        (called(ENUM, "public.x"), "its enum public.mood", "ALTER TYPE public.x RENAME TO mood"),
        (called(SEQUENCE, "public.x"), "its sequence public.t_a_seq", "ALTER SEQUENCE public.x RENAME TO t_a_seq"),
        (
            [DATABASE, {**SCHEMA, "id": "n9"}, row("elsewhere", "old", table="", id="n2200")],
            "is called old since the last migration, with all its tables",
            "DROP SCHEMA public; ALTER SCHEMA old RENAME TO public",
        ),
        (
            [DATABASE, {**SCHEMA, "id": "n9"}, COLUMNS[0], row("elsewhere", "old", table="", id="n2200")],
            "is called old",
            'ALTER SCHEMA public RENAME TO "public_made_by_hand"; ALTER SCHEMA old RENAME TO public',
        ),
    ],
)
def test_one_thing_has_another_name(now: list[dict[str, str]], problem: str, fix: str) -> None:
    ((said, mended),) = found(now)
    assert problem in said
    assert mended == fix


def test_two_that_have_changed_their_names() -> None:
    now = called(COLUMNS[0], "b", definitions=called(COLUMNS[1], "x"))
    now = [{**one, "name": "a"} if one["name"] == "x" else one for one in now]
    assert [fix for _problem, fix in found(now)] == [
        'ALTER TABLE public.t RENAME COLUMN a TO "a_made_by_hand"; ALTER TABLE public.t RENAME COLUMN b TO a',
        'ALTER TABLE public.t RENAME COLUMN "a_made_by_hand" TO b',
    ]


def test_another_that_has_taken_the_name_goes_aside() -> None:
    now = [*moved("public.x"), {**TABLE, "id": "r99"}, {**COLUMNS[0], "id": "c99.1"}]
    ((problem, fix),) = found(now)
    assert problem.endswith("with all its rows, and another has taken its name")
    assert fix == 'ALTER TABLE public.t RENAME TO "t_made_by_hand"; ALTER TABLE public.x RENAME TO t'


def test_what_has_nothing_to_do_with_it_is_told_beside_it() -> None:
    other = row("constraint", "u_check", "CHECK (a <> '')", table=U, id="k22")
    problems = [problem for problem, _fix in found(moved("public.x"), [*ALL, other])]
    assert [problem.partition(" since")[0] for problem in problems] == [
        "is called public.x",
        "has lost its constraint u_check",
    ]


@pytest.mark.parametrize(
    ("now", "fix"),
    [
        (moved("public.x"), "ALTER TABLE public.x RENAME TO t"),
        (called(COLUMNS[2], "x"), 'ALTER TABLE public."U" RENAME COLUMN x TO a'),
        (called(KEY, "foo"), "ALTER TABLE public.t RENAME CONSTRAINT foo TO t_pkey"),
        (
            [DATABASE, SCHEMA, row("elsewhere", "old._prisma_migrations", table="old", id="r9")],
            "DROP SCHEMA public; ALTER SCHEMA old RENAME TO public",
        ),
    ],
)
@pytest.mark.parametrize("numbers", ["none", "of another database"])
def test_without_numbers_it_is_known_by_what_it_consists_of(now: list[dict[str, str]], fix: str, numbers: str) -> None:
    before = unnumbered(ALL) if numbers == "none" else [{**DATABASE, "id": "7.7"}, *ALL[1:]]
    assert [mended for _problem, mended in found(now, before)] == [fix]


def test_a_column_that_was_dropped_is_not_the_one_that_was_added() -> None:
    now = [{**COLUMNS[2], "name": "x", "id": "c11.2"} if one == COLUMNS[2] else one for one in ALL]
    ((problem, fix),) = found(now)
    assert (problem.startswith("has lost its column a"), fix) == (True, "")


def test_the_numbers_of_another_database_say_nothing() -> None:
    now = [{**one, "id": {"k20": "k21", "k21": "k20", "1.5": "2.5"}.get(one["id"], one["id"])} for one in ALL]
    assert found(now) == []
    made = renewed(record(ONE, ALL), now)
    assert made["definitions"] == now
    other = [{**one, "text": "CHECK (true)"} if one["name"] == KEY["name"] else one for one in now]
    assert {**KEY, "id": ""} in renewed(record(ONE, ALL), other)["definitions"]


def test_numbers_are_only_renewed_of_what_was_made_anew() -> None:
    kept = record(ONE, ALL)
    assert renewed(kept, ALL) == kept
    assert renewed(kept, called(KEY, "foo")) == kept
    now = [{**KEY, "id": "k99", "make": "x"} if one == KEY else one for one in ALL]
    assert renewed(kept, now) == record(ONE, [{**KEY, "id": "k99"} if one == KEY else one for one in ALL])
