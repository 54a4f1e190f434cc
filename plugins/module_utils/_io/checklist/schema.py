# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the application's tables, indexes and migrations, each with the statement that mends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..._core.definitions import drift, meant
from ..._core.index_sql import literal
from ..._core.prisma import ADVISORY_LOCK, states_of
from .. import definitions
from ..postgres import QueryError, Session
from ..prisma import Ledger

#: A rule against UPDATE and DELETE is meant so on a table whose grants are the user's, such as a log; that a table of
#: theirs is closed by row-level security as well. To its owner it is open. So is what the migrations have made so.
_WEAK_TABLES = """
WITH own AS (
    SELECT c.*, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND n.nspname NOT LIKE 'pg\\_temp\\_%%'
), options AS (
    SELECT name, reltuples, option, split_part(option, '=', 1) AS key, split_part(option, '=', 2) AS value
    FROM own CROSS JOIN unnest(reloptions) option
    WHERE 'option ' || name || ' ' || split_part(option, '=', 1) <> ALL(%(meant)s::text[])
)
SELECT name, 'is unlogged: a crash empties it, and no backup has it' AS problem,
       'ALTER TABLE ' || name || ' SET LOGGED' AS fix
FROM own WHERE relpersistence = 'u' AND 'UNLOGGED ' || name || ' ' || name <> ALL(%(meant)s::text[])
UNION ALL
SELECT x.name, 'is unlogged: after a crash it begins anew', 'ALTER SEQUENCE ' || x.name || ' SET LOGGED'
FROM (SELECT c.oid, c.relpersistence, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S') x
WHERE relpersistence = 'u' AND 'UNLOGGED ' || name || ' ' || name <> ALL(%(meant)s::text[])
  AND NOT EXISTS (SELECT FROM pg_depend d JOIN own ON own.oid = d.refobjid
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid AND own.relpersistence = 'u')
UNION ALL
SELECT name, 'is never cleaned: autovacuum is off for it', 'ALTER TABLE ' || name || ' RESET (autovacuum_enabled)'
FROM options WHERE key = 'autovacuum_enabled' AND value ~* '^(f|of|n|0)'
UNION ALL
SELECT name, 'is hardly ever cleaned: ' || option, 'ALTER TABLE ' || name || ' RESET (' || key || ')'
FROM options
WHERE CASE key WHEN 'autovacuum_vacuum_threshold' THEN value::float >= greatest(1000000, reltuples)
               WHEN 'autovacuum_vacuum_scale_factor' THEN value::float >= 1 ELSE false END
UNION ALL
SELECT name, 'hardly ever gets new statistics: ' || option, 'ALTER TABLE ' || name || ' RESET (' || key || ')'
FROM options
WHERE CASE key WHEN 'autovacuum_analyze_threshold' THEN value::float >= greatest(1000000, reltuples)
               WHEN 'autovacuum_analyze_scale_factor' THEN value::float >= 1 ELSE false END
UNION ALL
SELECT own.name, 'has no statistics of ' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                 || ', so the planner guesses',
       'ALTER TABLE ' || own.name || string_agg(' ALTER COLUMN ' || quote_ident(a.attname) || ' SET STATISTICS -1', ','
                                                ORDER BY a.attnum)
FROM own JOIN pg_attribute a ON a.attrelid = own.oid
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget = 0
  AND 'statistics target ' || own.name || ' ' || quote_ident(a.attname) <> ALL(%(meant)s::text[]) GROUP BY own.name
UNION ALL
SELECT own.name, 'has triggers that ' || CASE t.tgenabled WHEN 'D' THEN 'are switched off, '
                 ELSE 'only a replica fires, ' END || string_agg(t.tgname, ', ' ORDER BY t.tgname),
       'ALTER TABLE ' || own.name || string_agg(' ENABLE TRIGGER ' || quote_ident(t.tgname), ',' ORDER BY t.tgname)
FROM own JOIN pg_trigger t ON t.tgrelid = own.oid WHERE t.tgenabled IN ('D', 'R') GROUP BY own.name, t.tgenabled
UNION ALL
SELECT own.name, 'has the rule ' || quote_ident(r.rulename) || ', which takes the place of every '
                 || CASE r.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' ELSE 'DELETE' END,
       'DROP RULE ' || quote_ident(r.rulename) || ' ON ' || own.name
FROM own JOIN pg_rewrite r ON r.ev_class = own.oid
WHERE r.ev_type IN ('2', '3', '4') AND r.is_instead AND r.ev_enabled IN ('O', 'A')
  AND NOT (r.ev_type IN ('2', '4') AND own.relname = ANY(%(revoked)s::text[]))
UNION ALL
SELECT name, 'shows the application no row and takes none: row-level security is on, and there is no policy',
       'ALTER TABLE ' || name || ' DISABLE ROW LEVEL SECURITY'
FROM own WHERE relrowsecurity AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = own.oid)
  AND relname <> '_prisma_migrations' AND relname <> ALL(%(revoked)s::text[])
  AND (relforcerowsecurity OR pg_get_userbyid(relowner) <> %(app)s)
  AND 'row-level security ' || name || ' ' || name <> ALL(%(meant)s::text[])
ORDER BY 1, 2
"""
#: Beside public, those in which the migrations have made tables.
_SCHEMAS = """
SELECT quote_ident(nspname) AS name FROM pg_namespace n
WHERE nspname <> 'public' AND EXISTS (
    SELECT FROM pg_class c
    WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND pg_get_userbyid(c.relowner) = %(owner)s)
ORDER BY 1
"""
#: What lies outside of the data directory, the emptied place last. Sequences never do.
_ELSEWHERE = """
WITH place AS (
    SELECT oid, quote_ident(spcname) AS label,
           'the tablespace ' || quote_ident(spcname) || ' (' || pg_tablespace_location(oid) || '), which no backup '
           'has, and which the next container of the database lacks' AS lost
    FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')
), own AS (
    SELECT c.reltablespace, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
           CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW ' WHEN 'i' THEN 'INDEX ' WHEN 'I' THEN 'INDEX '
           ELSE 'TABLE ' END AS kind
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND n.nspname <> 'pg_toast' AND n.nspname NOT LIKE 'pg\\_temp\\_%'
), found AS (
    SELECT 1 AS step, own.name, 'lies in ' || lost AS problem,
           'ALTER ' || kind || own.name || ' SET TABLESPACE pg_default' AS fix
    FROM own JOIN place ON place.oid = own.reltablespace
    UNION ALL
    SELECT 2, 'the database ' || quote_ident(datname), 'lies in ' || lost || format('; in the database postgres: '
           'ALTER DATABASE %1$I ALLOW_CONNECTIONS false; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE '
           'datname = %1$L; ALTER DATABASE %1$I SET TABLESPACE pg_default; ALTER DATABASE %1$I ALLOW_CONNECTIONS true',
           datname), ''
    FROM pg_database JOIN place ON place.oid = dattablespace
    UNION ALL
    SELECT 3, 'the server', 'has ' || lost, 'DROP TABLESPACE ' || label
    FROM place WHERE NOT EXISTS (SELECT FROM pg_database WHERE dattablespace = place.oid)
)
SELECT name, problem, fix FROM found ORDER BY step, name
"""
#: NOT ENFORCED is there from PostgreSQL 18 on; then only that of a foreign key can be taken back.
_UNPROVEN = """
WITH own AS (
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, k.contype AS kind,
           quote_ident(k.conname) AS label, pg_get_constraintdef(k.oid) AS definition
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT k.convalidated AND k.conislocal AND n.nspname NOT IN ('pg_catalog', 'information_schema')
)
SELECT name, 'has the constraint ' || label || CASE WHEN definition LIKE '%%NOT ENFORCED' THEN ', which is not enforced'
           ELSE ', which was never proven for the rows of before (NOT VALID)' END AS problem,
       'ALTER TABLE ' || name || CASE WHEN definition NOT LIKE '%%NOT ENFORCED' THEN ' VALIDATE CONSTRAINT ' || label
           WHEN kind = 'f' THEN ' ALTER CONSTRAINT ' || label || ' ENFORCED'
           ELSE ' DROP CONSTRAINT ' || label || ', ADD CONSTRAINT ' || label || ' '
                || replace(definition, ' NOT ENFORCED', '') END AS fix
FROM own WHERE 'NOT VALID ' || name || ' ' || label <> ALL(%(meant)s::text[]) ORDER BY 1, 2
"""
#: What only a superuser makes, extensions aside. Logical replication is the user's where wal_level says so, and a
#: database that belongs to a role of theirs.
_STRANGERS = """
SELECT 'the function ' || p.oid::regprocedure AS name,
       'runs as the superuser ' || pg_get_userbyid(p.proowner) || ' for whoever calls it (SECURITY DEFINER)' AS problem,
       'ALTER ROUTINE ' || p.oid::regprocedure || ' SECURITY INVOKER' AS fix, 'pg_proc'::regclass AS class, p.oid
FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.prosecdef AND r.rolsuper
UNION ALL
SELECT 'the event trigger ' || quote_ident(evtname), 'runs at every change of the tables',
       'DROP EVENT TRIGGER ' || quote_ident(evtname), 'pg_event_trigger'::regclass, oid
FROM pg_event_trigger
UNION ALL
SELECT 'the publication ' || quote_ident(pubname), 'refuses changes of tables without a key, and hands rows out',
       'DROP PUBLICATION ' || quote_ident(pubname), 'pg_publication'::regclass, oid
FROM pg_publication WHERE NOT %(logical)s
UNION ALL
SELECT 'the subscription ' || quote_ident(subname), 'takes rows from another server',
       format('ALTER SUBSCRIPTION %%1$I DISABLE; ALTER SUBSCRIPTION %%1$I SET (slot_name = NONE); '
              'DROP SUBSCRIPTION %%1$I', subname), 'pg_subscription'::regclass, oid
FROM pg_subscription
WHERE NOT %(logical)s AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL
SELECT 'the database ' || quote_ident(datname), 'belongs to ' || pg_get_userbyid(datdba),
       format('ALTER DATABASE %%I OWNER TO %%I', datname, %(owner)s::text), 'pg_database'::regclass, oid
FROM pg_database WHERE datname = current_database() AND pg_get_userbyid(datdba) <> %(owner)s
UNION ALL
SELECT 'the database ' || quote_ident(datname), 'is not the stack''s, and whoever may log in may connect to it; drop '
       'it, or close it; what is yours: give it to a role of postgres_roles_extra',
       'ALTER DATABASE ' || quote_ident(datname) || ' ALLOW_CONNECTIONS false', 'pg_database'::regclass, oid
FROM pg_database WHERE datallowconn AND datname NOT IN ('postgres', 'template0', 'template1', current_database())
  AND pg_get_userbyid(datdba) <> ALL(%(extra)s::text[])
"""
_OF_NO_EXTENSION = """
SELECT name, problem, fix FROM ({strangers}) s
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = s.class AND d.objid = s.oid AND d.deptype = 'e')
ORDER BY 1
"""
#: Sequences of columns whose highest value an index knows. Their next number is asked for after the rows are: it only
#: grows meanwhile.
_SEQUENCES = """
SELECT s.oid::regclass::text AS name, t.oid::regclass::text AS table, quote_ident(a.attname) AS column, q.seqincrement,
       least(q.seqmax, CASE a.atttypid WHEN 'int2'::regtype THEN 32767
                       WHEN 'int4'::regtype THEN 2147483647 ELSE q.seqmax END) AS most,
       CASE WHEN 'int2'::regtype IN (a.atttypid, q.seqtypid) THEN 32767
            WHEN 'int4'::regtype IN (a.atttypid, q.seqtypid) THEN 2147483647 ELSE 9223372036854775807 END AS widest
FROM pg_sequence q JOIN pg_class s ON s.oid = q.seqrelid
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype IN ('a', 'i')
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE q.seqincrement > 0 AND NOT q.seqcycle AND t.relkind = 'r' AND a.atttypid IN ('int2'::regtype, 'int4'::regtype,
      'int8'::regtype) AND EXISTS (
    SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE i.indrelid = t.oid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree')
ORDER BY 1
"""
_STAND = """
SELECT {name} AS name, {table} AS table, {most}::bigint AS most, {widest}::bigint AS widest,
       (SELECT coalesce(max({column}), 0)::bigint FROM ONLY {of}) AS highest,
       (SELECT last_value + CASE WHEN is_called THEN {step} ELSE 0 END FROM {sequence}) AS next
"""
_LOCKED = "55P03"  # lock_not_available
#: But those that a session is at work on: it is in the view of its progress, or has locked the index. A unique one is
#: what a CREATE has left that met rows which are alike; where it is needed, it is missing once it is gone.
_INVALID_INDEXES = """
SELECT x.name, CASE WHEN x.relkind = 'I'
           THEN 'ALTER INDEX ' || x.name || ' ATTACH PARTITION name, for the index of each partition'
           WHEN x.relname ~ '_cc(new|old)[0-9]*$' OR NOT x.indislive OR x.indisunique AND NOT x.of_constraint
           THEN 'DROP INDEX CONCURRENTLY ' || x.name
           ELSE 'REINDEX INDEX CONCURRENTLY ' || x.name END AS fix
FROM (SELECT i.*, c.relname, c.relkind, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
             EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AS of_constraint
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND n.nspname NOT LIKE 'pg\\_temp\\_%') x
WHERE NOT EXISTS (SELECT FROM pg_stat_progress_create_index p
                  WHERE p.datname = current_database() AND p.relid = x.indrelid)
  AND NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                  WHERE d.datname = current_database() AND l.relation = x.indexrelid
                    AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted)
ORDER BY 1
"""
#: After this time without a statement of its own or of a migration, nobody is at work who has Prisma's lock.
FORGOTTEN_SECONDS = 60
#: This collection's ledger has the lock and waits while another session migrates; Prisma's own session does both.
_HOLDERS = """
SELECT a.pid, coalesce(a.usename, '?') AS role, a.application_name AS application,
       a.backend_start::timestamptz(0)::text AS since,
       a.state = 'active' OR a.state_change > clock_timestamp() - %(seconds)s * interval '1 second' OR EXISTS (
           SELECT FROM pg_stat_activity m
           WHERE m.datid = a.datid AND m.state = 'active' AND m.application_name = 'firstbell migration') AS at_work
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.classid = 0 AND l.objid = %(lock)s AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1
"""
#: What belongs to others, in any schema; those of extensions aside, and sequences that go with their table.
_STRANGE_OWNERS = """
SELECT x.name, pg_get_userbyid(x.relowner) AS owner,
       'ALTER TABLE ' || x.name || ' OWNER TO ' || quote_ident(%(owner)s) AS fix
FROM (SELECT c.*, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_temp\\_%%'
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')) x
WHERE pg_get_userbyid(x.relowner) <> ALL(%(owners)s::text[])
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid
                  AND (d.deptype = 'e' OR (x.relkind = 'S' AND d.deptype IN ('a', 'i'))))
ORDER BY 1
"""


