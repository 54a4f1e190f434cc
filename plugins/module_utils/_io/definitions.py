# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions of what migrations make in a schema, and the file in which they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._core.definitions import record
from . import system
from .postgres import Session

#: Of extensions and of partitions that follow their table, nothing; primary keys before what refers to them.
_DEFINITIONS = """
WITH own AS (
    SELECT c.*, c.oid::regclass::text AS label FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relname <> '_prisma_migrations'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e')
), col AS (
    SELECT o.label, quote_ident(a.attname) AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
           a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid) AS value
    FROM own o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum
    WHERE o.relkind IN ('r', 'p') AND NOT o.relispartition
), found AS (
    SELECT 1 AS place, 'column' AS kind, label AS "table", name, type AS text,
           format('ALTER TABLE %%s ALTER COLUMN %%s TYPE %%s', label, name, type) AS make, '' AS drop, '' AS owner
    FROM col
    UNION ALL
    SELECT 2, 'NOT NULL', label, name, '', format('ALTER TABLE %%s ALTER COLUMN %%s SET NOT NULL', label, name),
           format('ALTER TABLE %%s ALTER COLUMN %%s DROP NOT NULL', label, name), ''
    FROM col WHERE attnotnull
    UNION ALL
    SELECT 2, 'default', label, name, value,
           format('ALTER TABLE %%s ALTER COLUMN %%s SET DEFAULT %%s', label, name, value),
           format('ALTER TABLE %%s ALTER COLUMN %%s DROP DEFAULT', label, name), ''
    FROM col WHERE value IS NOT NULL AND attgenerated = ''
    UNION ALL
    SELECT CASE WHEN k.contype IN ('p', 'u') THEN 3 ELSE 5 END, 'constraint', o.label, quote_ident(k.conname),
           pg_get_constraintdef(k.oid),
           format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', o.label, k.conname, pg_get_constraintdef(k.oid)),
           format('ALTER TABLE %%s DROP CONSTRAINT %%I', o.label, k.conname), ''
    FROM pg_constraint k JOIN own o ON o.oid = k.conrelid
    WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conislocal AND k.conparentid = 0
    UNION ALL
    SELECT 4, 'unique index', t.label,
           replace(pg_get_indexdef(i.indexrelid), quote_ident(o.relname) || ' ON ', 'ON '), '',
           'DROP INDEX IF EXISTS ' || o.label || '; ' || pg_get_indexdef(i.indexrelid), 'DROP INDEX ' || o.label, ''
    FROM pg_index i JOIN own o ON o.oid = i.indexrelid JOIN own t ON t.oid = i.indrelid
    WHERE i.indisunique AND NOT o.relispartition
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 7, 'trigger', o.label, quote_ident(t.tgname), pg_get_triggerdef(t.oid), pg_get_triggerdef(t.oid),
           format('DROP TRIGGER %%I ON %%s', t.tgname, o.label), ''
    FROM pg_trigger t JOIN own o ON o.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgparentid = 0
    UNION ALL
    SELECT 6, 'function', '', p.oid::regprocedure::text, pg_get_functiondef(p.oid), pg_get_functiondef(p.oid),
           'DROP ROUTINE ' || p.oid::regprocedure, pg_get_userbyid(p.proowner)
    FROM pg_proc p
    WHERE p.pronamespace = to_regnamespace(quote_ident(%(schema)s)) AND p.prokind IN ('f', 'p')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                      AND d.deptype = 'e')
    UNION ALL
    SELECT 8, 'view', '', label, pg_get_viewdef(oid), format('CREATE OR REPLACE VIEW %%s AS %%s', label,
           rtrim(pg_get_viewdef(oid), ';')), '', ''
    FROM own WHERE relkind = 'v'
    UNION ALL
    SELECT 9, 'row-level security', label, label, CASE WHEN relforcerowsecurity THEN 'forced' ELSE '' END,
           format('ALTER TABLE %%s ENABLE ROW LEVEL SECURITY', label)
           || CASE WHEN relforcerowsecurity THEN ', FORCE ROW LEVEL SECURITY' ELSE '' END,
           format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY', label), ''
    FROM own WHERE relrowsecurity
)
SELECT kind, "table", name, text, make, drop, owner FROM found ORDER BY place, "table", name
"""


def look(session: Session, schema: str) -> list[dict[str, str]]:
    """The definitions as they are, with the names of schemas, as nothing is in the search path from then on."""
    session.set({"search_path": "pg_catalog"})
    return session.query(_DEFINITIONS, {"schema": schema})


def read(path: str) -> dict[str, Any]:
    """What is kept; empty where nothing is, or nothing that can be read."""
    try:
        kept = json.loads(system.read_text(path) or "{}")
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def keep(session: Session, schema: str, path: str, migrations: Mapping[str, str]) -> bool:
    """Keep the definitions, unless those after the same migrations are kept already; whether they were not."""
    if read(path).get("migrations") == migrations:
        return False
    text = json.dumps(record(migrations, look(session, schema)), indent=1)
    system.write_text(path, f"{text}\n", 0o644)
    return True
