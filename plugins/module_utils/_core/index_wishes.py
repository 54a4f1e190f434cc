# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The indexes that somebody wants: read from options, then bound to the tables of a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import FirstbellError, InputError
from .findings import Finding, refuse
from .index_sql import check_expression, check_name, check_parameter, identifier, parameters, qualified, unquoted
from .indexes import Definition, Table
from .names import did_you_mean
from .units import shown

_KEY_OPTIONS = ("column", "expression", "order", "nulls", "opclass", "opclass_parameters", "collation")
_ORDERS = ("", "asc", "desc")
_NULLS = ("", "first", "last")
KINDS = {"v": "a view", "f": "a foreign table", "S": "a sequence", "c": "a type", "i": "an index", "I": "an index"}


@dataclass(frozen=True)
class Element:
    """One wanted key: a column, or an expression, or a ``column`` that is still to be told from an expression."""

    column: str = ""
    expression: str = ""
    order: str = ""
    nulls: str = ""
    opclass: str = ""
    opclass_parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    collation: str = ""

    @property
    def plain(self) -> bool:
        return not self.expression

    def sql(self, text: str) -> str:
        """The key as CREATE INDEX takes it, with ``text`` for the column or the expression."""
        return self.written(text, self.opclass, self.collation)

    def written(self, text: str, opclass: str, collation: str) -> str:
        """The same with the names of operator class and collation as they are given here."""
        parts = [text]
        if collation:
            parts.append(f"COLLATE {collation}")
        if opclass:
            parts.append(opclass + (parameters(self.opclass_parameters) if self.opclass_parameters else ""))
        parts += [self.order.upper()] if self.order else []
        parts += [f"NULLS {self.nulls.upper()}"] if self.nulls else []
        return " ".join(parts)


@dataclass(frozen=True)
class Wish:
    """One entry of the option ``indexes``; ``position`` counts from 0."""

    position: int
    table: str
    schema: str | None
    elements: tuple[Element, ...] = ()
    include: tuple[str, ...] = ()
    where: str = ""
    unique: bool = False
    nulls_distinct: bool = True
    method: str = "btree"
    name: str = ""
    storage: Mapping[str, str] = field(default_factory=dict, hash=False)
    tablespace: str = ""
    absent: bool = False
    rename: bool = False
    replace: bool = False

    @property
    def what(self) -> str:
        """The entry as messages call it."""
        return f"indexes[{self.position}]" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True)
class Bound:
    """A wish with its table and, once the server has read it, its definition."""

    wish: Wish
    table: Table | None = None
    schema: str = ""
    definition: Definition | None = None

    @property
    def place(self) -> Table:
        """The table, which each wish has that is not for an absence."""
        if self.table is None:
            raise FirstbellError(f"{self.wish.what}: its table was not looked up")
        return self.table

    @property
    def read(self) -> Definition:
        """The definition, which each wish has that is planned."""
        if self.definition is None:
            raise FirstbellError(f"{self.wish.what}: the server has not read it")
        return self.definition


def wishes(entries: Sequence[Mapping[str, Any]], rename: bool = False, replacing: bool = False) -> tuple[Wish, ...]:
    """The entries of the option ``indexes``; raises InputError with all that is wrong with any."""
    found: list[Wish] = []
    problems: list[Finding] = []
    for position, entry in enumerate(entries):
        read = _read(position, entry, rename, replacing)
        if isinstance(read, Wish):
            found.append(read)
        else:
            problems.append(read)
    refuse(problems, "the wanted indexes cannot be read:")
    return tuple(found)


def _read(position: int, entry: Mapping[str, Any], rename: bool, replacing: bool) -> Wish | Finding:
    try:
        return _wish(position, entry, rename, replacing)
    except InputError as error:
        return Finding(f"indexes[{position}]", str(error), "")


