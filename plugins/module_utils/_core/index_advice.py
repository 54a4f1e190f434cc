# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Advice on the indexes of a database: nothing of it is ever acted on.

Sources: PostgreSQL's manual on foreign keys (5.5.5: an index on the referencing columns
is a good idea), multicolumn B-trees (11.3), the statistics views (27.2), and the layout
of pages (65.6) for the size that an index would have if it were built anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .index_sql import identifier
from .indexes import Catalogue, Definition, Index, describe

PAGE, PAGE_HEADER, BTREE_SPECIAL, ITEM_POINTER, TUPLE_HEADER, ALIGNMENT = 8192, 24, 16, 4, 8, 8
FILLFACTOR = 90
BLOAT_FACTOR, BLOAT_BYTES = 2.0, 1024 * 1024


@dataclass(frozen=True)
class ForeignKey:
    name: str
    table: int
    columns: tuple[str, ...]
    referenced: str


@dataclass(frozen=True)
class Use:
    """What the statistics say of an index; not ``analysed`` is one of expressions that the planner knows nothing of."""

    scans: int
    bytes: int
    tuples: float
    analysed: bool = True


@dataclass(frozen=True)
class Statistics:
    """``widths`` are average bytes of a table's columns, ``unanalysed`` the rows of tables without statistics.

    ``since`` is a time to which the counting goes back at least, ``age_days`` how long ago that is.
    """

    uses: Mapping[int, Use] = field(default_factory=dict)
    widths: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    unanalysed: Mapping[int, int] = field(default_factory=dict)
    since: str = ""
    age_days: float = 0.0


@dataclass(frozen=True)
class Advice:
    kind: str
    schema: str
    table: str
    index: str
    message: str
    statement: str

    def as_dict(self) -> dict[str, object]:
        return dict(vars(self))


def advise(
    catalogue: Catalogue,
    keys: Iterable[ForeignKey],
    statistics: Statistics,
    wanted: frozenset[int] = frozenset(),
    planned: Sequence[tuple[int, Definition]] = (),
) -> list[Advice]:
    """All advice, by kind and place. ``wanted`` are OIDs of indexes that somebody asked for."""
    advice = [
        *_foreign_keys(catalogue, keys, planned),
        *_copies(catalogue, wanted),
        *_prefixes(catalogue, wanted),
        *_unused(catalogue, statistics, wanted),
        *_bloated(catalogue, statistics),
        *_invalid(catalogue),
        *_unanalysed(catalogue, statistics),
    ]
    return sorted(advice, key=lambda one: (one.kind, one.schema, one.table, one.index))


def _about(catalogue: Catalogue, kind: str, index: Index, message: str, statement: str = "") -> Advice:
    table = catalogue.tables[index.table]
    dropping = f"DROP INDEX {'' if index.partitioned else 'CONCURRENTLY '}{identifier(index.schema, index.name)}"
    return Advice(kind, table.schema, table.name, index.name, message, statement or dropping)


def _foreign_keys(
    catalogue: Catalogue, keys: Iterable[ForeignKey], planned: Sequence[tuple[int, Definition]]
) -> list[Advice]:
    found = []
    for key in keys:
        table = catalogue.tables.get(key.table)
        if table is None:
            continue
        definitions = [index.definition for index in catalogue.of_table(key.table) if index.valid]
        definitions += [definition for oid, definition in planned if oid == key.table]
        if any(_leads(definition, key.columns) for definition in definitions):
            continue
        columns = ", ".join(identifier(column) for column in key.columns)
        message = (
            f"no index begins with the columns of the foreign key {key.name} ({', '.join(key.columns)}): a change or"
            f" deletion in {key.referenced} reads the whole table"
        )
        statement = f"CREATE INDEX CONCURRENTLY ON {identifier(table.schema, table.name)} ({columns})"
        found.append(Advice("foreign_key_without_index", table.schema, table.name, "", message, statement))
    return found


def _leads(definition: Definition, columns: Sequence[str]) -> bool:
    """Whether the index finds rows by these columns, in any order; a hash index by one."""
    leading = [key.text for key in definition.keys[: len(columns)] if not key.expression]
    return definition.method in ("btree", "hash") and not definition.predicate and set(leading) == set(columns)


def _copies(catalogue: Catalogue, wanted: frozenset[int]) -> list[Advice]:
    found = []
    for table in catalogue.tables:
        first: dict[object, Index] = {}
        candidates = [index for index in catalogue.of_table(table) if index.valid and index.constraint_kind != "x"]
        for index in sorted(candidates, key=lambda one: (not one.protected, one.oid not in wanted, one.oid)):
            kept = first.setdefault(index.definition.identity, index)
            if kept is not index and not index.protected:
                message = f"{index.name} is the same index as {kept.name}: {describe(index.definition)}"
                found.append(_about(catalogue, "duplicate_index", index, message))
    return found


