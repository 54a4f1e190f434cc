# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of indexes, walked along by a model of the server: it knows no more than what each statement is for."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import index_report
from ansible_collections.firstbell.stack.plugins.module_utils._core.index_plan import (
    Duplicates,
    Plan,
    near,
    plan,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.index_sql import passing_name
from ansible_collections.firstbell.stack.plugins.module_utils._core.index_steps import Step
from ansible_collections.firstbell.stack.plugins.module_utils._core.index_wishes import Bound, Element, Wish
from ansible_collections.firstbell.stack.plugins.module_utils._core.indexes import (
    Catalogue,
    Column,
    Definition,
    Index,
    Key,
    Table,
    serves,
)
from hypothesis import given, settings
from hypothesis import strategies as st

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=200)
COLUMNS = tuple(Column(name, "integer") for name in "abc")
PLAIN, TOP, FIRST, MIDDLE, LAST = 1, 2, 3, 4, 5
TABLES = {
    PLAIN: Table(PLAIN, "public", "plain", "r", COLUMNS),
    TOP: Table(TOP, "public", "top", "p", COLUMNS, ("a",), (FIRST, MIDDLE)),
    FIRST: Table(FIRST, "public", "first", "r", COLUMNS),
    MIDDLE: Table(MIDDLE, "public", "middle", "p", COLUMNS, ("a",), (LAST,)),
    LAST: Table(LAST, "public", "last", "r", COLUMNS),
}


def defined(*names: str, unique: bool = False, predicate: str = "", descending: bool = False) -> Definition:
    keys = tuple(Key(name, expression=False, opclass=1, options=3 * descending) for name in names)
    return Definition("btree", keys, predicate=predicate, unique=unique)


def wanted(position: int, table: int, definition: Definition, name: str = "", **options: bool) -> Bound:
    elements = tuple(Element(column=key.text, order="desc" if key.options else "") for key in definition.keys)
    return Bound(Wish(position, "t", None, elements, name=name, **options), TABLES[table], "public", definition)


def database(*indexes: Index) -> Catalogue:
    names = {("public", table.name): "r" for table in TABLES.values()}
    names.update({("public", index.name): "i" for index in indexes})
    return Catalogue(TABLES, {index.oid: index for index in indexes}, names)


def index(oid: int, name: str, table: int, definition: Definition, **more: object) -> Index:
    return Index(oid, "public", name, table, definition, partitioned=TABLES[table].kind == "p", **more)  # type: ignore[arg-type]


def walk(catalogue: Catalogue, steps: tuple[Step, ...], bounds: list[Bound], broken: bool = False) -> Catalogue:
    """The database after the steps; with ``broken`` the last one was cut off."""
    indexes = dict(catalogue.indexes)

    def find(name: str) -> Index:
        return next(one for one in indexes.values() if one.name == name)

    for number, step in enumerate(steps):
        cut = broken and number == len(steps) - 1
        if step.kind in ("build", "parent"):
            assert all(one.name != step.name for one in indexes.values()), f"{step.sql}: the name is taken"
            bound = next(
                bound
                for bound in bounds
                if bound.definition is not None
                and step.sql.endswith(f"({', '.join(_sql(key) for key in bound.definition.keys)})" + _where(bound))
                and ("UNIQUE" in step.sql) == bound.definition.unique
            )
            oid = max([100, *indexes]) + 1
            valid = step.kind == "build" and not cut
            indexes[oid] = index(oid, step.name, step.table, bound.definition, valid=valid)  # type: ignore[arg-type]
        elif step.kind == "drop":
            gone = find(step.name)
            assert not gone.constraint, f"{step.sql}: {gone.constraint}"
            if cut:
                indexes[gone.oid] = replace(gone, valid=False, live=False)
            else:
                lost = {one.oid for one in indexes.values() if gone.oid in (one.oid, one.parent)}
                lost |= {one.oid for one in indexes.values() if one.parent in lost}
                indexes = {oid: one for oid, one in indexes.items() if oid not in lost}
        elif cut:
            continue
        elif step.kind == "reindex":
            indexes[find(step.name).oid] = replace(find(step.name), valid=True)
        elif step.kind == "rename":
            new = step.sql.rpartition(" ")[2].strip('"')
            assert all(one.name != new for one in indexes.values()), f"{step.sql}: the name is taken"
            indexes[find(step.name).oid] = replace(find(step.name), name=new)
        elif step.kind == "attach":
            parent = next(one for one in indexes.values() if f'"{one.name}" ATTACH' in step.sql)
            child = find(step.name)
            assert child.valid, f"{step.sql}: the partition's index is INVALID"
            indexes[child.oid] = replace(child, parent=parent.oid)
            children = {one.table for one in indexes.values() if one.parent == parent.oid and one.valid}
            complete = children >= set(TABLES[parent.table].children)
            indexes[parent.oid] = replace(parent, valid=parent.valid or complete)
    return database(*indexes.values())