def _wish(position: int, entry: Mapping[str, Any], rename: bool, replacing: bool) -> Wish:
    absent = entry.get("state") == "absent"
    columns = entry.get("columns") or ()
    name = entry.get("name") or ""
    if absent and (not name or columns):
        raise InputError("what is to be absent is named: give name and leave out columns")
    if not absent and (not columns or not entry.get("table")):
        raise InputError("table and columns are missing: say of which table and which columns the index is")
    if not isinstance(columns, (list, tuple)):
        raise InputError(f"columns: {shown(columns)} is no list; write columns: [{columns}]")
    chosen = entry.get("replace")
    return Wish(
        position=position,
        table=_some_name(entry["table"], "table") if entry.get("table") else "",
        schema=check_name(entry["schema"], "schema") if entry.get("schema") else None,
        elements=tuple(_element(column, f"columns[{number}]") for number, column in enumerate(columns)),
        include=tuple(_some_name(column, "include") for column in entry.get("include") or ()),
        where=check_expression(entry["where"], "where") if entry.get("where") else "",
        unique=bool(entry.get("unique")),
        nulls_distinct=entry.get("nulls_distinct") is not False,
        method=check_name(entry.get("method") or "btree", "method"),
        name=check_name(name, "name") if name else "",
        storage=_values(entry.get("storage"), "storage"),
        tablespace=check_name(entry["tablespace"], "tablespace") if entry.get("tablespace") else "",
        absent=absent,
        rename=rename,
        replace=replacing if chosen is None else bool(chosen),
    )


