# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the server itself read the wanted indexes: on empty temporary tables, in a transaction that is rolled back.

The temporary table has the columns that the index needs, with their types and
collations. What the server makes of the index there is what it would make of it on the
real table, which is not touched and not locked. Indexes of plain columns need only be
tried once for all tables with columns of the same types.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.errors import FirstbellError, InputError
from .._core.findings import Finding, refuse
from .._core.index_sql import create, identifier
from .._core.index_wishes import Bound
from .._core.indexes import Column, Definition, Index, Table
from .indexes import Server
from .postgres import QueryError

_BATCH = 100  # relations of one transaction, so that its locks fit the server's table of locks
_TABLE, _INDEX = "firstbell_probe_", "firstbell_probe_index_"


@dataclass
class Trial:
    """One index on one temporary table, and those who wait for the answer."""

    number: int
    table: str
    columns: tuple[Column, ...]
    sql: str
    schema: str
    waiting: list[Bound] = field(default_factory=list)
    plain: bool = True


def read(server: Server, bounds: Sequence[Bound]) -> list[Bound]:
    """The same wishes with their definitions; raises InputError with all that the server refuses."""
    trials = _trials(bound for bound in bounds if bound.table is not None and not bound.wish.absent)
    if not trials:
        return list(bounds)
    check(server)
    found: dict[int, Definition] = {}
    problems: list[Finding] = []
    for batch in _batches(trials):
        _try(server, batch, found, problems)
    refuse(problems, "the server refuses some of the wanted indexes:")
    return [replace(bound, definition=found.get(bound.wish.position)) for bound in bounds]


def check(server: Server) -> None:
    """Raise FirstbellError where no temporary table can be made."""
    if server.standby:
        raise FirstbellError(
            f"the server of the database {server.database} is a standby, on which nothing can be tried or built:"
            " log in to the primary"
        )
    if not server.temporary:
        raise FirstbellError(
            f"the role {server.role} may not make temporary tables in the database {server.database}, on which wanted"
            " indexes are tried: "
            f"GRANT TEMPORARY ON DATABASE {identifier(server.database)} TO {identifier(server.role)}"
        )


def _trials(bounds: Iterable[Bound]) -> list[Trial]:
    trials: dict[object, Trial] = {}
    for bound in bounds:
        plain = not bound.wish.where and all(element.plain for element in bound.wish.elements)
        trial = _plain(bound) if plain else _whole(bound)
        known = trials.setdefault((trial.sql, trial.columns, trial.schema, trial.table), trial)
        known.waiting.append(bound)
    for number, trial in enumerate(trials.values()):
        trial.number = number
        trial.sql = trial.sql.replace("\0index", identifier(f"{_INDEX}{number}"))
        trial.table = trial.table or f"{_TABLE}{number}"
        trial.sql = trial.sql.replace("\0table", identifier("pg_temp", trial.table))
    return list(trials.values())


def _plain(bound: Bound) -> Trial:
    """An index of columns: these alone, under names of ours."""
    wish, table = bound.wish, bound.place
    names = [*(element.column for element in wish.elements), *wish.include]
    columns = tuple(
        replace(column, name=f"c{number}", not_null=False)
        for number, name in enumerate(names)
        if (column := table.column(name)) is not None
    )
    quoted = [identifier(column.name) for column in columns]
    count = len(wish.elements)
    keys = [element.sql(name) for element, name in zip(wish.elements, quoted)]
    given = any(element.opclass or element.collation for element in wish.elements)
    return Trial(0, "", columns, _sql(bound, keys, quoted[count:]), table.schema if given else "")


def _whole(bound: Bound) -> Trial:
    """An index with expressions: the whole table under its own name, which the expressions may use."""
    wish, table = bound.wish, bound.place
    keys = [
        element.sql(f"({element.expression})" if element.expression else identifier(element.column))
        for element in wish.elements
    ]
    sql = _sql(bound, keys, [identifier(name) for name in wish.include])
    return Trial(0, table.name, table.columns, sql, table.schema, plain=False)


def _sql(bound: Bound, keys: Sequence[str], include: Sequence[str]) -> str:
    wish = bound.wish
    statement = create(
        "\0table",
        keys,
        wish.method,
        unique=wish.unique,
        include=include,
        nulls_distinct=wish.nulls_distinct,
        storage=wish.storage,
        where=wish.where,
    )
    return statement.replace("INDEX ON", "INDEX \0index ON", 1)


def _batches(trials: Sequence[Trial]) -> Iterator[list[Trial]]:
    """Trials of one transaction: no more than fit, and no two tables of one name."""
    batch: list[Trial] = []
    tables: dict[str, tuple[Column, ...]] = {}
    for trial in trials:
        if len(batch) == _BATCH or tables.get(trial.table, trial.columns) != trial.columns:
            yield batch
            batch, tables = [], {}
        batch.append(trial)
        tables[trial.table] = trial.columns
    if batch:
        yield batch


