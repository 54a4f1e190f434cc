# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes of partitioned tables, which the server cannot build concurrently itself.

The manual's way (CREATE INDEX, "partitioned table"): the index of the parent is made
with ON ONLY and INVALID, the partitions' are built one by one CONCURRENTLY and
attached, and with the last of them the parent's becomes valid.
"""

from __future__ import annotations

from .index_sql import free_name, identifier
from .index_steps import Step, attach, build, reindex
from .index_wishes import Bound
from .indexes import Catalogue, Index, Table, serves


def refusal(bound: Bound, catalogue: Catalogue) -> str:
    """Why the table cannot have the index at all, or nothing."""
    table, definition = bound.table, bound.definition
    if table is None or definition is None or table.kind != "p" or not definition.unique:
        return ""
    keys = {key.text for key in definition.keys if not key.expression}
    for column in table.partition_keys:
        if column is None:
            return "a table that is partitioned by an expression can have no unique index"
        if column not in keys:
            return (
                f"a unique index of a partitioned table needs all columns it is partitioned by: add {column} to columns"
            )
    for child in _partitions(table, catalogue):
        if child.kind == "f":
            return (
                f"the partition {identifier(child.schema, child.name)} is a foreign table: no unique index is possible"
            )
    return ""


def _partitions(table: Table, catalogue: Catalogue) -> list[Table]:
    found = [catalogue.tables[oid] for oid in table.children]
    for child in found:
        found += [catalogue.tables[oid] for oid in child.children]
    return found


def build_partitions(
    bound: Bound, table: Table, name: str, top: Index | None, *, catalogue: Catalogue, taken: set[tuple[str, str]]
) -> tuple[Step, ...]:
    """The steps from what is there (``top`` is the parent's index, if there is one) to a valid index."""
    steps = [] if top else [build(bound, table, name, only=True)]
    for oid in table.children:
        child = catalogue.tables[oid]
        if child.kind != "f":
            steps += _partition(bound, child, (table.schema, name), top, catalogue=catalogue, taken=taken)
    return tuple(steps)


def _partition(
    bound: Bound,
    child: Table,
    parent: tuple[str, str],
    top: Index | None,
    *,
    catalogue: Catalogue,
    taken: set[tuple[str, str]],
) -> tuple[Step, ...]:
    found = _serving(bound, child, top, catalogue)
    attaching = attach(parent, (child.schema, found.name), child.oid) if found else None
    if found and attaching:
        if found.valid:
            return () if top and found.parent == top.oid else (attaching,)
        if found.partitioned:
            return (*build_partitions(bound, child, found.name, found, catalogue=catalogue, taken=taken), attaching)
        return (reindex(found, child), attaching)
    name = free_name(f"{child.name}_{bound.wish.name or parent[1]}", child.schema, taken)
    taken.add((child.schema, name))
    made = (
        build_partitions(bound, child, name, None, catalogue=catalogue, taken=taken)
        if child.kind == "p"
        else (build(bound, child, name),)
    )
    return (*made, attach(parent, (child.schema, name), child.oid))


def _serving(bound: Bound, child: Table, top: Index | None, catalogue: Catalogue) -> Index | None:
    """The partition's index that is attached already, or else one that can be; a valid one first."""
    attached = top.oid if top else 0
    found = [
        index
        for index in catalogue.of_table(child.oid)
        if serves(index, bound.read, bound.wish.position, catalogue)
        and index.live
        and not index.leftover
        and not index.builder
        and index.parent in (0, attached)
    ]
    return min(found, key=lambda index: (index.parent == 0, not index.valid, index.name), default=None)
