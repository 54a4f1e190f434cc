# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prisma's ledger in a database, the folder of migrations, and the walk along a plan.

The ledger has a session of its own, which holds Prisma's advisory lock from
first to last. Every script gets a fresh session: what it sets there (a search
path, say, as dumps do) cannot reach the ledger or the next script.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .._core.errors import FirstbellError
from .._core.prisma import ADVISORY_LOCK, COLUMNS, LEDGER, LOCK_FILE, SCRIPT_FILE, Migration, Plan, Row
from .._core.prisma_failure import Failure, MigrationFailedError
from .._core.sql import ServerError, Statement, split
from .postgres import QueryError, Session, compose

# active_sql_transaction and unsafe_new_enum_value_usage: the server has taken the
# script back whole and wants its statements one at a time.
_ONE_BY_ONE = frozenset({"25001", "55P04"})
_LOCK_NOT_AVAILABLE = "55P03"


class LockHeldError(FirstbellError):
    """Somebody else is migrating this database."""


def wanted(path: str) -> bool:
    """Whether a file, by its path inside the folder, belongs to the migrations."""
    return path == LOCK_FILE or (path.count("/") == 1 and path.endswith("/" + SCRIPT_FILE))


def read_folder(path: str) -> dict[str, bytes]:
    """The files of a folder of migrations; a sub-folder without a script is there as ``name/``."""
    root = Path(path)
    files: dict[str, bytes] = {}
    try:
        for entry in root.iterdir():
            script = entry / SCRIPT_FILE
            if entry.name == LOCK_FILE:
                files[LOCK_FILE] = entry.read_bytes()
            elif script.is_file():
                files[f"{entry.name}/{SCRIPT_FILE}"] = script.read_bytes()
            elif entry.is_dir():
                files[f"{entry.name}/"] = b""
    except OSError as error:
        raise FirstbellError(f"cannot read the folder of migrations {path}: {error.strerror}") from None
    return files


