# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the migrations have made of a schema, kept beside them, and how it is otherwise by now.

A definition is a row: ``kind``, ``table`` (empty for what belongs to none), ``name``, ``text`` (what it is), ``make``
and ``drop`` (the statements for it; an empty one: there is none), ``owner`` (of what does not follow its table), ``id``
(PostgreSQL's own number, of what can be renamed). A record has them with the ``migrations`` that were applied then, and
their checksums, and the ``kinds`` that it knows.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from .index_sql import identifier, literal
from .prisma import COLUMNS, LEDGER
from .renames import COLUMN, DATABASE, SCHEMA, TABLE, Definition, database, key, renames

ENUM, _ITSELF, _LEDGER = "enum", "the schema", f"public.{LEDGER}"
UNLOGGED, _NUMBERS, _STORED, _CONTENTS = "UNLOGGED", "numbering", "materialized view", "contents"
#: Of a record that names none.
_FIRST_KINDS = (
    *(COLUMN, "NOT NULL", "default", "constraint", "unique index", "trigger", "function", "view"),
    "row-level security",
)
#: What is needed by those, and what needs them.
_BEFORE, _AFTER = ("extension", ENUM, "sequence"), ("identity", "generated value", "index", "policy")
#: Only told where they have another name.
_NAMED = (DATABASE, SCHEMA, TABLE)
_HOW_COLUMNS_ARE_SET = ("collation", "statistics target", "n_distinct", "n_distinct_inherited")
_HOW_SET = (*_HOW_COLUMNS_ARE_SET, UNLOGGED, _NUMBERS, "option")
KINDS = (*_NAMED, *_BEFORE, *_FIRST_KINDS, *_AFTER, *_HOW_SET, _STORED, _CONTENTS)
#: What gives a column its value; of a column that no migration has made, it keeps the application's inserts going.
_BY_ITSELF = ("default", "identity", "generated value")
#: Of a column, beside what it is.
_OF_COLUMNS = ("NOT NULL", *_BY_ITSELF, *_HOW_COLUMNS_ARE_SET)
#: Beyond the record, these change what a row may be, or what becomes of it.
_MATTER = (
    *_OF_COLUMNS,
    "constraint",
    "unique index",
    "trigger",
    "function",
    "row-level security",
    "policy",
    UNLOGGED,
    "option",
)
#: To have another one, the one that is there has to go.
_REPLACED = ("constraint", "trigger", "policy", "identity", _STORED)
#: How the text of a constraint ends that nobody has proven.
_UNPROVEN = ("NOT VALID", "NOT ENFORCED")
_RESTORE = "bring it back from a backup: docs/recovery/README.md"

_Findings = list[tuple[str, str, str]]


def record(migrations: Mapping[str, str], definitions: Sequence[Definition]) -> dict[str, Any]:
    """What is kept."""
    return {
        "migrations": dict(migrations),
        "kinds": list(KINDS),
        "definitions": [dict(one) for one in definitions if one["kind"] in KINDS],
    }


def renewed(kept: Mapping[str, Any], present: Sequence[Definition]) -> dict[str, Any]:
    """The record, and of an older version with what is there of the kinds that it does not know, and new statements.

    What was made anew has another number than in the record, and after a dump was loaded all of it has.
    """
    now, known = {key(one): one for one in present}, _kinds(kept)
    complete, same = not set(KINDS) - set(known), database(kept["definitions"]) == database(present)
    numbers = {one["id"] for one in present} if same else set()
    old = []
    for one in kept["definitions"]:
        has = now.get(key(one))
        if has is None or has["text"] != one["text"]:
            old.append(one if same else {**one, "id": ""})
        elif not complete:
            old.append(has)
        else:
            old.append(one if one["id"] in numbers else {**one, "id": has["id"]})
    new = [one for one in present if one["kind"] not in known]
    before = [one for one in new if one["kind"] in (*_NAMED, *_BEFORE)]
    return record(kept["migrations"], [*before, *old, *(one for one in new if one not in before)])


def _kinds(kept: Mapping[str, Any]) -> Sequence[str]:
    kinds: Sequence[str] = kept.get("kinds", _FIRST_KINDS)
    return kinds


def meant(kept: Mapping[str, Any]) -> list[str]:
    """What would be weak elsewhere and is as the migrations have made it: kind, table and name."""
    return [
        f"{'NOT VALID' if one['text'].endswith(_UNPROVEN) else one['kind']} {one['table']} {one['name']}"
        for one in kept.get("definitions", ())
    ]


def drift(
    kept: Mapping[str, Any], ledger: Mapping[str, str] | None, present: Sequence[Definition], app: str, owner: str
) -> list[dict[str, str]]:
    """What is otherwise than after the last migration: name, problem, and the statement that mends it.

    ``ledger``: the state of each migration; None without one. Nothing where others were applied since; what the
    application has made for itself is its own.
    """
    before, states = kept.get("migrations", {}), ledger or {}
    if not before or {name for name, state in states.items() if state == "applied"} - set(before):
        return []
    named = renames(kept["definitions"], present)
    told = [one.told() for one in named]
    if not any(one.before["kind"] == SCHEMA for one in named):
        hidden = {key(one) for one in (*kept["definitions"], *present) if any(each.hides(one) for each in named)}
        gone, values, new = _drift(kept, present, app, hidden)
        # Of one that only seems to have failed is told elsewhere; in a ledger that has another name the rows are there.
        lost = {name: before[name] for name in before if states.get(name) not in ("applied", "failed")}
        if not lost or (TABLE, _LEDGER, _LEDGER) in hidden:
            told += [*values, *gone, *new]
        elif gone and len(lost) < len(before):
            # After a restore to a moment before them the tables lack them as well.
            told += [(_LEDGER, f"has lost {', '.join(lost)}, and the tables with it: make site", ""), *values, *new]
        elif any(not fix for _name, _problem, fix in gone):
            told += [(_LEDGER, f"has lost all it had, and tables are gone with it; {_RESTORE}", ""), *values, *new]
        else:
            made = [] if ledger is not None else [(_LEDGER, "is gone, and the next migration is refused", _made(owner))]
            rows = (_LEDGER, f"has lost {', '.join(lost)}, which the tables have", _rows(lost))
            told += [*values, *gone, *new, *made, rows]
    return [dict(zip(("name", "problem", "fix"), one)) for one in told]


def _made(owner: str) -> str:
    columns = " ".join(COLUMNS.split())
    return f"SET ROLE {identifier(owner)}; CREATE TABLE {_LEDGER} ({columns}); RESET ROLE"


def _rows(lost: Mapping[str, str]) -> str:
    columns = "id, checksum, migration_name, started_at, finished_at, applied_steps_count"
    rows = ", ".join(
        f"(gen_random_uuid(), {literal(checksum)}, {literal(name)}, now(), now(), 1)"
        for name, checksum in sorted(lost.items())
    )
    return f"INSERT INTO {_LEDGER} ({columns}) VALUES {rows}"  # noqa: S608 - quoted above


def _drift(
    kept: Mapping[str, Any], present: Sequence[Definition], app: str, hidden: Collection[tuple[str, str, str]]
) -> tuple[_Findings, _Findings, _Findings]:
    """What is gone or is another one, and what no migration has made: what gives columns their values, and the rest."""
    before = {key(one): one for one in kept["definitions"] if one["owner"] != app and key(one) not in hidden}
    now = {key(one): one for one in present if key(one) not in hidden}
    by_others = {name: one for name, one in now.items() if one["owner"] != app and one["kind"] in _kinds(kept)}
    values = {name: one for name, one in by_others.items() if one["kind"] in _BY_ITSELF}
    rest = {name: one for name, one in by_others.items() if name not in values}
    # Statements that make something come in the order of what needs what, those that drop it the other way round; a
    # column has only one of what gives it its value.
    return list(_gone(before, now)), list(_new(before, values)), list(_new(before, rest))[::-1]


def _gone(before: Mapping[Any, Definition], now: Mapping[Any, Definition]) -> Iterator[tuple[str, str, str]]:
    lost = {one["table"] for one in before.values() if one["kind"] == COLUMN} - {one["table"] for one in now.values()}
    yield from ((table, f"is gone since the last migration; {_RESTORE}", "") for table in sorted(lost))
    for name, one in before.items():
        # With its table or its column went the rest of it.
        if one["kind"] in _NAMED or one["table"] in lost or _goes_with(one, before) - set(now):
            continue
        where, has = one["table"] or _ITSELF, now.get(name)
        what = f"{one['kind']} {one['name']}"
        if has is None and one["kind"] in (UNLOGGED, _NUMBERS):
            continue
        if has is None and one["kind"] == COLUMN:
            yield where, f"has lost its {what} since the last migration; {_RESTORE}", ""
        elif has is None:
            yield where, f"has lost its {what} since the last migration", one["make"]
        elif one["kind"] == ENUM:
            yield from _values(one, has)
        elif has["text"] != one["text"]:
            changed = f"has another {what} than after the last migration"
            replaced = has["drop"] and one["kind"] in _REPLACED
            yield where, changed, f"{has['drop']}; {one['make']}" if replaced else one["make"]


def _goes_with(one: Definition, before: Mapping[Any, Definition]) -> set[tuple[str, str, str]]:
    """The column, or the view, that it is a part of; that of a sequence is its text."""
    column = one["text"] if one["kind"] == "sequence" else one["name"] if one["kind"] in _OF_COLUMNS else ""
    views = {("view", "", one["table"]), (_STORED, "", one["table"])}.intersection(before)
    return {(COLUMN, one["table"], column)} if column else views


def _values(one: Definition, has: Definition) -> Iterator[tuple[str, str, str]]:
    """Those that an enum has under another name, or not at all; further ones take nothing away."""
    wanted, found = json.loads(one["text"]), json.loads(has["text"])
    others = [value for value in found if value not in wanted]
    for value in (value for value in wanted if value not in found):
        other = others.pop(0) if others else None
        deed = f"ADD VALUE {literal(value)}" if other is None else f"RENAME VALUE {literal(other)} TO {literal(value)}"
        problem = f"has lost the value {value} of the enum {one['name']} since the last migration"
        yield _ITSELF, problem, f"ALTER TYPE {one['name']} {deed}"


def _new(before: Mapping[Any, Definition], now: Mapping[Any, Definition]) -> Iterator[tuple[str, str, str]]:
    known = {one["table"] or one["name"] for one in before.values()} | {""}
    for name, one in now.items():
        if one["kind"] in (*_BY_ITSELF, *_HOW_COLUMNS_ARE_SET) and (COLUMN, *name[1:]) not in before:
            continue
        if name not in before and one["kind"] in _MATTER and one["table"] in known:
            yield (
                one["table"] or _ITSELF,
                f"has got the {one['kind']} {one['name']}, which no migration has made",
                one["drop"],
            )
