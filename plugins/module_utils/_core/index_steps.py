# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The single statements that a plan of indexes is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .index_sql import create, identifier, literal, parameters
from .index_wishes import Bound
from .indexes import Index, Table


@dataclass(frozen=True)
class Step:
    """One statement about one index. ``kind``: parent, build, reindex, drop, rename, alter or attach."""

    kind: str
    sql: str
    schema: str
    name: str
    table: int

    @classmethod
    def renaming(cls, schema: str, name: str, new: str, table: int) -> Step:
        sql = f"ALTER INDEX {identifier(schema, name)} RENAME TO {identifier(new)}"
        return cls("rename", sql, schema, name, table)


def build(bound: Bound, table: Table, name: str, only: bool = False) -> Step:
    """CREATE INDEX CONCURRENTLY, or for the empty top of a partitioned index (``only``) the plain form."""
    return Step("parent" if only else "build", statement(bound, table, name, only), table.schema, name, table.oid)


def statement(bound: Bound, table: Table, name: str, only: bool = False) -> str:
    wish, definition = bound.wish, bound.read
    keys = [
        element.written(
            f"({key.text})" if key.expression else identifier(key.text),
            key.opclass_sql if element.opclass else "",
            key.collation_sql if element.collation else "",
        )
        for element, key in zip(wish.elements, definition.keys)
    ]
    return create(
        identifier(table.schema, table.name),
        keys,
        definition.method,
        name=name,
        unique=definition.unique,
        concurrently=not only,
        only=only,
        include=[identifier(column) for column in definition.include],
        nulls_distinct=definition.nulls_distinct,
        storage=wish.storage,
        tablespace=wish.tablespace,
        where=definition.predicate,
    )


def reindex(index: Index, table: Table, tablespace: str = "") -> Step:
    place = f"(TABLESPACE {identifier(tablespace)}) " if tablespace else ""
    sql = f"REINDEX {place}INDEX CONCURRENTLY {identifier(index.schema, index.name)}"
    return Step("reindex", sql, index.schema, index.name, table.oid)


def drop(index: Index) -> Step:
    """DROP INDEX CONCURRENTLY; the server has only the plain form for a partitioned index."""
    how = "" if index.partitioned else "CONCURRENTLY "
    return Step(
        "drop", f"DROP INDEX {how}{identifier(index.schema, index.name)}", index.schema, index.name, index.table
    )


def rename(index: Index, name: str) -> Step:
    return Step.renaming(index.schema, index.name, name, index.table)


def alter(index: Index, storage: Mapping[str, str]) -> Step:
    sql = f"ALTER INDEX {identifier(index.schema, index.name)} SET {parameters(storage)}"
    return Step("alter", sql, index.schema, index.name, index.table)


def attach(parent: tuple[str, str], child: tuple[str, str], table: int) -> Step:
    sql = f"ALTER INDEX {identifier(*parent)} ATTACH PARTITION {identifier(*child)}"
    return Step("attach", sql, *child, table)


def comment(step: Step) -> str:
    """The statement with what it is about, for a log."""
    return f"{step.sql}; -- {literal(step.name)}"
