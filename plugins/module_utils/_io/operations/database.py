# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: what its sessions do now, and what it has counted."""

from __future__ import annotations

from typing import Any

from .. import postgres

_ACTIVITY = """
SELECT pid, coalesce(usename, '') AS role, coalesce(application_name, '') AS application,
       coalesce(datname, '') AS database, coalesce(state, '') AS state,
       coalesce(wait_event_type, '') AS wait, coalesce(wait_event, '') AS event,
       coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 AS transaction_seconds,
       coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float8 AS query_seconds,
       coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)::float8 AS state_seconds,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END AS blocked_by,
       -- Not known for the first moment of a wait.
       coalesce(extract(epoch FROM clock_timestamp() - waits.since), 0)::float8 AS lock_seconds,
       left(query, 1000) AS query
FROM pg_stat_activity
LEFT JOIN (SELECT pid, min(waitstart) AS since FROM pg_locks WHERE NOT granted GROUP BY pid) AS waits USING (pid)
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_SERVER = """
SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS recovering,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
       current_setting('autovacuum')::bool AS autovacuum,
       -- What the server lets pass between two checkpoints (CalculateCheckpointSegments in xlog.c).
       pg_size_bytes(current_setting('max_wal_size'))
       / (1 + current_setting('checkpoint_completion_target')::float8) AS wal_room,
       pg_size_bytes(current_setting('wal_segment_size'))::float8 AS wal_segment,
       extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS up_seconds,
       (SELECT max(age(datfrozenxid))::int FROM pg_database) AS oldest_transaction,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'autovacuum worker') AS vacuums
"""
_COUNTERS = """
SELECT sum(blks_hit)::float8 AS hit, sum(blks_read)::float8 AS read, sum(temp_files)::float8 AS temporary_files,
       sum(temp_bytes)::float8 AS temporary_bytes, sum(deadlocks)::float8 AS deadlocks,
       sum(xact_commit)::float8 AS commits, sum(xact_rollback)::float8 AS rollbacks,
       sum(blk_read_time)::float8 / 1000 AS read_seconds,
       CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') END::float8 AS wal
FROM pg_stat_database
"""
#: Sizes are those that the last vacuum or ANALYZE saw: to ask for the real ones takes a lock on every table.
_TABLES = """
SELECT s.schemaname AS schema, s.relname AS name, s.n_live_tup::float8 AS live, s.n_dead_tup::float8 AS dead,
       s.n_mod_since_analyze::float8 AS changed,
       c.relpages::float8 * current_setting('block_size')::int AS bytes,
       s.seq_tup_read::float8 AS scanned,
       extract(epoch FROM clock_timestamp() - greatest(s.last_analyze, s.last_autoanalyze))::float8 AS analyzed_seconds,
       extract(epoch FROM clock_timestamp() - greatest(s.last_vacuum, s.last_autovacuum))::float8 AS vacuumed_seconds
FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
ORDER BY c.relpages DESC LIMIT 500
"""
#: The column was called mean_time before PostgreSQL 13.
_STATEMENTS = """
SELECT concat_ws(' ', s.queryid, r.rolname, s.toplevel) AS id, s.queryid::text AS query_id,
       s.calls::float8 AS calls, s.total_exec_time / 1000 AS total_seconds, s.mean_exec_time / 1000 AS mean_seconds,
       s.max_exec_time / 1000 AS max_seconds, s.rows::float8 AS rows,
       r.rolname AS role, left(s.query, 1000) AS query
FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY s.total_exec_time DESC
"""
_SINCE = "SELECT extract(epoch FROM stats_reset)::float8 AS since FROM pg_stat_statements_info"
_NO_STATISTICS = ("42P01", "55000")  # undefined_table, object_not_in_prerequisite_state
_LIMITS = {"statement_timeout": "15s", "lock_timeout": "2s", "default_transaction_read_only": "on"}
_APPLICATION = "firstbell operations"


def session(socket: str, database: str, read_only: bool = True) -> postgres.Session:
    """A session of the superuser that waits for nobody; raises ConnectError."""
    defaults = {name: option.get("default") for name, option in postgres.ARGUMENTS.items()}
    login = {**defaults, "login_unix_socket": socket, "login_db": database, "connect_timeout": "5s"}
    return postgres.connect(login, _LIMITS if read_only else {}, application=_APPLICATION)


def gather(socket: str, database: str) -> dict[str, Any]:
    """Everything that is cheap to see."""
    with session(socket, database) as connection:
        server = connection.query(_SERVER)[0]
        return {
            **server,
            "activity": connection.query(_ACTIVITY),
            "counters": connection.query(_COUNTERS)[0],
            "tables": connection.query(_TABLES),
            **_statements(connection),
        }


def _statements(connection: postgres.Session) -> dict[str, Any]:
    """What pg_stat_statements has counted, and since when; None where it is not there."""
    try:
        return {
            "statements": connection.query(_STATEMENTS),
            "statements_since": connection.query(_SINCE)[0]["since"],
        }
    except postgres.QueryError as error:
        if error.error.code not in _NO_STATISTICS:
            raise
        return {"statements": None, "statements_since": 0.0}


def analyze(socket: str, database: str, schema: str, table: str) -> None:
    """ANALYZE one table; gives way to whoever locks it. Raises QueryError."""
    with session(socket, database, read_only=False) as connection:
        connection.set({"lock_timeout": "5s", "statement_timeout": "10min"})
        connection.query(postgres.compose("ANALYZE {table}", table=(schema, table)))
