# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database is at: open transactions, waiting sessions, forgotten slots, and an order of texts that changed."""

from __future__ import annotations

from typing import Any

from ..postgres import Session

_SLOTS = """
SELECT slot_name AS name, active,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint AS bytes
FROM pg_replication_slots WHERE NOT pg_is_in_recovery() ORDER BY 1
"""
#: But what is at work for hours by its nature: a dump, migrations and indexes, and what cleans.
_OPEN = """
SELECT pid, coalesce(usename, '?') AS role, application_name AS application,
       state LIKE 'idle in transaction%' AS idle, (clock_timestamp() - xact_start)::interval(0)::text AS age
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND (
    state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '5 minutes'
    OR xact_start < clock_timestamp() - interval '1 hour' AND application_name NOT IN ('pg_dump', 'pg_restore')
       AND application_name NOT LIKE 'firstbell%' AND pid NOT IN (
           SELECT pid FROM pg_stat_progress_vacuum UNION ALL SELECT pid FROM pg_stat_progress_create_index
           UNION ALL SELECT pid FROM pg_stat_progress_analyze UNION ALL SELECT pid FROM pg_stat_progress_cluster))
ORDER BY xact_start
"""
#: Where the system's library orders texts otherwise than when the indexes were made.
_ORDERS = """
SELECT 'the collation ' || oid::regcollation AS name, collversion AS made, pg_collation_actual_version(oid) AS has,
       format('REINDEX DATABASE %I; ALTER COLLATION %s REFRESH VERSION', current_database(), oid::regcollation) AS fix
FROM pg_collation c WHERE collversion <> pg_collation_actual_version(oid)
                      AND EXISTS (SELECT FROM pg_attribute WHERE attcollation = c.oid AND attrelid >= 16384)
"""
_ORDERS_OF_DATABASES = """
UNION ALL
SELECT 'the database ' || quote_ident(datname), datcollversion, pg_database_collation_actual_version(oid),
       CASE datname WHEN current_database() THEN format('REINDEX DATABASE %I; ', datname) ELSE '' END
       || format('ALTER DATABASE %I REFRESH COLLATION VERSION', datname)
FROM pg_database
WHERE datname IN ('postgres', 'template1', current_database())
  AND datcollversion <> pg_database_collation_actual_version(oid)
"""
_ORDERS_SINCE = 150000
_BLOCKERS = """
SELECT b.pid, coalesce(b.usename, 'the server') AS role, b.application_name AS application, count(*)::int AS waiting
FROM pg_stat_activity w CROSS JOIN unnest(pg_blocking_pids(w.pid)) AS by(pid) JOIN pg_stat_activity b ON b.pid = by.pid
WHERE w.wait_event_type = 'Lock' AND w.query_start < clock_timestamp() - interval '5 seconds'
  AND cardinality(pg_blocking_pids(b.pid)) = 0
GROUP BY 1, 2, 3 ORDER BY 1
"""


def gather(session: Session, version: int) -> dict[str, Any]:
    """``version``: the server's, as in 170006."""
    return {
        "slots": session.query(_SLOTS),
        "open": session.query(_OPEN),
        "orders": session.query(_ORDERS + (_ORDERS_OF_DATABASES if version >= _ORDERS_SINCE else "")),
        "blockers": session.query(_BLOCKERS),
    }