class Ledger:
    """The table ``_prisma_migrations`` of one schema."""

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._schema = schema

    def lock(self, wait: str) -> None:
        """Take Prisma's advisory lock, which the session's end gives back; raises LockHeldError."""
        self._session.set({"lock_timeout": wait, "statement_timeout": "0"})
        try:
            self._session.query("SELECT pg_advisory_lock(%s::bigint)", (ADVISORY_LOCK,))
        except QueryError as failed:
            if failed.error.code != _LOCK_NOT_AVAILABLE:
                raise
            raise LockHeldError(
                f"somebody else is migrating this database: {self.holder() or 'a session that has just ended'} holds"
                f" Prisma's lock {ADVISORY_LOCK}, and it was waited for {wait}. Run again when that is over, or with a"
                " longer advisory_lock_timeout; end a session that hangs with SELECT pg_terminate_backend(<pid>)"
            ) from None

    def holder(self) -> str:
        """Who holds the lock, or nothing."""
        rows = self._session.query(
            """
            SELECT l.pid, coalesce(a.usename, '?') AS role,
                   coalesce(nullif(a.application_name, ''), '?') AS application,
                   coalesce(host(a.client_addr), 'the local socket') AS address,
                   coalesce(a.backend_start::timestamptz(0)::text, '?') AS since
            FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()
              AND l.classid = 0 AND l.objid = %s AND l.objsubid = 1
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """,
            (ADVISORY_LOCK,),
        )
        return "".join(
            "pid {pid} (role {role}, application {application}, from {address}, since {since})".format(**row)
            for row in rows
        )

    def rows(self) -> list[Row] | None:
        """The ledger's rows, the oldest first; None without a ledger."""
        found = self._session.query(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s",
            (self._schema, LEDGER),
        )
        if not found:
            return None
        rows = self._on_ledger(
            "SELECT id, migration_name AS name, checksum, started_at::timestamptz(0)::text AS started_at,"
            " coalesce(finished_at::text, '') AS finished_at, coalesce(rolled_back_at::text, '') AS rolled_back_at,"
            " coalesce(logs, '') AS logs FROM {ledger} ORDER BY started_at"
        )
        return [Row(**row) for row in rows]

    def checksums(self) -> dict[str, str]:
        """Of the migrations that are applied, by their names."""
        return {row.name: row.checksum for row in self.rows() or () if row.state == "applied"}

    def has_tables(self) -> bool:
        """Whether the schema holds tables of anybody but the ledger and extensions."""
        return bool(
            self._session.query(
                "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'f') AND c.relname <> %s AND NOT EXISTS"
                " (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
                "  AND d.deptype = 'e') LIMIT 1",
                (self._schema, LEDGER),
            )
        )

    def create(self) -> None:
        """Make the ledger, and the schema where that is missing."""
        if not self._session.query("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._schema,)):
            self._session.query(compose("CREATE SCHEMA {schema}", schema=(self._schema,)))
        self._on_ledger("CREATE TABLE {ledger} (" + COLUMNS + ")")

    def begin(self, migration: Migration) -> str:
        identity = str(uuid.uuid4())
        self._on_ledger(
            "INSERT INTO {ledger} (id, checksum, migration_name, started_at) VALUES (%s, %s, %s, clock_timestamp())",
            (identity, migration.checksum, migration.name),
        )
        return identity

    def finish(self, identity: str) -> None:
        self._on_ledger(
            "UPDATE {ledger} SET finished_at = clock_timestamp(), applied_steps_count = applied_steps_count + 1"
            " WHERE id = %s",
            (identity,),
        )

    def fail(self, identity: str, log: str) -> None:
        self._on_ledger("UPDATE {ledger} SET logs = %s WHERE id = %s", (log, identity))

    def roll_back(self, identities: Sequence[str]) -> None:
        self._on_ledger(
            "UPDATE {ledger} SET rolled_back_at = clock_timestamp() WHERE id = ANY(%s)", (list(identities),)
        )

    def mark(self, migration: Migration) -> None:
        """Write the migration down as applied without running it."""
        self._on_ledger(
            "INSERT INTO {ledger} (id, checksum, migration_name, logs, started_at, finished_at)"
            " VALUES (%s, %s, %s, '', clock_timestamp(), clock_timestamp())",
            (str(uuid.uuid4()), migration.checksum, migration.name),
        )

    def _on_ledger(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        return self._session.query(compose(query, ledger=(self._schema, LEDGER)), parameters)


def apply(plan: Plan, migrations: Sequence[Migration], ledger: Ledger, open_session: Callable[[], Session]) -> None:
    """Walk along the plan; raises MigrationFailedError at the first script that the server refuses."""
    by_name = {migration.name: migration for migration in migrations}
    applied: list[str] = []
    if plan.create_ledger:
        ledger.create()
    for step in plan.steps:
        if step.kind == "roll back":
            ledger.roll_back(step.rows)
        elif step.kind == "mark":
            ledger.mark(by_name[step.name])
        else:
            _run(by_name[step.name], ledger, open_session, plan, applied)
            applied.append(step.name)


def _run(
    migration: Migration, ledger: Ledger, open_session: Callable[[], Session], plan: Plan, applied: list[str]
) -> None:
    identity = ledger.begin(migration)
    failure = run_script(migration, open_session)
    if failure is None:
        ledger.finish(identity)
        return
    ledger.fail(identity, failure.log())
    if failure.again:
        ledger.roll_back([identity])
    raise MigrationFailedError(failure, applied, [name for name in plan.pending if name not in applied])


def run_script(migration: Migration, open_session: Callable[[], Session]) -> Failure | None:
    """Run one script: as one simple query, which is one transaction, as Prisma up to 7.3 does.

    Where the server says that a statement cannot be in a transaction, it has
    taken back everything, and the statements are sent one by one, as Prisma from
    7.4 on does with every script.
    """
    statements = split(migration.script)
    own = any(statement.controls_transaction for statement in statements)
    with open_session() as session:
        failed = _send(session, migration.script)
    if failed is None:
        return None
    error = failed.error
    if error.code in _ONE_BY_ONE and len(statements) > 1 and not own:
        return _one_by_one(migration, statements, open_session)
    refused = statements[failed.completed] if failed.completed < len(statements) else None
    position = error.position or (refused.offset + 1 if refused and error.code else None)
    concurrently = len(statements) == 1 and "concurrently" in statements[0].words
    kept = 0 if error.code and not own and not concurrently else None
    return Failure(migration, error, position, kept, concurrently)


def _one_by_one(
    migration: Migration, statements: Sequence[Statement], open_session: Callable[[], Session]
) -> Failure | None:
    with open_session() as session:
        for number, statement in enumerate(statements):
            failed = _send(session, statement.text)
            if failed is not None:
                error = failed.error
                position = statement.offset + (error.position or 1)
                concurrently = "concurrently" in statement.words
                return Failure(migration, error, position, number if error.code else None, concurrently)
    return None


def _send(session: Session, text: str) -> QueryError | None:
    try:
        session.script(text)
        if session.in_transaction:
            error = ServerError("ERROR", "", "the script begins a transaction and does not end it: add COMMIT")
            raise QueryError(error, "")
    except QueryError as failed:
        return failed
    return None


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
