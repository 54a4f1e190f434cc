# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the application's tables, indexes and migrations, each with the statement that mends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..postgres import Session
from ..prisma import Ledger

#: A rule against UPDATE and DELETE is meant so on a table whose grants are the user's, such as a log; that a table of
#: theirs is closed by row-level security as well. To its owner it is open.
_WEAK_TABLES = """
WITH own AS (
    SELECT c.*, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND n.nspname NOT LIKE 'pg\\_temp\\_%%'
), options AS (
    SELECT name, reltuples, option, split_part(option, '=', 1) AS key, split_part(option, '=', 2) AS value
    FROM own CROSS JOIN unnest(reloptions) option
)
SELECT name, 'is unlogged: a crash empties it, and no backup has it' AS problem,
       'ALTER TABLE ' || name || ' SET LOGGED' AS fix
FROM own WHERE relpersistence = 'u'
UNION ALL
SELECT name, 'is never cleaned: autovacuum is off for it', 'ALTER TABLE ' || name || ' RESET (autovacuum_enabled)'
FROM options WHERE key = 'autovacuum_enabled' AND value ~* '^(f|of|n|0)'
UNION ALL
SELECT name, 'is hardly ever cleaned: ' || option, 'ALTER TABLE ' || name || ' RESET (' || key || ')'
FROM options
WHERE CASE key WHEN 'autovacuum_vacuum_threshold' THEN value::float >= greatest(1000000, reltuples)
               WHEN 'autovacuum_vacuum_scale_factor' THEN value::float >= 1 ELSE false END
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
ORDER BY 1, 2
"""
#: NOT ENFORCED is there from PostgreSQL 18 on; then only that of a foreign key can be taken back.
_UNPROVEN = """
WITH own AS (
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, k.contype AS kind,
           quote_ident(k.conname) AS label, pg_get_constraintdef(k.oid) AS definition
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT k.convalidated AND k.conislocal AND n.nspname NOT IN ('pg_catalog', 'information_schema')
)
SELECT name, 'has the constraint ' || label || CASE WHEN definition LIKE '%NOT ENFORCED' THEN ', which is not enforced'
           ELSE ', which was never proven for the rows of before (NOT VALID)' END AS problem,
       'ALTER TABLE ' || name || CASE WHEN definition NOT LIKE '%NOT ENFORCED' THEN ' VALIDATE CONSTRAINT ' || label
           WHEN kind = 'f' THEN ' ALTER CONSTRAINT ' || label || ' ENFORCED'
           ELSE ' DROP CONSTRAINT ' || label || ', ADD CONSTRAINT ' || label || ' '
                || replace(definition, ' NOT ENFORCED', '') END AS fix
FROM own ORDER BY 1, 2
"""
#: But those that a session is at work on: it is in the view of its progress, or has locked the index.
_INVALID_INDEXES = """
SELECT x.name, CASE WHEN x.relkind = 'I'
           THEN 'ALTER INDEX ' || x.name || ' ATTACH PARTITION name, for the index of each partition'
           WHEN x.relname ~ '_cc(new|old)[0-9]*$' OR NOT x.indislive THEN 'DROP INDEX CONCURRENTLY ' || x.name
           ELSE 'REINDEX INDEX CONCURRENTLY ' || x.name END AS fix
FROM (SELECT i.*, c.relname, c.relkind, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND n.nspname NOT LIKE 'pg\\_temp\\_%') x
WHERE NOT EXISTS (SELECT FROM pg_stat_progress_create_index p
                  WHERE p.datname = current_database() AND p.relid = x.indrelid)
  AND NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                  WHERE d.datname = current_database() AND l.relation = x.indexrelid
                    AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted)
ORDER BY 1
"""
#: What belongs to others; those of extensions aside, and sequences that go with their table.
_STRANGE_OWNERS = """
SELECT x.name, pg_get_userbyid(x.relowner) AS owner,
       'ALTER TABLE ' || x.name || ' OWNER TO ' || quote_ident(%(owner)s) AS fix
FROM (SELECT c.*, 'public.' || quote_ident(c.relname) AS name FROM pg_class c
      WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')) x
WHERE pg_get_userbyid(x.relowner) <> ALL(%(owners)s::text[])
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid
                  AND (d.deptype = 'e' OR (x.relkind = 'S' AND d.deptype IN ('a', 'i'))))
ORDER BY 1
"""


def gather(session: Session, expected: Mapping[str, Any]) -> dict[str, Any]:
    """What is wrong in the database that the session is in."""
    owners = [expected["owner_role"], *expected["roles_extra"]]
    if expected["app_role_creates_tables"]:
        owners.append(expected["app_role"])
    own = {"revoked": list(expected["app_role_revoked"]), "app": expected["app_role"]}
    return {
        "weak_tables": session.query(_WEAK_TABLES, own),
        "unproven": session.query(_UNPROVEN),
        "invalid_indexes": session.query(_INVALID_INDEXES),
        "strange_owners": session.query(_STRANGE_OWNERS, {"owner": expected["owner_role"], "owners": owners}),
        "migrations": gather_migrations(Ledger(session, "public")),
    }


def gather_migrations(ledger: Ledger) -> dict[str, Any] | None:
    """Those of Prisma's ledger that are applied, and that have failed; None without a ledger."""
    before, rows, after = ledger.holder(), ledger.rows(), ledger.holder()
    if rows is None:
        return None
    failed = [
        {"name": row.name, "started_at": row.started_at, "log": row.logs} for row in rows if row.state == "failed"
    ]
    return {
        "applied": sum(row.state == "applied" for row in rows),
        # What is under way looks as if it had failed.
        "failed": [] if before or after else failed,
    }