def _try(server: Server, batch: list[Trial], found: dict[int, Definition], problems: list[Finding]) -> None:
    """Read the batch; a trial that the server refuses is put down and the rest tried again."""
    while batch:
        statements, owners = _statements(server, batch)
        try:
            server.session.script(";\n".join(statements))
            rows = server.rows("n.oid = pg_my_temp_schema() AND c.relname LIKE 'firstbell\\_probe\\_index\\_%%'", {})
            definitions = server.definitions(rows)
        except QueryError as failed:
            refused = owners[failed.completed] if failed.completed < len(owners) else None
            if refused is None or not failed.error.code:
                raise
            wish = refused.waiting[0].wish
            problems += [Finding(bound.wish.what, failed.error.text(), "") for bound in refused.waiting]
            if failed.error.code.startswith(("53", "57", "58")):
                raise InputError(f"{wish.what}: {failed.error.text()}") from None
            batch = [trial for trial in batch if trial is not refused]
            continue
        finally:
            if server.session.in_transaction:
                server.session.query("ROLLBACK")
        numbers = {row["name"]: row["oid"] for row in rows}
        for trial in batch:
            made = definitions[numbers[f"{_INDEX}{trial.number}"]]
            found.update({bound.wish.position: _named(made, bound, trial) for bound in trial.waiting})
        return


def _statements(server: Server, batch: Sequence[Trial]) -> tuple[list[str], list[Trial | None]]:
    statements, owners = ["BEGIN READ WRITE", "SET LOCAL client_min_messages = error"], [None, None]
    made: set[str] = set()
    path = None
    everyone: list[Trial | None] = list(owners)
    for trial in batch:
        if trial.table not in made:
            made.add(trial.table)
            statements.append(_table(trial.table, trial.columns))
            everyone.append(trial)
        if trial.schema != path:
            path = trial.schema
            parts = [part for part in (server.path.strip(), identifier(path) if path else "") if part and part != '""']
            statements.append("SET LOCAL search_path = " + (", ".join(parts) or "''"))
            everyone.append(None)
        statements.append(trial.sql)
        everyone.append(trial)
    return [*statements, "SET LOCAL search_path = ''"], [*everyone, None]


def _table(name: str, columns: Iterable[Column]) -> str:
    parts = [
        f"{identifier(column.name)} {column.type}"
        + (f" COLLATE {column.collation}" if column.collation else "")
        + (" NOT NULL" if column.not_null else "")
        for column in columns
    ]
    return f"CREATE TEMPORARY TABLE {identifier(name)} ({', '.join(parts)})"


def _named(made: Definition, bound: Bound, trial: Trial) -> Definition:
    """The definition with the columns' real names in place of ours."""
    if not trial.plain:
        return made
    keys = tuple(replace(key, text=element.column) for key, element in zip(made.keys, bound.wish.elements))
    return replace(made, keys=keys, include=bound.wish.include)


def respelt(server: Server, pairs: Sequence[tuple[Bound, Index]]) -> frozenset[tuple[int, int]]:
    """Those of the pairs whose expressions and predicates the planner takes for the same, spelt as they are."""
    same = set()
    for bound, index in pairs:
        table, wanted = bound.table, bound.definition
        if table is None or wanted is None:
            continue
        session = server.session
        try:
            session.script(f"BEGIN READ WRITE; SET LOCAL enable_seqscan = off; {_table(table.name, table.columns)}")
            if _equal(server, table, wanted, index.definition):
                same.add((bound.wish.position, index.oid))
        except QueryError as failed:
            if not failed.error.code:
                raise
        finally:
            if session.in_transaction:
                session.query("ROLLBACK")
    return frozenset(same)


def _equal(server: Server, table: Table, wanted: Definition, actual: Definition) -> bool:
    here = identifier("pg_temp", table.name)
    texts = [[key.text for key in made.keys if key.expression] for made in (wanted, actual)]
    if texts[0] != texts[1]:
        lists = [", ".join(f"({text})" for text in one) for one in texts]
        outputs = [_plan(server, f"SELECT {one} FROM {here}") for one in lists]  # noqa: S608 (the server's texts)
        if outputs[0].get("Output") != outputs[1].get("Output"):
            return False
    if wanted.predicate == actual.predicate:
        return True
    return all(
        _implies(server, here, *pair)
        for pair in ((wanted.predicate, actual.predicate), (actual.predicate, wanted.predicate))
    )


def _implies(server: Server, here: str, condition: str, predicate: str) -> bool:
    """Whether the planner would use an index with the predicate for a query with the condition."""
    server.session.query("SAVEPOINT firstbell")
    server.session.query(f"CREATE INDEX {_INDEX}0 ON {here} ((1)) WHERE {predicate}")
    plan = _plan(server, f"SELECT FROM {here} WHERE {condition}")
    server.session.query("ROLLBACK TO SAVEPOINT firstbell")
    return f'"{_INDEX}0"' in json.dumps(plan)


def _plan(server: Server, query: str) -> dict[str, Any]:
    [row] = server.session.query(f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {query}")
    plan: dict[str, Any] = row["QUERY PLAN"][0]["Plan"]
    return plan
