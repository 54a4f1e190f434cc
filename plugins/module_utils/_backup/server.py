# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server over its socket: the live one, or one that was restored."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from .._core.backup_check import ServerFacts
from .._core.errors import FirstbellError
from .._io import postgres

_POLL = 0.25
_LOGIN: dict[str, Any] = {
    **{name: option.get("default") for name, option in postgres.ARGUMENTS.items()},
    "login_user": "postgres",
    "connect_timeout": "5s",
}
_MARKERS = """
    CREATE SCHEMA IF NOT EXISTS firstbell;
    CREATE TABLE IF NOT EXISTS firstbell.restore_marker (
        id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
    COMMENT ON TABLE firstbell.restore_marker IS 'Rows that rehearsed restores must find again';
"""
_TABLES = """
    SELECT current_database() || '.' || n.nspname || '.' || c.relname AS name,
           n.nspname AS schema, c.relname AS relation, pg_table_size(c.oid) AS bytes
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname <> 'pg_toast' AND NOT (n.nspname = 'firstbell' AND c.relname = 'restore_marker')
    ORDER BY 1
"""


class Server:
    """Sessions with the server whose socket is in that directory on this host."""

    def __init__(self, socket: str) -> None:
        self.socket = socket

    def session(self, database: str = "postgres") -> postgres.Session:
        """A session of the superuser; raises ConnectError."""
        login = {**_LOGIN, "login_unix_socket": self.socket, "login_db": database}
        return postgres.connect(login, application="firstbell-backup")

    def value(self, query: str, *parameters: object, database: str = "postgres") -> Any:
        """The only value of the only row."""
        with self.session(database) as session:
            return next(iter(session.query(query, parameters or None)[0].values()))

    def writable(self) -> bool:
        """Whether it takes writes."""
        try:
            return not self.value("SELECT pg_is_in_recovery()")
        except (postgres.ConnectError, postgres.QueryError):
            return False

    def archiver(self) -> ServerFacts:
        """How its archiving is."""
        with self.session() as session:
            row = session.query("""
                SELECT extract(epoch FROM clock_timestamp())::float8 AS now,
                       (SELECT system_identifier FROM pg_control_system()) AS system_id,
                       current_setting('archive_mode') AS mode, current_setting('archive_command') AS command,
                       extract(epoch FROM current_setting('archive_timeout')::interval)::float8 AS timeout,
                       coalesce(last_archived_wal, '') AS last_archived_wal,
                       coalesce(extract(epoch FROM last_archived_time), 0)::float8 AS last_archived,
                       coalesce(last_failed_wal, '') AS last_failed_wal,
                       coalesce(extract(epoch FROM last_failed_time), 0)::float8 AS last_failed,
                       failed_count AS failed,
                       (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') AS waiting,
                       coalesce((SELECT extract(epoch FROM min(modification)) FROM pg_ls_archive_statusdir()
                                 WHERE name LIKE '%.ready'), 0)::float8 AS oldest_waiting,
                       extract(epoch FROM pg_postmaster_start_time())::float8 AS started
                FROM pg_stat_archiver
            """)[0]
        return ServerFacts(**row)

    def databases(self) -> list[str]:
        with self.session() as session:
            return [
                row["datname"] for row in session.query("SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1")
            ]

    def mark(self, marker: str, keep_days: int) -> float:
        """Commit a marker and name the point after it; the time of the commit."""
        with self.session() as session:
            session.script(_MARKERS)
            session.query(
                "DELETE FROM firstbell.restore_marker WHERE at < now() - make_interval(days => %s)", (keep_days,)
            )
            session.query("INSERT INTO firstbell.restore_marker (id) VALUES (%s)", (marker,))
            committed = time.time()
            session.query("SELECT pg_create_restore_point(%s)", (marker,))
        return committed

    def markers(self) -> dict[str, float]:
        """Markers and when they were written."""
        with self.session() as session:
            if not session.query(
                "SELECT 1 FROM pg_tables WHERE schemaname = 'firstbell' AND tablename = 'restore_marker'"
            ):
                return {}
            rows = session.query("SELECT id, extract(epoch FROM at)::float8 AS at FROM firstbell.restore_marker")
        return {row["id"]: row["at"] for row in rows}

    def write(self) -> None:
        """Commit something, to prove that it can."""
        with self.session() as session:
            session.script(_MARKERS)
            session.query("INSERT INTO firstbell.restore_marker (id) VALUES ('written-' || gen_random_uuid())")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[dict[str, postgres.Session]]:
        """A session in each database, all of which see the rows of this moment."""
        with contextlib.ExitStack() as stack:
            sessions = {}
            for database in self.databases():
                session = stack.enter_context(self.session(database))
                session.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                session.query("SELECT 1")
                sessions[database] = session
            yield sessions


def count_rows(sessions: dict[str, postgres.Session], limit: int) -> tuple[dict[str, int], int]:
    """Rows of every table that is not larger than ``limit`` bytes, and the number of those that are."""
    counts, larger = {}, 0
    for session in sessions.values():
        session.query("SET max_parallel_workers_per_gather = 0")
        session.query("SET statement_timeout = 0")
        for table in session.query(_TABLES):
            if table["bytes"] > limit:
                larger += 1
                continue
            query = postgres.compose("SELECT count(*) AS rows FROM {table}", table=(table["schema"], table["relation"]))
            counts[table["name"]] = session.query(query)[0]["rows"]
    return counts, larger


def wait_until(condition: Callable[[], bool], patience: float, what: str) -> None:
    """Return when the condition holds; raises FirstbellError when it does not in time."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise FirstbellError(f"{what} after {patience:.0f} s")
        time.sleep(_POLL)
