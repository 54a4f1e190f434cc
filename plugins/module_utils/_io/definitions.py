# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions of what migrations make in a schema, and the file in which they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._core.definitions import record, renewed
from .._core.index_sql import literal
from . import system
from .postgres import Session

#: Of extensions and of partitions that follow their table, nothing. In the order of what needs what; of views, that
#: in which they were made.
_DEFINITIONS = """
WITH own AS (
    SELECT c.*, c.oid::regclass::text AS label, quote_ident(pg_get_userbyid(c.relowner)) AS owner FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(quote_ident({schema})) AND c.relname <> '_prisma_migrations'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e')
), col AS (
    SELECT o.oid, o.label, o.relowner, quote_ident(a.attname) AS name, format_type(a.atttypid, a.atttypmod) AS type,
           a.attnum, a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid) AS value,
           a.attstattarget, a.attoptions,
           CASE WHEN a.attcollation <> y.typcollation THEN a.attcollation::regcollation::text END AS in_order
    FROM own o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type y ON y.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum
    WHERE o.relkind IN ('r', 'p') AND NOT o.relispartition
), seq AS (
    SELECT o.*, q.seqtypid, l.oid AS col_table, l.label AS col_label, l.attnum AS col_number, l.name AS col_name,
           format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', q.seqincrement, q.seqmin,
                  q.seqmax, q.seqstart, q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END) AS options,
           format('; SELECT setval(%L, greatest(%s', o.label, q.seqstart) AS beyond
    FROM own o JOIN pg_sequence q ON q.seqrelid = o.oid
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = o.oid AND d.refobjsubid > 0
                             AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    LEFT JOIN col l ON l.oid = d.refobjid AND l.attnum = d.refobjsubid
), highest AS (
    SELECT d.refobjid AS seq, string_agg(format(', (SELECT max(%s)::bigint + 1 FROM %s)', l.name, l.label), '') AS list
    FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid JOIN col l ON l.oid = f.adrelid AND l.attnum = f.adnum
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
      AND l.type IN ('smallint', 'integer', 'bigint')
    GROUP BY d.refobjid
), found AS (
    SELECT 0 AS place, 'extension' AS kind, '' AS "table", quote_ident(e.extname) AS name, '' AS text,
           format('SET ROLE %I; CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I; RESET ROLE', r.rolname, e.extname,
                  n.nspname) AS make, '' AS drop, r.rolname::text AS owner, '' AS id
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace JOIN pg_roles r ON r.oid = e.extowner
    WHERE NOT r.rolsuper
    UNION ALL
    SELECT 1, 'enum', '', t.oid::regtype::text, json_agg(v.enumlabel ORDER BY v.enumsortorder)::text,
           format('SET ROLE %I; CREATE TYPE %s AS ENUM (%s); RESET ROLE', pg_get_userbyid(t.typowner),
                  t.oid::regtype, string_agg(quote_literal(v.enumlabel), ', ' ORDER BY v.enumsortorder)), '',
           pg_get_userbyid(t.typowner), 't' || t.oid
    FROM pg_type t JOIN pg_enum v ON v.enumtypid = t.oid
    WHERE t.typnamespace = to_regnamespace(quote_ident({schema}))
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid
                      AND d.deptype = 'e')
    GROUP BY t.oid, t.typowner
    UNION ALL
    SELECT 2, 'column', label, name, type,
           format('ALTER TABLE %s ALTER COLUMN %s TYPE %s', label, name, type), '', '', format('c%s.%s', oid, attnum)
    FROM col
    UNION ALL
    SELECT 3, 'NOT NULL', label, name, '', format('ALTER TABLE %s ALTER COLUMN %s SET NOT NULL', label, name),
           format('ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL', label, name), '', ''
    FROM col WHERE attnotnull
    UNION ALL
    SELECT 4, 'function', '', p.oid::regprocedure::text, pg_get_functiondef(p.oid),
           format('%s; ALTER ROUTINE %s OWNER TO %I', rtrim(pg_get_functiondef(p.oid), chr(10)), p.oid::regprocedure,
                  pg_get_userbyid(p.proowner)), 'DROP ROUTINE ' || p.oid::regprocedure, pg_get_userbyid(p.proowner),
           'f' || p.oid
    FROM pg_proc p
    WHERE p.pronamespace = to_regnamespace(quote_ident({schema})) AND p.prokind IN ('f', 'p')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                      AND d.deptype = 'e')
    UNION ALL
    SELECT 5, 'sequence', coalesce(s.col_label, ''), s.label, coalesce(s.col_name, ''),
           format('SET ROLE %s; CREATE SEQUENCE IF NOT EXISTS %s AS %s %s; RESET ROLE', s.owner, s.label,
                  format_type(s.seqtypid, NULL), s.options)
           || coalesce('; ALTER SEQUENCE ' || s.label || ' OWNED BY ' || s.col_label || '.' || s.col_name, '')
           || coalesce(s.beyond || h.list || '), false)', ''), '', pg_get_userbyid(s.relowner), 'r' || s.oid
    FROM seq s LEFT JOIN highest h ON h.seq = s.oid
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid
                      AND d.deptype = 'i')
    UNION ALL
    SELECT 6, 'default', label, name, value,
           format('ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s', label, name, value),
           format('ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT', label, name), '', ''
    FROM col WHERE value IS NOT NULL AND attgenerated = ''
    UNION ALL
    SELECT 6, 'identity', l.label, l.name, i.kind,
           format('ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)', l.label, l.name,
                  i.kind, s.label, s.options)
           || format('%s, (SELECT max(%s)::bigint + 1 FROM %s)), false)', s.beyond, l.name, l.label),
           format('ALTER TABLE %s ALTER COLUMN %s DROP IDENTITY IF EXISTS', l.label, l.name),
           pg_get_userbyid(l.relowner), ''
    FROM col l JOIN (VALUES ('a', 'ALWAYS'), ('d', 'BY DEFAULT')) i (letter, kind) ON i.letter = l.attidentity
    JOIN seq s ON s.col_table = l.oid AND s.col_number = l.attnum
    UNION ALL
    SELECT 6, 'generated value', label, name, format('(%s) %s', value, g.kind),
           format('ALTER TABLE %1$s DROP COLUMN %2$s, ADD COLUMN %2$s %3$s GENERATED ALWAYS AS (%4$s) %5$s%6$s',
                  label, name, type, value, g.kind, CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END)
           || coalesce((
               SELECT string_agg('; ' || coalesce('ALTER TABLE ' || l.label || ' ADD CONSTRAINT '
                                 || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid),
                                 pg_get_indexdef(d.objid)), '' ORDER BY d.objid)
               FROM (SELECT DISTINCT classid, objid FROM pg_depend d
                     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = l.oid AND d.refobjsubid = l.attnum) d
               LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
               WHERE (k.conrelid = l.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x'))
                  OR (d.classid = 'pg_class'::regclass
                      AND EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = d.objid))), ''),
           format('ALTER TABLE %s ALTER COLUMN %s DROP EXPRESSION', label, name), pg_get_userbyid(relowner), ''
    FROM col l JOIN (VALUES ('s', 'STORED'), ('v', 'VIRTUAL')) g (letter, kind) ON g.letter = l.attgenerated
    UNION ALL
    SELECT CASE WHEN k.contype IN ('p', 'u') THEN 7 ELSE 9 END, 'constraint', o.label, quote_ident(k.conname),
           pg_get_constraintdef(k.oid),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', o.label, k.conname, pg_get_constraintdef(k.oid)),
           format('ALTER TABLE %s DROP CONSTRAINT %I', o.label, k.conname), '', 'k' || k.oid
    FROM pg_constraint k JOIN own o ON o.oid = k.conrelid
    WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND k.conislocal AND k.conparentid = 0
    UNION ALL
    SELECT 8, CASE WHEN i.indisunique THEN 'unique index' ELSE 'index' END, t.label,
           replace(def, quote_ident(o.relname) || ' ON ', 'ON '), '',
           CASE WHEN i.indisunique OR o.relkind = 'I'
                THEN 'DROP INDEX IF EXISTS ' || o.label || '; ' || regexp_replace(def, ' ON ONLY ', ' ON ')
                ELSE 'DROP INDEX CONCURRENTLY IF EXISTS ' || o.label || '; '
                     || regexp_replace(def, '^CREATE INDEX ', 'CREATE INDEX CONCURRENTLY ') END,
           'DROP INDEX ' || o.label, CASE WHEN i.indisunique THEN '' ELSE pg_get_userbyid(o.relowner) END, ''
    FROM pg_index i JOIN own o ON o.oid = i.indexrelid JOIN own t ON t.oid = i.indrelid
    CROSS JOIN pg_get_indexdef(i.indexrelid) def
    WHERE NOT o.relispartition
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 10, 'trigger', o.label, quote_ident(t.tgname), pg_get_triggerdef(t.oid), pg_get_triggerdef(t.oid),
           format('DROP TRIGGER %I ON %s', t.tgname, o.label), '', 'g' || t.oid
    FROM pg_trigger t JOIN own o ON o.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgparentid = 0
    UNION ALL
    SELECT 11, 'view', '', label, pg_get_viewdef(oid),
           format('ALTER VIEW IF EXISTS %1$s OWNER TO %2$s; SET ROLE %2$s; CREATE OR REPLACE VIEW %1$s%3$s AS %4$s'
                  '; RESET ROLE', label, owner, ' WITH (' || array_to_string(reloptions, ', ') || ')',
                  rtrim(pg_get_viewdef(oid), ';')), '', pg_get_userbyid(relowner), 'r' || oid
    FROM own WHERE relkind = 'v'
    UNION ALL
    SELECT 12, 'row-level security', label, label, CASE WHEN relforcerowsecurity THEN 'forced' ELSE '' END,
           format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', label)
           || CASE WHEN relforcerowsecurity THEN ', ' ELSE ', NO ' END || 'FORCE ROW LEVEL SECURITY',
           format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', label), '', ''
    FROM own WHERE relrowsecurity
    UNION ALL
    SELECT 13, 'policy', o.label, quote_ident(p.polname), made, made,
           format('DROP POLICY %I ON %s', p.polname, o.label), pg_get_userbyid(o.relowner), 'p' || p.oid
    FROM pg_policy p JOIN own o ON o.oid = p.polrelid
    CROSS JOIN format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, o.label,
        CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
        ELSE 'ALL' END,
        (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', ')
         FROM unnest(p.polroles) role),
        ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') made
    UNION ALL
    {further}
)
SELECT kind, "table", name, text, make, drop, owner, id FROM found
ORDER BY place, "table", CASE place WHEN 11 THEN lpad(id, 20) END, name
"""
#: What these are called, and where, may be another; how they are set may be, too.
_FURTHER = """
    SELECT -1, 'database', '', '', '', '', '', '', format('%s.%s', system_identifier, d.oid)
    FROM pg_control_system() CROSS JOIN pg_database d WHERE datname = current_database()
    UNION ALL
    SELECT -1, 'schema', '', quote_ident(nspname), '', '', '', '', 'n' || oid
    FROM pg_namespace WHERE oid = to_regnamespace(quote_ident({schema}))
    UNION ALL
    SELECT 1, 'table', label, label, '', '', '', '', 'r' || oid
    FROM (SELECT oid, oid::regclass::text AS label, relkind, relispartition FROM pg_class
          WHERE relnamespace = to_regnamespace(quote_ident({schema}))) c
    WHERE relkind IN ('r', 'p') AND NOT relispartition
    UNION ALL
    SELECT 3, 'collation', label, name, in_order,
           format('ALTER TABLE %s ALTER COLUMN %s TYPE %s COLLATE %s', label, name, type, in_order),
           format('ALTER TABLE %s ALTER COLUMN %s TYPE %s', label, name, type), '', ''
    FROM col WHERE in_order IS NOT NULL
    UNION ALL
    SELECT 5, 'UNLOGGED', label, label, '', format('ALTER %s %s SET UNLOGGED', kind, label),
           format('ALTER %s %s SET LOGGED', kind, label), '', ''
    FROM own JOIN (VALUES ('r', 'TABLE'), ('S', 'SEQUENCE')) k (letter, kind) ON letter = relkind
    WHERE relpersistence = 'u' AND NOT relispartition
    UNION ALL
    SELECT 6, 'numbering', coalesce(col_label, ''), label, options,
           format('ALTER SEQUENCE %s AS %s %s%s', label, format_type(seqtypid, NULL), options,
                  CASE WHEN options LIKE '% CYCLE' THEN '' ELSE ' NO CYCLE' END), '', pg_get_userbyid(relowner), ''
    FROM seq
    UNION ALL
    SELECT 6, 'statistics target', label, name, attstattarget::text,
           format('ALTER TABLE %s ALTER COLUMN %s SET STATISTICS %s', label, name, attstattarget),
           format('ALTER TABLE %s ALTER COLUMN %s SET STATISTICS -1', label, name), '', ''
    FROM col WHERE attstattarget >= 0
    UNION ALL
    SELECT 6, split_part(option, '=', 1), label, name, split_part(option, '=', 2),
           format('ALTER TABLE %s ALTER COLUMN %s SET (%s)', label, name, option),
           format('ALTER TABLE %s ALTER COLUMN %s RESET (%s)', label, name, split_part(option, '=', 1)), '', ''
    FROM col CROSS JOIN unnest(attoptions) option
    UNION ALL
    SELECT 12, 'option', o.label, x.key, x.value,
           format('ALTER %s %s SET (%s = %L)', kind, o.label, x.key, x.value),
           format('ALTER %s %s RESET (%s)', kind, o.label, x.key), '', ''
    FROM own o JOIN (VALUES ('r', 'TABLE'), ('p', 'TABLE'), ('v', 'VIEW'), ('m', 'MATERIALIZED VIEW')) k (letter, kind)
        ON letter = o.relkind
    LEFT JOIN pg_class t ON t.oid = o.reltoastrelid
    CROSS JOIN LATERAL (
        SELECT prefix || split_part(option, '=', 1) AS key, substr(option, strpos(option, '=') + 1) AS value
        FROM (SELECT '' AS prefix, unnest(o.reloptions) AS option
              UNION ALL SELECT 'toast.', unnest(t.reloptions)) each) x
    WHERE NOT o.relispartition
    UNION ALL
    SELECT 11, 'materialized view', '', label, pg_get_viewdef(oid),
           format('SET ROLE %s; CREATE MATERIALIZED VIEW %s AS %s%s', owner, label, rtrim(pg_get_viewdef(oid), ';'),
                  CASE WHEN relispopulated THEN '' ELSE ' WITH NO DATA' END)
           || coalesce((SELECT string_agg('; ' || pg_get_indexdef(indexrelid), '' ORDER BY indexrelid)
                        FROM pg_index WHERE indrelid = own.oid), '') || '; RESET ROLE',
           'DROP MATERIALIZED VIEW ' || label, pg_get_userbyid(relowner), 'r' || oid
    FROM own WHERE relkind = 'm'
    UNION ALL
    SELECT 11, 'contents', label, label, '', 'REFRESH MATERIALIZED VIEW ' || label, '', pg_get_userbyid(relowner), ''
    FROM own WHERE relkind = 'm' AND relispopulated
    UNION ALL
    SELECT 14, 'elsewhere', CASE class WHEN 'n' THEN '' ELSE quote_ident(nspname) END, label, '', '', '', '',
           class || e.oid
    FROM (SELECT 'n' AS class, oid, oid AS schema, quote_ident(nspname) AS label FROM pg_namespace
          UNION ALL SELECT 'r', oid, relnamespace, oid::regclass::text FROM pg_class
          WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT relispartition
          UNION ALL SELECT 'f', oid, pronamespace, oid::regprocedure::text FROM pg_proc
          UNION ALL SELECT 't', oid, typnamespace, oid::regtype::text FROM pg_type WHERE typtype = 'e') e
    JOIN pg_namespace n ON n.oid = e.schema
    WHERE nspname NOT IN ('information_schema', {schema}) AND nspname NOT LIKE 'pg\\_%'
"""


def look(session: Session, schema: str) -> list[dict[str, str]]:
    """The definitions as they are, with the names of schemas, as nothing is in the search path from then on."""
    session.set({"search_path": "pg_catalog"})
    return session.query(_DEFINITIONS.replace("{further}", _FURTHER).replace("{schema}", literal(schema)))


def read(path: str) -> dict[str, Any]:
    """What is kept; empty where nothing is, or nothing that can be read."""
    try:
        kept = json.loads(system.read_text(path) or "{}")
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def keep(session: Session, schema: str, path: str, migrations: Mapping[str, str]) -> bool:
    """Keep the definitions, those of before where they are after the same migrations; whether anything was written."""
    kept, found = read(path), look(session, schema)
    made = renewed(kept, found) if kept.get("migrations") == migrations else record(migrations, found)
    if made == kept:
        return False
    system.write_text(path, f"{json.dumps(made, indent=1)}\n", 0o644)
    return True