def gather(session: Session, expected: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """What is wrong in the database that the session is in, and is not so since the last migration."""
    owners = [expected["owner_role"], *expected["roles_extra"]]
    if expected["app_role_creates_tables"]:
        owners.append(expected["app_role"])
    own = {"revoked": list(expected["app_role_revoked"]), "app": expected["app_role"], "meant": meant(kept)}
    told = {
        "owner": expected["owner_role"],
        "extra": list(expected["roles_extra"]),
        "logical": expected["settings"].get("wal_level") == "logical",
    }
    return {
        "strangers": session.query(_OF_NO_EXTENSION.replace("{strangers}", _STRANGERS), told),
        "sequences": _sequences(session),
        "weak_tables": [*session.query(_WEAK_TABLES, own), *session.query(_ELSEWHERE)],
        "schemas": [row["name"] for row in session.query(_SCHEMAS, told)],
        "unproven": session.query(_UNPROVEN, own),
        "invalid_indexes": session.query(_INVALID_INDEXES),
        "strange_owners": session.query(_STRANGE_OWNERS, {"owner": expected["owner_role"], "owners": owners}),
        "migrations": gather_migrations(session),
    }


def _sequences(session: Session) -> list[dict[str, Any]]:
    """The next number of each, and the highest of its column."""
    stands = [
        _STAND.format(
            name=literal(row["name"]),
            sequence=row["name"],
            table=literal(row["table"]),
            of=row["table"],
            column=row["column"],
            most=row["most"],
            widest=row["widest"],
            step=row["seqincrement"],
        )
        for row in session.query(_SEQUENCES)
    ]
    return _unless_locked(lambda: session.query(" UNION ALL ".join(stands)) if stands else [])


def _unless_locked(look: Callable[[], list[Any]]) -> list[Any]:
    """What is found; nothing where one of the tables is locked, as who has locked it is told elsewhere."""
    try:
        return look()
    except QueryError as error:
        if error.error.code != _LOCKED:
            raise
        return []


def gather_drift(session: Session, kept: Mapping[str, Any], app: str, owner: str) -> list[dict[str, str]]:
    """What is otherwise in the schema than after its last migration; nothing where that was not kept."""
    if not kept:
        return []
    rows = Ledger(session, "public").rows()
    ledger = None if rows is None else states_of(rows)
    return _unless_locked(lambda: drift(kept, ledger, definitions.look(session, "public"), app, owner))


def is_kept(session: Session, kept: Mapping[str, Any]) -> bool:
    """Whether it is known what the schema was after its last migration, where there was one."""
    return not set(Ledger(session, "public").checksums()) - set(kept.get("migrations", {}))


def gather_migrations(session: Session) -> dict[str, Any] | None:
    """Those of Prisma's ledger that are applied, that have failed, and who keeps others from it; None without one."""
    before, rows, after = _holders(session), Ledger(session, "public").rows(), _holders(session)
    if rows is None:
        return None
    failed = [
        {"name": row.name, "started_at": row.started_at, "log": row.logs} for row in rows if row.state == "failed"
    ]
    # What is under way looks as if it had failed.
    at_work = [one for one in (*before, *after) if one["at_work"]]
    return {
        "applied": sum(row.state == "applied" for row in rows),
        "failed": [] if at_work else failed,
        "begun": [one["name"] for one in failed] if at_work else [],
        "holders": [one for one in after if one["pid"] in [other["pid"] for other in before]],
    }


def _holders(session: Session) -> list[dict[str, Any]]:
    return session.query(_HOLDERS, {"lock": ADVISORY_LOCK, "seconds": FORGOTTEN_SECONDS})