def _prefixes(catalogue: Catalogue, wanted: frozenset[int]) -> list[Advice]:
    found = []
    for table in catalogue.tables:
        valid = [index for index in catalogue.of_table(table) if index.valid and index.definition.method == "btree"]
        for index in valid:
            wider = next((other for other in valid if _covers(other, index)), None)
            if wider is not None and not index.protected:
                asked = "; it is one of the wanted ones" if index.oid in wanted else ""
                message = (
                    f"{index.name} ({describe(index.definition)}) is a part of {wider.name}"
                    f" ({describe(wider.definition)}), which can serve in its place{asked}"
                )
                found.append(_about(catalogue, "redundant_index", index, message))
    return found


def _covers(wider: Index, index: Index) -> bool:
    large, small = wider.definition, index.definition
    if wider is index or small.unique or large.predicate != small.predicate:
        return False
    if large.keys[: len(small.keys)] != small.keys or (len(large.keys) == len(small.keys) and not large.unique):
        return False
    return set(small.include) <= {*large.include, *(key.text for key in large.keys if not key.expression)}


def _unused(catalogue: Catalogue, statistics: Statistics, wanted: frozenset[int]) -> list[Advice]:
    found = []
    for index in catalogue.indexes.values():
        use = statistics.uses.get(index.oid)
        spared = index.oid in wanted or index.definition.unique or index.protected or index.partitioned
        if use is None or use.scans or spared or not index.valid or index.table not in catalogue.tables:
            continue
        message = (
            f"{index.name} takes {megabytes(use.bytes)} and was not used in the time of the statistics, which go back"
            f" to {statistics.since} or earlier ({statistics.age_days:.1f} days): see that every kind of work was done"
            " in that time, and ask the replicas, before it is dropped"
        )
        found.append(_about(catalogue, "unused_index", index, message))
    return found


def expected_bytes(definition: Definition, widths: Mapping[str, float], tuples: float, fillfactor: int) -> int | None:
    """The size in bytes of a B-tree's leaves when it is new, without deduplication; None where a width is not known."""
    names = [key.text for key in definition.keys] + list(definition.include)
    if any(key.expression for key in definition.keys) or any(name not in widths for name in names):
        return None
    data = TUPLE_HEADER + sum(widths[name] for name in names)
    entry = ITEM_POINTER + -(-data // ALIGNMENT) * ALIGNMENT
    usable = (PAGE - PAGE_HEADER - BTREE_SPECIAL) * fillfactor / 100
    return int(-(-tuples * entry // usable) + 1) * PAGE


def megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:.1f}MB"


def _bloated(catalogue: Catalogue, statistics: Statistics) -> list[Advice]:
    found = []
    for index in catalogue.indexes.values():
        use = statistics.uses.get(index.oid)
        if use is None or index.definition.method != "btree" or index.definition.predicate or use.tuples < 0:
            continue
        widths = statistics.widths.get(index.table, {})
        fillfactor = int(index.storage.get("fillfactor", FILLFACTOR))
        expected = expected_bytes(index.definition, widths, use.tuples, fillfactor)
        if expected is None or use.bytes < BLOAT_FACTOR * expected or use.bytes - expected < BLOAT_BYTES:
            continue
        message = (
            f"{index.name} takes {megabytes(use.bytes)} and would take about {megabytes(expected)} if it were new"
            " (an estimate by the average widths of its columns)"
        )
        statement = f"REINDEX INDEX CONCURRENTLY {identifier(index.schema, index.name)}"
        found.append(_about(catalogue, "bloated_index", index, message, statement))
    return found


def _invalid(catalogue: Catalogue) -> list[Advice]:
    return [
        _about(
            catalogue,
            "invalid_index",
            index,
            f"{index.name} is INVALID: no query uses it, and every change of a row still pays for it",
        )
        for index in catalogue.indexes.values()
        if not index.valid and not index.builder and not index.protected and index.table in catalogue.tables
    ]


def _unanalysed(catalogue: Catalogue, statistics: Statistics) -> list[Advice]:
    found = []
    for oid, rows in statistics.unanalysed.items():
        table = catalogue.tables.get(oid)
        if table is not None:
            message = f"the planner has no statistics of this table of about {rows} rows: it was never analysed"
            statement = f"ANALYZE {identifier(table.schema, table.name)}"
            found.append(Advice("missing_statistics", table.schema, table.name, "", message, statement))
    for index in catalogue.indexes.values():
        use = statistics.uses.get(index.oid)
        table = catalogue.tables.get(index.table)
        if use is None or use.analysed or table is None or index.table in statistics.unanalysed or use.tuples == 0:
            continue
        message = f"the planner has no statistics of the expressions of {index.name}: the table was not analysed since"
        statement = f"ANALYZE {identifier(table.schema, table.name)}"
        found.append(Advice("missing_statistics", table.schema, table.name, index.name, message, statement))
    return found