def _sql(key: Key) -> str:
    return f'"{key.text}"' + (" DESC" if key.options else "")


def _where(bound: Bound) -> str:
    predicate = bound.definition.predicate if bound.definition else ""
    return f" WHERE ({predicate})" if predicate else ""


def test_missing_then_kept() -> None:
    bounds = [wanted(0, PLAIN, defined("a"), "one"), wanted(1, PLAIN, defined("a", "b"))]
    first = plan(bounds, database())
    assert [(item.action, item.index) for item in first.items] == [("create", "one"), ("create", "plain_a_b_idx")]
    assert first.steps[0].sql == 'CREATE INDEX CONCURRENTLY "one" ON "public"."plain" USING "btree" ("a")'
    again = plan(bounds, walk(database(), first.steps, bounds))
    assert [item.action for item in again.items] == ["keep", "keep"]


def test_the_name_alone_is_nothing() -> None:
    catalogue = database(index(10, "idx", PLAIN, defined("b")))
    bound = wanted(0, PLAIN, defined("a"), "idx")
    (item,) = plan([bound], catalogue).items
    assert (item.action, item.steps) == ("conflict", ())
    assert "btree (b)" in item.reason
    replacing = wanted(0, PLAIN, defined("a"), "idx", replace=True)
    made = plan([replacing], catalogue)
    assert [step.kind for step in made.steps] == ["build", "drop", "rename"]
    assert [one.name for one in walk(catalogue, made.steps, [replacing]).indexes.values()] == ["idx"]


@pytest.mark.parametrize(
    "more",
    [
        {"constraint": "pk", "constraint_kind": "p"},
        {"needed_by": ("fk",)},
        {"replica_identity": True},
        {"parent": 9},
    ],
)
def test_what_others_lean_on_is_never_dropped(more: dict[str, object]) -> None:
    catalogue = database(index(10, "idx", PLAIN, defined("b"), **more))
    for bound in (
        wanted(0, PLAIN, defined("a"), "idx", replace=True),
        Bound(Wish(0, "", None, name="idx", absent=True), None, "public"),
    ):
        (item,) = plan([bound], catalogue).items
        assert (item.action, item.steps) == ("conflict", ())
        assert "not dropped" in item.reason


def test_the_index_of_another_table_or_what_is_no_index_is_never_replaced() -> None:
    catalogue = database(index(10, "idx", FIRST, defined("a")))
    for name in ("idx", "plain"):
        (item,) = plan([wanted(0, PLAIN, defined("a"), name, replace=True)], catalogue).items
        assert (item.action, item.steps) == ("conflict", ())


def test_a_constraints_index_serves_but_not_a_deferrable_or_an_exclusion_constraints() -> None:
    unique = defined("a", unique=True)
    serving = index(10, "pk", PLAIN, unique, constraint="pk", constraint_kind="p")
    assert serves(serving, unique, 0, database())
    assert not serves(replace(serving, immediate=False), unique, 0, database())
    assert not serves(replace(serving, constraint_kind="x"), unique, 0, database())
    assert not serves(serving, defined("a"), 0, database())


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Definition("btree", defined("a").keys, include=("c", "b")), True),
        (Definition("btree", defined("a").keys, include=("b",)), False),
        (Definition("hash", defined("a").keys, include=("b", "c")), False),
        (Definition("btree", defined("a").keys, include=("b", "c"), predicate="x"), False),
        (Definition("btree", defined("a").keys, include=("b", "c"), nulls_distinct=False), True),
        (Definition("btree", (Key("a", False, 2),), include=("b", "c")), False),
        (Definition("btree", (Key("a", False, 1, collation=7),), include=("b", "c")), False),
        (Definition("btree", (Key("a", False, 1, options=1),), include=("b", "c")), False),
        (Definition("btree", (Key("a", False, 1, opclass_sql="x"),), include=("b", "c")), True),
    ],
)
def test_identity(other: Definition, same: bool) -> None:
    mine = Definition("btree", defined("a").keys, include=("b", "c"))
    assert (mine.identity == other.identity) is same


