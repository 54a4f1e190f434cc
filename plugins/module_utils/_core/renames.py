# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has another name, or lies in another schema, than after the last migration; the statements that put it back.

PostgreSQL's own number of a thing stays the same then, and all of its rows are there: what looks lost must be neither
made anew nor brought back from a backup. Where no number is known, what it consists of tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .index_sql import identifier
from .prisma import LEDGER

DATABASE, SCHEMA, TABLE, COLUMN, ELSEWHERE = "database", "schema", "table", "column", "elsewhere"
_HOME = "public"
#: What lies in the schema by itself, as ALTER calls it, and the schema.
_WHOLE = {
    SCHEMA: "SCHEMA",
    "enum": "TYPE",
    TABLE: "TABLE",
    "sequence": "SEQUENCE",
    "view": "VIEW",
    "materialized view": "MATERIALIZED VIEW",
    "function": "ROUTINE",
}
_PARTS = {
    COLUMN: "TABLE {table} RENAME COLUMN {name}",
    "constraint": "TABLE {table} RENAME CONSTRAINT {name}",
    "trigger": "TRIGGER {name} ON {table} RENAME",
    "policy": "POLICY {name} ON {table} RENAME",
}
_ORDER = (*_WHOLE, *_PARTS)
_ASIDE = "_made_by_hand"
"""After the name of what has taken another's place: what becomes of it, and of rows in it, is for people to say."""

Definition = Mapping[str, str]
_Pair = tuple[Definition, Definition]


@dataclass(frozen=True)
class Renamed:
    """What has another name. ``names``: what others call it by in their statements, then and now.

    ``taken``: whether something else has the name by now.
    """

    before: Definition
    now: Definition
    fix: str
    names: tuple[str, ...]
    taken: bool

    def told(self) -> tuple[str, str, str]:
        kind, name = self.before["kind"], self.before["name"]
        by_now = f"{self.now['name']} since the last migration"
        another = ", and another has taken its name" if self.taken else ""
        if kind == TABLE:
            return name, f"is called {by_now}, with all its rows{another}", self.fix
        if kind == SCHEMA:
            return f"the schema {name}", f"is called {by_now}, with all its tables{another}", self.fix
        where = self.before["table"] if kind in _PARTS else f"the schema {_HOME}"
        return where, f"has its {kind} {name} under the name {by_now}{another}", self.fix

    def hides(self, one: Definition) -> bool:
        """Whether this can only be judged once the name is the old one."""
        said = (one["table"], one["text"], one["make"])
        return key(one) in (key(self.before), key(self.now)) or any(
            name in text for name in self.names for text in said
        )


def key(one: Definition) -> tuple[str, str, str]:
    return one["kind"], one["table"], one["name"]


def renames(before: Sequence[Definition], now: Sequence[Definition]) -> list[Renamed]:
    """In the order in which their statements work: first what lies in the schema, then the parts of it."""
    called = {key(one): one["name"] for one in now}
    made = []
    pairs = sorted(_pairs(before, now), key=lambda pair: _ORDER.index(pair[0]["kind"]))
    # What lies in the schema goes with it.
    for old, has in [pair for pair in pairs if pair[0]["kind"] == SCHEMA] or pairs:
        kind, wanted, statements = old["kind"], old["name"], []
        taker = next((one for one in now if called[key(one)] == wanted and _takes(one, old, has)), None)
        if taker and kind == SCHEMA and not any(one["kind"] in _ORDER[1:] for one in now):
            statements = [f"DROP SCHEMA {wanted}"]
        elif taker:
            called[key(taker)] = _aside(wanted, kind)
            statements = _statements(
                taker["kind"], old["table"] if kind in _PARTS else _HOME, wanted, _aside(wanted, kind)
            )
        place = old["table"] if kind in _PARTS else has["table"] if has["kind"] == ELSEWHERE else _HOME
        statements += _statements(kind, place, called.get(key(has), has["name"]), wanted)
        called[key(has)] = wanted
        made.append(Renamed(old, has, "; ".join(statements), _names(old, has), bool(taker)))
    return made


def _takes(one: Definition, old: Definition, has: Definition) -> bool:
    """Whether what is called so keeps the place of ``old`` taken, which is ``has`` by now."""
    if key(one) == key(has):
        return False
    if old["kind"] in _PARTS:
        return one["kind"] == old["kind"] and one["table"] == has["table"]
    return one["kind"] in _WHOLE and (one["kind"] == SCHEMA) == (old["kind"] == SCHEMA)


