# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes as data: what a database has, and what makes two of them the same.

Operator classes and collations are OIDs, expressions and predicates the text that
the server itself writes for them (``pg_get_indexdef`` and ``pg_get_expr`` under an
empty search path). So two definitions are equal when the server says they are, however
they were spelt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: What REINDEX CONCURRENTLY calls its half-done and its outlived indexes.
_LEFTOVER = re.compile(r"_cc(?:new|old)\d*$")
DESCENDING, NULLS_FIRST = 1, 2  # the bits of pg_index.indoption


@dataclass(frozen=True)
class Key:
    """A column's name or an expression; ``options`` are the bits of pg_index.indoption.

    The names of operator class and collation are qualified SQL, and say nothing new.
    """

    text: str
    expression: bool
    opclass: int
    collation: int = 0
    options: int = 0
    parameters: tuple[str, ...] = ()
    opclass_sql: str = field(default="", compare=False)
    collation_sql: str = field(default="", compare=False)


@dataclass(frozen=True)
class Definition:
    """What an index is, whatever it is called and wherever it is kept."""

    method: str
    keys: tuple[Key, ...]
    include: tuple[str, ...] = ()
    predicate: str = ""
    unique: bool = False
    nulls_distinct: bool = True

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for equal indexes: the order of INCLUDE and the NULLs of what is not unique make no difference."""
        nulls = self.nulls_distinct or not self.unique
        return (self.method, self.keys, frozenset(self.include), self.predicate, self.unique, nulls)

    @property
    def outline(self) -> tuple[object, ...]:
        """The identity without the texts that people spell in many ways."""
        keys = tuple(("", *_traits(key)) if key.expression else (key.text, *_traits(key)) for key in self.keys)
        nulls = self.nulls_distinct or not self.unique
        return (self.method, keys, frozenset(self.include), bool(self.predicate), self.unique, nulls)

    @property
    def has_text(self) -> bool:
        """Whether there is an expression or a predicate, which the server must read."""
        return bool(self.predicate) or any(key.expression for key in self.keys)


def _traits(key: Key) -> tuple[object, ...]:
    return (key.expression, key.opclass, key.collation, key.options, key.parameters)


@dataclass(frozen=True)
class Index:
    """An index that is there. ``builder`` is the pid that is at work on it, ``parent`` the partitioned index above."""

    oid: int
    schema: str
    name: str
    table: int
    definition: Definition
    valid: bool = True
    live: bool = True
    partitioned: bool = False
    parent: int = 0
    constraint: str = ""
    constraint_kind: str = ""  # p, u or x, as in pg_constraint.contype
    immediate: bool = True
    needed_by: tuple[str, ...] = ()
    replica_identity: bool = False
    builder: int = 0
    storage: Mapping[str, str] = field(default_factory=dict, hash=False)
    tablespace: str = ""

    @property
    def leftover(self) -> bool:
        """Whether it is what an interrupted REINDEX CONCURRENTLY has left, and nothing holds on to it."""
        return not self.valid and bool(_LEFTOVER.search(self.name)) and not self.protected and not self.builder

    @property
    def protected(self) -> str:
        """Why it must not be dropped, or nothing."""
        if self.constraint:
            return f"it belongs to the constraint {self.constraint}"
        if self.needed_by:
            return f"the foreign key {self.needed_by[0]} leans on it"
        if self.replica_identity:
            return "it is the table's replica identity"
        if self.parent:
            return "it is a partition of an index of the table above"
        return ""


@dataclass(frozen=True)
class Column:
    """A column; ``type`` is written as SQL takes it, ``collation`` likewise or empty."""

    name: str
    type: str
    collation: str = ""
    not_null: bool = False


@dataclass(frozen=True)
class Table:
    """A relation that can have indexes. ``kind`` is pg_class.relkind, ``partition_keys`` has None for an expression."""

    oid: int
    schema: str
    name: str
    kind: str = "r"
    columns: tuple[Column, ...] = ()
    partition_keys: tuple[str | None, ...] = ()
    children: tuple[int, ...] = ()

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class Catalogue:
    """What was read of a database.

    ``names`` has every relation of the schemas: what a new index may not be called.
    ``respelt`` has pairs of a wish's position and an index's OID that the server takes
    for the same, though their expressions are written differently.
    """

    tables: Mapping[int, Table]
    indexes: Mapping[int, Index]
    names: Mapping[tuple[str, str], str]
    default_tablespace: str = "pg_default"
    tablespaces: frozenset[str] = frozenset(("pg_default",))
    movable: bool = True  # REINDEX (TABLESPACE ...) came with PostgreSQL 14
    respelt: frozenset[tuple[int, int]] = frozenset()
    serving: Mapping[int, str] = field(default_factory=dict)  # OIDs of indexes that a wish counts on, and which

    def of_table(self, table: int) -> tuple[Index, ...]:
        """The indexes of a table, by name."""
        if not hasattr(self, "_by_table"):
            by_table: dict[int, list[Index]] = {}
            for index in sorted(self.indexes.values(), key=lambda index: index.name):
                by_table.setdefault(index.table, []).append(index)
            object.__setattr__(self, "_by_table", {key: tuple(value) for key, value in by_table.items()})
        found: tuple[Index, ...] = self.__dict__["_by_table"].get(table, ())
        return found

    def named(self, schema: str, name: str) -> Index | None:
        """The index of that name."""
        if not hasattr(self, "_by_name"):
            by_name = {(index.schema, index.name): index for index in self.indexes.values()}
            object.__setattr__(self, "_by_name", by_name)
        found: Index | None = self.__dict__["_by_name"].get((schema, name))
        return found


def serves(index: Index, definition: Definition, position: int, catalogue: Catalogue) -> bool:
    """Whether the index is the wanted one, valid or not."""
    if index.constraint_kind == "x" or (definition.unique and not index.immediate):
        return False
    return index.definition.identity == definition.identity or (position, index.oid) in catalogue.respelt


def equal_storage(wanted: Mapping[str, str], actual: Mapping[str, str]) -> bool:
    """Whether each wanted storage parameter has its value; others may be what they are."""
    return all(_plain(actual.get(name, "")) == _plain(value) for name, value in wanted.items())


def _plain(value: str) -> str:
    text = value.lower()
    return {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}.get(text, text)


def closest_first(indexes: Iterable[Index], name: str) -> list[Index]:
    """Those of the wanted name first, then the valid, then those of constraints, then by name."""
    return sorted(indexes, key=lambda index: (index.name != name, not index.valid, not index.constraint, index.name))


def describe(definition: Definition) -> str:
    """Method, keys and the rest of a definition in few words."""
    words = ["unique " if definition.unique else "", definition.method]
    words.append(f" ({', '.join(_written(key) for key in definition.keys)})")
    words += [f" include ({', '.join(definition.include)})"] if definition.include else []
    words += [" nulls not distinct"] if definition.unique and not definition.nulls_distinct else []
    words += [f" where {definition.predicate}"] if definition.predicate else []
    return "".join(words)


def _written(key: Key) -> str:
    order = (" desc" if key.options & DESCENDING else "") + (
        {0: "", DESCENDING: " nulls last", NULLS_FIRST: " nulls first"}.get(key.options, "")
    )
    return key.text + order
