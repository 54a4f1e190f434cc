# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.index_advice import (
    Advice,
    ForeignKey,
    Statistics,
    Use,
    advise,
    expected_bytes,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.indexes import (
    Catalogue,
    Definition,
    Index,
    Key,
    Table,
)

KEY = ForeignKey("fk", 1, ("a", "b"), "other")


def defined(*names: str, **more: Any) -> Definition:
    return Definition(more.pop("method", "btree"), tuple(Key(name, False, 1) for name in names), **more)


def database(*indexes: tuple[str, Definition] | Index) -> Catalogue:
    made = [
        one if isinstance(one, Index) else Index(number, "public", one[0], 1, one[1])
        for number, one in enumerate(indexes, 10)
    ]
    return Catalogue({1: Table(1, "public", "t")}, {one.oid: one for one in made}, {})


def kinds(advice: list[Advice]) -> list[tuple[str, str]]:
    return [(one.kind, one.index) for one in advice]


@pytest.mark.parametrize(
    ("definition", "serves"),
    [
        (defined("a", "b"), True),
        (defined("b", "a"), True),
        (defined("b", "a", "c"), True),
        (defined("a"), False),
        (defined("a", "c", "b"), False),
        (defined("a", "b", predicate="c > 1"), False),
        (defined("a", "b", method="brin"), False),
        (Definition("btree", (Key("a", True, 1), Key("b", False, 1))), False),
    ],
)
def test_foreign_keys_want_an_index_that_begins_with_their_columns(definition: Definition, serves: bool) -> None:
    found = advise(database(("i", definition)), [KEY], Statistics())
    assert (("foreign_key_without_index", "") not in kinds(found)) is serves
    # One that is to be built counts, one that is INVALID does not.
    planned = advise(database(), [KEY], Statistics(), planned=[(1, definition)])
    assert (planned == []) is serves
    broken = database(Index(10, "public", "i", 1, definition, valid=False))
    assert ("foreign_key_without_index", "") in kinds(advise(broken, [KEY], Statistics()))


def test_of_two_equal_ones_the_constraints_or_the_wanted_one_stays() -> None:
    unique = defined("a", unique=True)
    pair = database(
        Index(10, "public", "plain", 1, unique),
        Index(11, "public", "pk", 1, unique, constraint="pk", constraint_kind="p"),
    )
    assert kinds(advise(pair, [], Statistics())) == [("duplicate_index", "plain")]
    twins = database(("x", defined("a")), ("y", defined("a")))
    assert kinds(advise(twins, [], Statistics(), wanted=frozenset({11}))) == [("duplicate_index", "x")]
    (advice,) = advise(twins, [], Statistics())
    assert advice.statement == 'DROP INDEX CONCURRENTLY "public"."y"'


@pytest.mark.parametrize(
    ("small", "large", "redundant"),
    [
        (defined("a"), defined("a", "b"), True),
        (defined("a"), defined("b", "a"), False),
        (defined("a"), defined("a", unique=True), True),
        (defined("a", unique=True), defined("a", "b"), False),
        (defined("a", include=("b",)), defined("a", "b"), True),
        (defined("a", include=("c",)), defined("a", "b"), False),
        (defined("a", predicate="x"), defined("a", "b"), False),
        (defined("a", method="hash"), defined("a", "b"), False),
    ],
)
def test_a_prefix_is_redundant(small: Definition, large: Definition, redundant: bool) -> None:
    found = kinds(advise(database(("small", small), ("large", large)), [], Statistics()))
    assert found == ([("redundant_index", "small")] if redundant else [])


def test_unused_ones_with_the_age_of_the_statistics() -> None:
    statistics = Statistics({10: Use(0, 8192, 10), 11: Use(3, 8192, 10)}, since="2026-01-01", age_days=12.34)
    catalogue = database(("never", defined("a")), ("often", defined("b")))
    (advice,) = advise(catalogue, [], statistics)
    assert (advice.kind, advice.index) == ("unused_index", "never")
    assert "2026-01-01 or earlier (12.3 days)" in advice.message
    assert advise(catalogue, [], statistics, wanted=frozenset({10})) == []
    unique = database(("never", defined("a", unique=True)))
    assert advise(unique, [], statistics) == []


def test_the_size_of_a_new_index() -> None:
    # A page has 8192 - 24 - 16 bytes, of which 90 % are filled; an entry of an integer takes 8 + 4 bytes, 16
    # when it is aligned, and a line pointer of 4: 366 of them fit.
    pages = expected_bytes(defined("a"), {"a": 4}, 366 * 100, 90)
    assert pages is not None
    assert 100 <= pages / 8192 <= 102
    assert expected_bytes(defined("a", "b"), {"a": 4}, 10, 90) is None
    assert expected_bytes(Definition("btree", (Key("lower(a)", True, 1),)), {"a": 4}, 10, 90) is None


def test_bloat_is_a_factor_and_an_amount() -> None:
    catalogue = database(("i", defined("a", unique=True)))
    for size, found in ((9_000_000, True), (1_000_000, False), (1_400_000, False)):
        statistics = Statistics({10: Use(1, size, 36600)}, {1: {"a": 4}})
        advice = advise(catalogue, [], statistics)
        assert (kinds(advice) == [("bloated_index", "i")]) is found
        assert not found or advice[0].statement == 'REINDEX INDEX CONCURRENTLY "public"."i"'


def test_what_the_planner_does_not_know() -> None:
    catalogue = database(("i", Definition("btree", (Key("lower(a)", True, 1),))))
    unknown = advise(catalogue, [], Statistics({10: Use(1, 8192, 5, analysed=False)}))
    assert [(one.kind, one.statement) for one in unknown] == [("missing_statistics", 'ANALYZE "public"."t"')]
    table = advise(catalogue, [], Statistics({10: Use(1, 8192, 5, analysed=False)}, unanalysed={1: 300}))
    assert [(one.kind, one.index) for one in table] == [("missing_statistics", "")]
    assert "about 300 rows" in table[0].message


def test_invalid_ones_unless_somebody_is_at_work() -> None:
    broken = Index(10, "public", "i", 1, defined("a"), valid=False)
    assert kinds(advise(database(broken), [], Statistics())) == [("invalid_index", "i")]
    assert advise(database(replace(broken, builder=5)), [], Statistics()) == []