def _statements(kind: str, place: str, name: str, wanted: str) -> list[str]:
    """``place``: the table that has this part, or the schema that it lies in."""
    if kind in _PARTS:
        return [f"ALTER {_PARTS[kind].format(table=place, name=name)} TO {wanted}"]
    if kind == SCHEMA:
        return [f"ALTER SCHEMA {name} RENAME TO {wanted}"]
    moved = f"{_HOME}{name[len(place) :]}"
    steps = [] if place == _HOME else [f"ALTER {_WHOLE[kind]} {name} SET SCHEMA {_HOME}"]
    if _bare(moved) != _bare(wanted):
        steps.append(f"ALTER {_WHOLE[kind]} {moved} RENAME TO {_bare(wanted)}")
    return steps


def _bare(name: str) -> str:
    """Without the schema, and of a function without its arguments, which change with the names of their types."""
    return name[len(_HOME) + 1 :].partition("(")[0]


def _aside(name: str, kind: str) -> str:
    plain = name[len(_HOME) + 1 :] if kind in _WHOLE and kind != SCHEMA else name
    plain = plain.partition("(")[0]
    plain = plain[1:-1].replace('""', '"') if plain.startswith('"') else plain
    aside = identifier(f"{plain}{_ASIDE}")
    return f"{_HOME}.{aside}" if kind in _WHOLE and kind != SCHEMA else aside


def _names(old: Definition, has: Definition) -> tuple[str, ...]:
    if old["kind"] == COLUMN:
        return old["table"], has["table"]
    if old["kind"] in _PARTS:
        return ()
    return tuple(one["name"].partition("(")[0] + "(" * ("(" in one["name"]) for one in (old, has))


def _pairs(before: Sequence[Definition], now: Sequence[Definition]) -> Iterator[_Pair]:
    """What was, and what it is by now, where it has another name."""
    numbered = database(before) == database(now) != ""
    has = {one["id"]: one for one in now if one.get("id")} if numbered else {}
    lost, keys = [], {key(one) for one in now}
    for one in before:
        same = has.get(one.get("id", "")) if one["kind"] in _ORDER else None
        if same and _otherwise(one, same):
            yield one, same
        elif same is None and key(one) not in keys:
            lost.append(one)
    known, numbers = {key(one) for one in before}, {one["id"] for one in before if numbered and one.get("id")}
    new = [one for one in now if key(one) not in known and one.get("id") not in numbers]
    yield from _alike([one for one in lost if one["kind"] == "constraint"], new)
    if not numbered:
        yield from _unnumbered(lost, new, now)


def database(definitions: Sequence[Definition]) -> str:
    """The number of the database, without which those of what is in it say nothing."""
    return next((one["id"] for one in definitions if one["kind"] == DATABASE), "")


def _otherwise(one: Definition, has: Definition) -> bool:
    if one["kind"] in _PARTS or one["kind"] == SCHEMA:
        return one["name"] != has["name"]
    names = [each["name"].partition("(")[0] for each in (one, has)]
    # That of a column goes where its table goes.
    if one["kind"] == "sequence" and one["table"] and has["kind"] == ELSEWHERE:
        return not names[1].endswith(f".{_bare(names[0])}")
    return names[0] != names[1]


def _alike(lost: Sequence[Definition], new: Sequence[Definition]) -> Iterator[_Pair]:
    """By what they consist of, where that is unmistakable."""
    for one in lost:
        like = [each for each in new if _shape(each) == _shape(one)]
        if len(like) == 1 and sum(_shape(each) == _shape(one) for each in lost) == 1:
            yield one, like[0]


def _shape(one: Definition) -> tuple[str, str, str]:
    return one["kind"], one["table"], one["text"]


def _unnumbered(lost: Sequence[Definition], new: Sequence[Definition], now: Sequence[Definition]) -> Iterator[_Pair]:
    """Columns of tables that are there, tables by their columns, and the schema by its ledger."""
    tables = {one["table"] for one in now if one["kind"] == COLUMN}
    yield from _alike([one for one in lost if one["kind"] == COLUMN and one["table"] in tables], new)
    gone, found = _columns(lost), _columns(new)
    for name in sorted(set(gone) - tables):
        like = [each for each in found if found[each] == gone[name]]
        if len(like) == 1:
            yield _made(TABLE, name), _made(TABLE, like[0])
    others = [one["table"] for one in now if one["kind"] == ELSEWHERE and one["name"].endswith(f".{LEDGER}")]
    if gone and not tables.intersection(gone) and others:
        yield _made(SCHEMA, _HOME), _made(SCHEMA, others[0])


def _made(kind: str, name: str) -> Definition:
    return {"kind": kind, "table": name if kind == TABLE else "", "name": name, "text": "", "make": ""}


def _columns(definitions: Sequence[Definition]) -> dict[str, set[tuple[str, str]]]:
    columns: dict[str, set[tuple[str, str]]] = {}
    for one in definitions:
        if one["kind"] == COLUMN:
            columns.setdefault(one["table"], set()).add((one["name"], one["text"]))
    return columns
