# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the migrations have made of a schema, kept beside them, and how it is otherwise by now.

A definition is a row: ``kind``, ``table`` (empty for what belongs to none), ``name``, ``text`` (what it is), ``make``
and ``drop`` (the statements for it; an empty one: there is none), ``owner`` (of what does not follow its table). A
record has them with the ``migrations`` that were applied then, and their checksums, and the ``kinds`` that it knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .index_sql import literal
from .prisma import LEDGER

TYPE, ENUM, _ITSELF, _LEDGER = "column", "enum", "the schema", f"public.{LEDGER}"
#: Of a record that names none.
_FIRST_KINDS = (
    *(TYPE, "NOT NULL", "default", "constraint", "unique index", "trigger", "function", "view"),
    "row-level security",
)
#: What is needed by those, and what needs them.
_BEFORE, _AFTER = ("extension", ENUM, "sequence"), ("identity", "generated value", "index", "policy")
KINDS = (*_BEFORE, *_FIRST_KINDS, *_AFTER)
#: What gives a column its value; of a column that no migration has made, it keeps the application's inserts going.
_BY_ITSELF = ("default", "identity", "generated value")
#: Of a column, beside what it is.
_OF_COLUMNS = ("NOT NULL", *_BY_ITSELF)
#: Beyond the record, these change what a row may be, or what becomes of it.
_MATTER = (*_OF_COLUMNS, "constraint", "unique index", "trigger", "function", "row-level security", "policy")
#: To have another one, the one that is there has to go.
_REPLACED = ("constraint", "trigger", "policy", "identity")
_RESTORE = "bring it back from a backup: docs/recovery/README.md"

Definition = Mapping[str, str]
_Findings = list[tuple[str, str, str]]


def record(migrations: Mapping[str, str], definitions: Sequence[Definition]) -> dict[str, Any]:
    """What is kept."""
    return {
        "migrations": dict(migrations),
        "kinds": list(KINDS),
        "definitions": [dict(one) for one in definitions],
    }


def is_record(kept: Mapping[str, Any], migrations: Mapping[str, str]) -> bool:
    """Whether this is the record after these migrations, and knows all kinds."""
    return bool(kept.get("migrations") == migrations and not set(KINDS) - set(_kinds(kept)))


def renewed(kept: Mapping[str, Any], present: Sequence[Definition]) -> dict[str, Any]:
    """A record of an older version, with what is there of the kinds that it does not know, and today's statements."""
    now, known = {_key(one): one for one in present}, _kinds(kept)
    old = [_same(one, now.get(_key(one))) for one in kept["definitions"]]
    new = [one for one in present if one["kind"] not in known]
    before = [one for one in new if one["kind"] in _BEFORE]
    return record(kept["migrations"], [*before, *old, *(one for one in new if one not in before)])


def _same(one: Definition, has: Definition | None) -> Definition:
    return has if has and has["text"] == one["text"] else one


def _kinds(kept: Mapping[str, Any]) -> Sequence[str]:
    kinds: Sequence[str] = kept.get("kinds", _FIRST_KINDS)
    return kinds


def drift(
    kept: Mapping[str, Any], migrations: Mapping[str, str], present: Sequence[Definition], app: str
) -> list[dict[str, str]]:
    """What is otherwise than after the last migration: name, problem, and the statement that mends it.

    Nothing where other migrations were applied since; what the application has made for itself is its own.
    """
    before = kept.get("migrations", {})
    if not before or set(migrations) - set(before):
        return []
    gone, values, new = _drift(kept, present, app)
    lost = sorted(set(before) - set(migrations))
    # After a restore to a moment before them the tables lack them as well; else somebody has removed their rows.
    if lost and gone:
        found = [(_LEDGER, f"has lost {', '.join(lost)}, and the tables with it: make site", ""), *values, *new]
    else:
        rows = [(_LEDGER, f"has lost {name}, which the tables have", _row(name, before[name])) for name in lost]
        found = [*values, *gone, *new, *rows]
    return [dict(zip(("name", "problem", "fix"), one)) for one in found]


def _row(name: str, checksum: str) -> str:
    columns = "id, checksum, migration_name, started_at, finished_at, applied_steps_count"
    values = f"gen_random_uuid(), {literal(checksum)}, {literal(name)}, now(), now(), 1"
    return f"INSERT INTO {_LEDGER} ({columns}) VALUES ({values})"  # noqa: S608 - quoted above


def _drift(kept: Mapping[str, Any], present: Sequence[Definition], app: str) -> tuple[_Findings, _Findings, _Findings]:
    """What is gone or is another one, and what no migration has made: what gives columns their values, and the rest."""
    before = {_key(one): one for one in kept["definitions"] if one["owner"] != app}
    now = {_key(one): one for one in present}
    by_others = {key: one for key, one in now.items() if one["owner"] != app and one["kind"] in _kinds(kept)}
    values = {key: one for key, one in by_others.items() if one["kind"] in _BY_ITSELF}
    rest = {key: one for key, one in by_others.items() if key not in values}
    # Statements that make something come in the order of what needs what, those that drop it the other way round; a
    # column has only one of what gives it its value.
    return list(_gone(before, now)), list(_new(before, values)), list(_new(before, rest))[::-1]


def _key(one: Definition) -> tuple[str, str, str]:
    return one["kind"], one["table"], one["name"]


def _gone(before: Mapping[Any, Definition], now: Mapping[Any, Definition]) -> Iterator[tuple[str, str, str]]:
    lost = {one["table"] for one in before.values()} - {one["table"] for one in now.values()} - {""}
    yield from ((table, f"is gone since the last migration; {_RESTORE}", "") for table in sorted(lost))
    columns = {key[1:] for key in now if key[0] == TYPE}
    for key, one in before.items():
        # With its table or its column went the rest of it.
        if one["table"] in lost or (_column(one) and (one["table"], _column(one)) not in columns):
            continue
        where, has = one["table"] or _ITSELF, now.get(key)
        what = f"{one['kind']} {one['name']}"
        if has is None and one["kind"] == TYPE:
            yield where, f"has lost its {what} since the last migration; {_RESTORE}", ""
        elif has is None:
            yield where, f"has lost its {what} since the last migration", one["make"]
        elif one["kind"] == ENUM:
            yield from _values(one, has)
        elif has["text"] != one["text"]:
            changed = f"has another {what} than after the last migration"
            replaced = has["drop"] and one["kind"] in _REPLACED
            yield where, changed, f"{has['drop']}; {one['make']}" if replaced else one["make"]


def _column(one: Definition) -> str:
    """The column that it goes with; that of a sequence is its text."""
    return one["text"] if one["kind"] == "sequence" else one["name"] if one["kind"] in _OF_COLUMNS else ""


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
    tables = {one["table"] for one in before.values()}
    for key, one in now.items():
        if one["kind"] in _BY_ITSELF and (TYPE, *key[1:]) not in before:
            continue
        if key not in before and one["kind"] in _MATTER and one["table"] in {*tables, ""}:
            yield (
                one["table"] or _ITSELF,
                f"has got the {one['kind']} {one['name']}, which no migration has made",
                one["drop"],
            )