def test_a_unique_indexs_nulls_count() -> None:
    strict = replace(defined("a", unique=True), nulls_distinct=False)
    assert strict.identity != defined("a", unique=True).identity


def test_only_texts_are_asked_for_again() -> None:
    texts = Definition("btree", (Key("lower(a)", True, 1),), predicate="(a > 1)")
    spelt = index(10, "x", PLAIN, Definition("btree", (Key("LOWER(a)", True, 1),), predicate="(1 < a)"))
    other = index(11, "y", PLAIN, Definition("btree", (Key("lower(a)", True, 2),), predicate="(a > 1)"))
    catalogue = database(spelt, other)
    bound = wanted(3, PLAIN, texts)
    assert [pair[1].name for pair in near([bound], catalogue)] == ["x"]
    told = replace(catalogue, respelt=frozenset({(3, 10)}))
    assert [item.action for item in plan([bound], told).items] == ["keep"]
    assert [item.action for item in plan([bound], catalogue).items] == ["create"]


def test_a_build_that_goes_on_is_left_alone() -> None:
    catalogue = database(index(10, "idx_ccnew", PLAIN, defined("a"), valid=False, builder=42))
    made = plan([wanted(0, PLAIN, defined("a"), "idx")], catalogue)
    assert made.steps == () or all(step.kind == "build" for step in made.steps)
    named = database(index(10, "idx", PLAIN, defined("a"), valid=False, builder=42))
    (item,) = plan([wanted(0, PLAIN, defined("a"), "idx", replace=True)], named).items
    assert item.action == "building"
    assert "pid 42" in item.reason


def test_duplicates_take_the_steps_away() -> None:
    bounds = [wanted(0, PLAIN, defined("a", unique=True)), wanted(1, PLAIN, defined("b"))]
    made = plan(bounds, database())
    assert [item.checked for item in made.items] == [True, False]
    blocked = made.with_duplicates({0: Duplicates(2, 5, ((("x",), 3), (("y",), 2)))})
    assert [item.action for item in blocked.items] == ["duplicates", "create"]
    assert [len(item.steps) for item in blocked.items] == [0, 1]
    entries = index_report.entries(blocked, bounds, database())
    assert entries[0]["duplicates"] == {
        "values": 2,
        "rows": 5,
        "samples": [{"value": ["x"], "copies": 3}, {"value": ["y"], "copies": 2}],
    }
    assert "duplicates are in its way" in index_report.refusal(blocked, bounds, database())


def test_a_partitioned_table_cannot_have_every_unique_index() -> None:
    (item,) = plan([wanted(0, TOP, defined("b", unique=True))], database()).items
    assert item.action == "impossible"
    assert "add a to columns" in item.reason


def test_what_is_said() -> None:
    bounds = [wanted(0, PLAIN, defined("a", descending=True), "idx")]
    made = plan(bounds, database())
    assert index_report.findings(made, bounds, database()) == [
        'essential index is missing: "idx" on "public"."plain", btree (a desc)'
    ]
    assert index_report.findings(made, bounds, database(), ["rebuild"]) == []
    assert index_report.diff(made, bounds) == {"before": "", "after": "idx: btree (a desc)\n"}