def _some_name(value: object, what: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise InputError(f"{what}: {shown(value)} is no name; write a text")
    return value


def _values(value: object, what: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{what}: {shown(value)} is no dictionary; write one such as {{fillfactor: 90}}")
    texts = {True: "on", False: "off"}
    return {
        check_parameter(name, what): texts[item] if isinstance(item, bool) else str(item)
        for name, item in value.items()
    }


def _element(value: object, what: str) -> Element:
    if isinstance(value, str):
        return Element(column=_some_name(value, what))
    if not isinstance(value, Mapping):
        raise InputError(f"{what}: {shown(value)} is neither a column's name nor a dictionary")
    for option in value:
        if option not in _KEY_OPTIONS:
            near = did_you_mean(str(option), _KEY_OPTIONS)
            hint = f"did you mean {near}?" if near else f"it takes {', '.join(_KEY_OPTIONS)}"
            raise InputError(f"{what}: there is no {shown(option)}; {hint}")
    if bool(value.get("column")) == bool(value.get("expression")):
        raise InputError(f"{what}: give either column or expression")
    order, nulls = (str(value.get(option) or "").lower() for option in ("order", "nulls"))
    for option, word, known in (("order", order, _ORDERS), ("nulls", nulls, _NULLS)):
        if word not in known:
            raise InputError(f"{what}: {option} is {' or '.join(known[1:])}, not {shown(word)}")
    given = _values(value.get("opclass_parameters"), f"{what}.opclass_parameters")
    if given and not value.get("opclass"):
        raise InputError(f"{what}: opclass_parameters need their opclass beside them")
    expression = value.get("expression")
    return Element(
        column=_some_name(value["column"], what) if value.get("column") else "",
        expression=check_expression(expression, what) if expression else "",
        order=order,
        nulls=nulls,
        opclass=_some_name(value["opclass"], f"{what}.opclass") if value.get("opclass") else "",
        opclass_parameters=given,
        collation=_some_name(value["collation"], f"{what}.collation") if value.get("collation") else "",
    )


@dataclass(frozen=True)
class Relations:
    """What the names of wishes can mean: the kind and OID of each relation, the schemas, and the default one."""

    relations: Mapping[tuple[str, str], tuple[str, int]]
    schemas: frozenset[str]
    default: str


def find(wish: Wish, known: Relations) -> tuple[str, str]:
    """Schema and name of the wish's table; raises InputError with the nearest name where there is none.

    ``a.b`` is the table b of the schema a where there is such a schema, and a table of
    that name with a dot in it otherwise. What stands in double quotes is taken literally.
    """
    candidates = _candidates(wish.table, wish.schema, known)
    found = [place for place in candidates if place in known.relations]
    if len(found) > 1:
        raise InputError(
            f"{wish.what}: {wish.table} is both {identifier(*found[0])} and {identifier(*found[1])}: say schema, too"
        )
    if not found:
        schema, name = candidates[0]
        raise InputError(f"{wish.what}: {_no_table(schema, name, known)}")
    kind = known.relations[found[0]][0]
    if kind not in ("r", "p", "m"):
        raise InputError(
            f"{wish.what}: {identifier(*found[0])} is {KINDS.get(kind, 'no table')}; only tables have indexes"
        )
    return found[0]


def _candidates(text: str, schema: str | None, known: Relations) -> list[tuple[str, str]]:
    if schema is not None:
        return [(schema, unquoted(text))] if unquoted(text) != text else [(schema, text)]
    parts = qualified(text)
    if parts is not None and parts[0] in known.schemas:
        plain = [] if text.startswith('"') else [(known.default, text)]
        return [parts, *plain]
    if parts is not None and text.startswith('"'):
        return [parts]
    return [(known.default, unquoted(text))]


def _no_table(schema: str, name: str, known: Relations) -> str:
    if schema not in known.schemas:
        near = did_you_mean(schema, known.schemas)
        return f"there is no schema {identifier(schema)}" + (f"; did you mean {near}?" if near else "")
    tables = [place for place, (kind, _oid) in known.relations.items() if kind in ("r", "p", "m")]
    elsewhere = [place[0] for place in tables if place[1] == name]
    problem = f"there is no table {identifier(name)} in the schema {identifier(schema)}"
    if elsewhere:
        return f"{problem}; there is one in the schema {identifier(min(elsewhere))}"
    near = did_you_mean(name, [place[1] for place in tables if place[0] == schema])
    return problem + (f"; did you mean {near}?" if near else "")


def bind(wish: Wish, table: Table, schemas: frozenset[str], tablespaces: frozenset[str]) -> Bound:
    """The wish with the columns, operator classes and collations as SQL takes them; raises InputError."""
    if wish.tablespace and wish.tablespace not in tablespaces:
        near = did_you_mean(wish.tablespace, tablespaces)
        raise InputError(
            f"{wish.what}: there is no tablespace {identifier(wish.tablespace)}; "
            + (f"did you mean {near}?" if near else f"there are {', '.join(sorted(tablespaces))}")
        )
    elements = tuple(_bound(element, wish, table, schemas) for element in wish.elements)
    include = tuple(_column(name, wish, table) for name in wish.include)
    bound = replace(wish, elements=elements, include=include)
    return Bound(bound, table, table.schema)


def _bound(element: Element, wish: Wish, table: Table, schemas: frozenset[str]) -> Element:
    opclass, collation = (_sql_name(name, schemas) for name in (element.opclass, element.collation))
    if element.expression:
        return replace(element, opclass=opclass, collation=collation)
    known = table.column(element.column) or table.column(unquoted(element.column))
    if known is None and "(" in element.column:
        text = check_expression(element.column, f"{wish.what}: columns")
        return replace(element, column="", expression=text, opclass=opclass, collation=collation)
    name = known.name if known else _column(element.column, wish, table)
    return replace(element, column=name, opclass=opclass, collation=collation)


def _column(name: str, wish: Wish, table: Table) -> str:
    for candidate in (name, unquoted(name)):
        if table.column(candidate):
            return candidate
    near = did_you_mean(unquoted(name), [column.name for column in table.columns])
    hint = f"; did you mean {near}?" if near else f"; it has {', '.join(column.name for column in table.columns)}"
    if " " in name.strip():
        hint += ". An order is written {column: ..., order: desc}, an expression {expression: ...}"
    raise InputError(f"{wish.what}: the table {identifier(table.schema, table.name)} has no column {name!r}{hint}")


def _sql_name(text: str, schemas: frozenset[str]) -> str:
    """An operator class or a collation, which may have a dot in its name, as a quoted name."""
    if not text:
        return ""
    parts = qualified(text)
    if parts is not None and (parts[0] in schemas or text.startswith('"')):
        return identifier(*parts)
    return identifier(unquoted(text))


def refuse_twins(bounds: Iterable[Bound]) -> None:
    """Raise InputError where two entries want the same index, or the same name for two."""
    problems = []
    by_definition: dict[object, Wish] = {}
    by_name: dict[object, Wish] = {}
    for bound in bounds:
        wish = bound.wish
        if wish.name:
            twin = by_name.setdefault((bound.schema, wish.name), wish)
            if twin is not wish:
                problems.append(Finding(wish.what, f"the name is that of {twin.what}, too", "Name them differently"))
                continue
        if bound.definition is not None and bound.table is not None:
            twin = by_definition.setdefault((bound.table.oid, bound.definition.identity), wish)
            if twin is not wish:
                problems.append(Finding(wish.what, f"this is the same index as {twin.what}", "Leave one of them out"))
    refuse(problems, "some of the wanted indexes are the same:")
