# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From wishes to a plan: names looked up, definitions read by the server, duplicates counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .._core.errors import FirstbellError, InputError
from .._core.findings import Finding, refuse
from .._core.index_plan import Duplicates, Item, Plan, near, plan
from .._core.index_sql import duplicates, identifier
from .._core.index_wishes import Bound, Relations, Wish, bind, find, refuse_twins
from .._core.indexes import Catalogue
from . import index_trials
from .indexes import TABLE_KINDS, Server
from .postgres import QueryError


@dataclass(frozen=True)
class Survey:
    """The wishes as the server reads them, what is there, and what is to be done."""

    bounds: tuple[Bound, ...]
    catalogue: Catalogue
    plan: Plan
    relations: Relations


def survey(
    server: Server,
    wishes: Sequence[Wish],
    schema: str,
    *,
    lenient: bool = False,
    cleaning: bool = True,
    samples: int | None = None,
    patience: Mapping[str, str] | None = None,
) -> Survey:
    """Look at the database and plan; nothing is changed and no table is locked.

    ``lenient`` makes an absent table a part of the plan instead of an InputError.
    With ``samples`` the rows of tables are looked through for what a unique index would
    stumble over, under the settings ``patience``.
    """
    known = server.relations(schema)
    places, unknown = _places(wishes, known)
    if not lenient:
        refuse((Finding(*found) for found in unknown.values()), "some of the wanted indexes cannot be:")
    oids = [known.relations[place][1] for place in places.values()]
    catalogue = server.catalogue(oids, wishes, known)
    bounds = [_bound(wish, places, catalogue, known) for wish in wishes if wish.position not in unknown]
    missing = [bound for bound in bounds if isinstance(bound, Finding)]
    refuse(missing, "some of the wanted indexes cannot be:")
    read = index_trials.read(server, [bound for bound in bounds if isinstance(bound, Bound)])
    refuse_twins(read)
    catalogue = replace(catalogue, respelt=index_trials.respelt(server, near(read, catalogue)))
    made = plan(read, catalogue, cleaning)
    if samples is not None:
        made = made.with_duplicates(_count(server, made, read, samples, patience or {}))
    absent = [
        Item(position, "impossible", wish.name, unknown[position][1])
        for position, wish in enumerate(wishes)
        if position in unknown
    ]
    items = sorted((*made.items, *absent), key=lambda item: item.position)
    return Survey(tuple(read), catalogue, Plan(tuple(items)), known)


def _places(
    wishes: Sequence[Wish], known: Relations
) -> tuple[dict[int, tuple[str, str]], dict[int, tuple[str, str, str]]]:
    """Where the tables of the wishes are, by position, and what is wrong with the others."""
    places: dict[int, tuple[str, str]] = {}
    unknown: dict[int, tuple[str, str, str]] = {}
    for wish in wishes:
        if not wish.table:
            continue
        try:
            places[wish.position] = find(wish, known)
        except InputError as error:
            if not wish.absent:
                what, _colon, problem = str(error).partition(": ")
                unknown[wish.position] = (what, problem, "")
    return places, unknown


def _bound(
    wish: Wish,
    places: Mapping[int, tuple[str, str]],
    catalogue: Catalogue,
    known: Relations,
) -> Bound | Finding:
    place = places.get(wish.position)
    table = catalogue.tables[known.relations[place][1]] if place else None
    if wish.absent or table is None:
        return Bound(wish, table, table.schema if table else wish.schema or known.default)
    try:
        return bind(wish, table, known.schemas, catalogue.tablespaces)
    except InputError as error:
        what, _colon, problem = str(error).partition(": ")
        return Finding(what, problem, "")


def _count(
    server: Server, made: Plan, bounds: Sequence[Bound], samples: int, patience: Mapping[str, str]
) -> dict[int, Duplicates]:
    """The duplicates that would break the unique indexes of the plan, by the wish's position."""
    by_position = {bound.wish.position: bound for bound in bounds}
    found = {}
    for item in made.items:
        if item.checked:
            counted = _counted(server, by_position[item.position], samples, patience)
            if counted is not None:
                found[item.position] = counted
    return found


def _counted(server: Server, bound: Bound, samples: int, patience: Mapping[str, str]) -> Duplicates | None:
    table, definition = bound.table, bound.definition
    if table is None or definition is None or table.kind not in TABLE_KINDS:
        return None
    keys = [
        (f"({key.text})" if key.expression else identifier(key.text))
        + (f" COLLATE {key.collation_sql}" if key.collation_sql else "")
        for key in definition.keys
    ]
    relation = ("" if table.kind == "p" else "ONLY ") + identifier(table.schema, table.name)
    query = duplicates(relation, keys, definition.nulls_distinct, definition.predicate, samples)
    session = server.session
    try:
        session.query("BEGIN READ ONLY")
        # Rows that a policy hides from this role are in the index all the same.
        for name, value in {**patience, "row_security": "off"}.items():
            session.query("SELECT set_config(%s, %s, true)", (name, value))
        rows = session.query(query)
    except QueryError as failed:
        raise FirstbellError(
            f"{bound.wish.what}: the rows of {identifier(table.schema, table.name)} cannot be looked through for"
            f" duplicates: {failed.error.text()}"
        ) from None
    finally:
        if session.in_transaction:
            session.query("ROLLBACK")
    if not rows:
        return None
    shown = tuple((tuple(row["sample"]), row["copies"]) for row in rows[:samples])
    return Duplicates(rows[0]["values"], rows[0]["rows"], shown)