DEFINITIONS = st.builds(
    defined,
    st.sampled_from("ab"),
    unique=st.booleans(),
    predicate=st.sampled_from(["", "(c > 1)"]),
    descending=st.booleans(),
)
NAMES = st.sampled_from(["one", "two", "three_ccnew", passing_name("one"), "four_ccold1"])


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    made: list[Index] = []
    for number, name in enumerate(draw(st.lists(NAMES, unique=True, max_size=5))):
        table = draw(st.sampled_from([PLAIN, PLAIN, FIRST, LAST]))
        constraint = draw(st.sampled_from(["", "", "", "c"]))
        valid = bool(constraint) or draw(st.booleans())
        live = valid or draw(st.booleans())
        definition = draw(DEFINITIONS)
        if constraint:
            definition = replace(definition, unique=True, predicate="")
        kind = "u" if constraint else ""
        made.append(
            index(
                10 + number,
                name,
                table,
                definition,
                valid=valid,
                live=live,
                constraint=constraint,
                constraint_kind=kind,
            )
        )
    return database(*made)


@st.composite
def all_wishes(draw: st.DrawFn) -> list[Bound]:
    bounds: list[Bound] = []
    taken: set[object] = set()
    for position in range(draw(st.integers(1, 4))):
        table = draw(st.sampled_from([PLAIN, PLAIN, TOP]))
        definition = draw(DEFINITIONS)
        name = draw(st.sampled_from(["", "one", "two"]))
        rename, replacing = draw(st.booleans()), draw(st.booleans())
        if {(table, definition.identity), name or position} & taken:
            continue
        taken |= {(table, definition.identity), name or position}
        bounds.append(wanted(position, table, definition, name, rename=rename, replace=replacing))
    return bounds


def check_settled(first: Plan, catalogue: Catalogue, bounds: list[Bound]) -> None:
    """Nothing is left to do for what the plan has not blocked, and each wish has its valid index.

    What was blocked may have become possible, when an index that was in its way has got another name.
    """
    blocked = {item.position for item in first.blocked}
    for item in plan(bounds, catalogue).items:
        if item.position in blocked:
            continue
        assert (item.action, item.steps) == ("keep", ()), (first, item)
        definition = next(bound.definition for bound in bounds if bound.wish.position == item.position)
        found = catalogue.named("public", item.index)
        assert definition is not None
        assert found is not None
        assert found.valid
        assert serves(found, definition, item.position, catalogue)


@given(catalogues(), all_wishes())
@REPEATABLE
def test_a_plan_applied_twice_is_empty(catalogue: Catalogue, bounds: list[Bound]) -> None:
    first = plan(bounds, catalogue)
    check_settled(first, walk(catalogue, first.steps, bounds), bounds)


@given(catalogues(), all_wishes(), st.data())
@REPEATABLE
def test_a_plan_that_was_cut_off_anywhere_is_taken_up_again(
    catalogue: Catalogue, bounds: list[Bound], data: st.DataObject
) -> None:
    first = plan(bounds, catalogue)
    taken = data.draw(st.integers(0, len(first.steps)))
    halfway = walk(catalogue, first.steps[:taken], bounds, broken=data.draw(st.booleans()))
    second = plan(bounds, halfway)
    assert {item.position for item in second.blocked} <= {item.position for item in first.blocked}
    check_settled(second, walk(halfway, second.steps, bounds), bounds)


def test_three_thousand_indexes_of_a_thousand_tables_are_planned_in_two_seconds() -> None:
    tables = {number: Table(number, "public", f"t{number}", "r", COLUMNS) for number in range(1000)}
    definitions = [defined("a"), defined("a", "b", descending=True), defined("c", predicate="(b > 1)")]
    indexes = {
        number: Index(10000 + number, "public", f"i{number}", number // 3, definitions[number % 3])
        for number in range(3000)
    }
    names = {("public", one.name): "i" for one in indexes.values()}
    catalogue = Catalogue(tables, indexes, names)
    bounds = [
        Bound(Wish(number, "t", None, (Element(column="a"),), name=f"i{number}"), tables[number // 3], "public", made)
        for number in range(3000)
        for made in [definitions[(number + number // 1500) % 3]]
    ]
    started = time.monotonic()
    made = plan(bounds, catalogue)
    near(bounds, catalogue)
    index_report.entries(made, bounds, catalogue)
    assert time.monotonic() - started < 2
    assert {item.action for item in made.items} == {"keep"}
