# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the migrations have made of a schema, kept beside them, and how it is otherwise by now.

A definition is a row: ``kind``, ``table`` (empty for what belongs to none), ``name``, ``text`` (what it is), ``make``
and ``drop`` (the statements for it; an empty one: there is none), ``owner`` (of functions). A record has them with
the ``migrations`` that were applied then, and their checksums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .index_sql import literal
from .prisma import LEDGER

TYPE, _ITSELF, _LEDGER = "column", "the schema", f"public.{LEDGER}"
#: Beyond the record, these change what a row may be, or what becomes of it.
_MATTER = ("constraint", "unique index", "trigger", "function", "NOT NULL", "default", "row-level security")
_RESTORE = "bring it back from a backup: docs/recovery/README.md"

Definition = Mapping[str, str]
_Findings = list[tuple[str, str, str]]


def record(migrations: Mapping[str, str], definitions: Sequence[Definition]) -> dict[str, Any]:
    """What is kept."""
    return {"migrations": dict(migrations), "definitions": [dict(one) for one in definitions]}


def drift(
    kept: Mapping[str, Any], migrations: Mapping[str, str], present: Sequence[Definition], app: str
) -> list[dict[str, str]]:
    """What is otherwise than after the last migration: name, problem, and the statement that mends it.

    Nothing where other migrations were applied since; what the application has made for itself is its own.
    """
    before = kept.get("migrations", {})
    if not before or set(migrations) - set(before):
        return []
    gone, new = _drift(kept, present, app)
    lost = sorted(set(before) - set(migrations))
    # After a restore to a moment before them the tables lack them as well; else somebody has removed their rows.
    if lost and gone:
        found = [(_LEDGER, f"has lost {', '.join(lost)}, and the tables with it: make site", ""), *new]
    else:
        rows = [(_LEDGER, f"has lost {name}, which the tables have", _row(name, before[name])) for name in lost]
        found = [*gone, *new, *rows]
    return [dict(zip(("name", "problem", "fix"), one)) for one in found]


def _row(name: str, checksum: str) -> str:
    columns = "id, checksum, migration_name, started_at, finished_at, applied_steps_count"
    values = f"gen_random_uuid(), {literal(checksum)}, {literal(name)}, now(), now(), 1"
    return f"INSERT INTO {_LEDGER} ({columns}) VALUES ({values})"  # noqa: S608 - quoted above


def _drift(kept: Mapping[str, Any], present: Sequence[Definition], app: str) -> tuple[_Findings, _Findings]:
    """What is gone or is another one, and what no migration has made."""
    before = {_key(one): one for one in kept["definitions"]}
    now = {_key(one): one for one in present if one["owner"] != app}
    tables = {one["table"] for one in present}
    # Statements that make something come in the order of what needs what, those that drop it the other way round.
    return list(_gone(before, now, tables)), list(_new(before, now))[::-1]


def _key(one: Definition) -> tuple[str, str, str]:
    return one["kind"], one["table"], one["name"]


def _gone(
    before: Mapping[Any, Definition], now: Mapping[Any, Definition], tables: set[str]
) -> Iterator[tuple[str, str, str]]:
    lost = {one["table"] for one in before.values()} - tables - {""}
    yield from ((table, f"is gone since the last migration; {_RESTORE}", "") for table in sorted(lost))
    columns = {key[1:] for key in now if key[0] == TYPE}
    for key, one in before.items():
        # With its table or its column went the rest of it.
        if one["table"] in lost or (one["kind"] in _OF_COLUMNS and key[1:] not in columns):
            continue
        where, has = one["table"] or _ITSELF, now.get(key)
        what = f"{one['kind']} {one['name']}"
        if has is None and one["kind"] == TYPE:
            yield where, f"has lost its {what} since the last migration; {_RESTORE}", ""
        elif has is None:
            yield where, f"has lost its {what} since the last migration", one["make"]
        elif has["text"] != one["text"]:
            changed = f"has another {what} than after the last migration"
            replaced = has["drop"] and one["kind"] in ("constraint", "trigger")
            yield where, changed, f"{has['drop']}; {one['make']}" if replaced else one["make"]


#: Of a column, beside what it is.
_OF_COLUMNS = ("NOT NULL", "default")


def _new(before: Mapping[Any, Definition], now: Mapping[Any, Definition]) -> Iterator[tuple[str, str, str]]:
    tables = {one["table"] for one in before.values()}
    for key, one in now.items():
        if one["kind"] == "default" and (TYPE, *key[1:]) not in before:
            continue  # Of a new column: that is what keeps the application's inserts going.
        if key not in before and one["kind"] in _MATTER and one["table"] in {*tables, ""}:
            yield (
                one["table"] or _ITSELF,
                f"has got the {one['kind']} {one['name']}, which no migration has made",
                one["drop"],
            )
