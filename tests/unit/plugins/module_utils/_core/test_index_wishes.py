# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import index_wishes
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.index_wishes import Bound, Relations
from ansible_collections.firstbell.stack.plugins.module_utils._core.indexes import Column, Definition, Key, Table

KNOWN = Relations(
    {
        ("public", "Student"): ("r", 1),
        ("public", "a.b"): ("r", 2),
        ("a", "b"): ("r", 3),
        ("public", "we.ird"): ("p", 4),
        ("public", 'q"x'): ("m", 5),
        ("public", "view"): ("v", 6),
    },
    frozenset({"public", "a"}),
    "public",
)
TABLE = Table(1, "public", "Student", columns=(Column("id", "integer"), Column("Name", "text"), Column("f(x)", "text")))


def wish(**entry: Any) -> index_wishes.Wish:
    return index_wishes.wishes([{"table": "Student", "columns": ["id"], **entry}])[0]


def bind(**entry: Any) -> Bound:
    return index_wishes.bind(wish(**entry), TABLE, KNOWN.schemas, frozenset({"pg_default"}))


@pytest.mark.parametrize(
    ("table", "schema", "place"),
    [
        ("Student", None, ("public", "Student")),
        ('"Student"', None, ("public", "Student")),
        ("public.Student", None, ("public", "Student")),
        ('"public"."Student"', None, ("public", "Student")),
        ("we.ird", None, ("public", "we.ird")),
        ('q"x', None, ("public", 'q"x')),
        ('"q""x"', None, ("public", 'q"x')),
        ("a.b", "public", ("public", "a.b")),
        ('"a"."b"', None, ("a", "b")),
        ('"a.b"', None, ("public", "a.b")),
        ("b", "a", ("a", "b")),
    ],
)
def test_tables_are_found(table: str, schema: str | None, place: tuple[str, str]) -> None:
    assert index_wishes.find(wish(table=table, schema=schema), KNOWN) == place


@pytest.mark.parametrize(
    ("table", "schema", "words"),
    [
        ("student", None, "did you mean Student"),
        ("a.b", None, "say schema"),
        ("b", None, 'one in the schema "a"'),
        ("x", "b", 'no schema "b"'),
        ("view", None, "a view"),
        ("zzz", None, 'no table "zzz"'),
    ],
)
def test_tables_that_are_not_there(table: str, schema: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        index_wishes.find(wish(table=table, schema=schema), KNOWN)


def test_columns_and_expressions_are_told_apart() -> None:
    columns = ["id", '"Name"', "f(x)", "lower(Name)", {"expression": "id + 1", "order": "DESC", "nulls": "last"}]
    elements = bind(columns=columns, include=['"Name"']).wish.elements
    assert [element.column for element in elements] == ["id", "Name", "f(x)", "", ""]
    assert [element.expression for element in elements] == ["", "", "", "lower(Name)", "id + 1"]
    assert elements[4].sql("(id + 1)") == "(id + 1) DESC NULLS LAST"


def test_operator_classes_and_collations_are_names() -> None:
    column = {
        "column": "Name",
        "opclass": "a.my_ops",
        "opclass_parameters": {"siglen": 32},
        "collation": "en_US.utf8",
    }
    (element,) = bind(columns=[column]).wish.elements
    assert element.sql('"Name"') == '"Name" COLLATE "en_US.utf8" "a"."my_ops"(siglen = \'32\')'


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"columns": ["nam"]}, "did you mean Name"),
        ({"columns": ["id desc"]}, "order: desc"),
        ({"include": ["ix"]}, "no column"),
        ({"tablespace": "pg_defautl"}, "did you mean pg_default"),
        ({"columns": ["f(y"]}, "open bracket"),
    ],
)
def test_what_the_table_does_not_have(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        bind(**entry)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"table": ""}, "table and columns are missing"),
        ({"columns": []}, "table and columns are missing"),
        ({"columns": "id"}, "no list"),
        ({"columns": [5]}, "neither a column's name nor a dictionary"),
        ({"columns": [{}]}, "either column or expression"),
        ({"columns": [{"column": "id", "expression": "x"}]}, "either column or expression"),
        ({"columns": [{"column": "id", "order": "down"}]}, "order is asc or desc"),
        ({"columns": [{"column": "id", "nulls": "never"}]}, "nulls is first or last"),
        ({"columns": [{"colum": "id"}]}, "did you mean column"),
        ({"columns": [{"column": "id", "opclass_parameters": {"a": 1}}]}, "their opclass"),
        ({"name": "x" * 64}, "64 bytes"),
        ({"name": "ä" * 32}, "64 bytes"),
        ({"storage": {"fill factor": 1}}, "no parameter"),
        ({"where": "a; b"}, "more than one expression"),
        ({"state": "absent", "name": "x"}, "leave out columns"),
        ({"state": "absent", "columns": None}, "give name"),
    ],
)
def test_entries_that_are_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        wish(**entry)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InputError) as raised:
        index_wishes.wishes([{"table": "t"}, {"table": "t", "columns": ["a"]}, {"columns": ["a"]}])
    assert "indexes[0]" in str(raised.value)
    assert "indexes[1]" not in str(raised.value)
    assert "indexes[2]" in str(raised.value)


def test_options_of_an_entry_win() -> None:
    entries = [{"table": "t", "columns": ["a"], "replace": False}, {"table": "t", "columns": ["a"]}]
    first, second = index_wishes.wishes(entries, rename=True, replacing=True)
    assert (first.replace, second.replace, first.rename) == (False, True, True)
    storage = wish(storage={"fillfactor": 70, "fastupdate": False, "buffering": "auto"}).storage
    assert storage == {"fillfactor": "70", "fastupdate": "off", "buffering": "auto"}


def test_twins_are_refused() -> None:
    made = Definition("btree", (Key("id", expression=False, opclass=1),))
    pair = [
        Bound(wish(), TABLE, "public", made),
        Bound(index_wishes.replace(wish(), position=1), TABLE, "public", made),
    ]
    with pytest.raises(InputError, match="the same index as"):
        index_wishes.refuse_twins(pair)
    names = [Bound(index_wishes.replace(wish(name="n"), position=number), None, "public") for number in (0, 1)]
    with pytest.raises(InputError, match="the name is that of"):
        index_wishes.refuse_twins(names)
    index_wishes.refuse_twins([names[0], Bound(names[1].wish, None, "other")])
