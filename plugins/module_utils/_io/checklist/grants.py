# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles may do in the database beyond what the stack gives them, each with the statement that takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..postgres import Session

#: Kinds of objects with their catalogues: how a GRANT calls one, its name, the list, and the letter of acldefault().
_KINDS = """
    SELECT 'pg_class'::regclass AS class, c.oid, 0 AS part, c.relowner AS owner, c.relacl AS list,
           CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END AS letter,
           CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END AS kind, c.oid::regclass::text AS name,
           '' AS of, c.relnamespace AS schema, c.relname AS short
    FROM pg_class c WHERE c.relacl IS NOT NULL
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, a.attnum, c.relowner, a.attacl, 'c', 'TABLE ', c.oid::regclass::text,
           ' (' || quote_ident(a.attname) || ')', c.relnamespace, c.relname
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, 0, proowner, proacl, 'f', 'ROUTINE ', oid::regprocedure::text, '',
           pronamespace, ''
    FROM pg_proc WHERE proacl IS NOT NULL
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid, 0, nspowner, nspacl, 'n', 'SCHEMA ', quote_ident(nspname), '', oid, ''
    FROM pg_namespace WHERE nspacl IS NOT NULL AND nspname NOT LIKE 'pg\\_%%temp\\_%%'
    UNION ALL
    SELECT 'pg_type'::regclass, oid, 0, typowner, typacl, 'T', 'TYPE ', oid::regtype::text, '', typnamespace, ''
    FROM pg_type WHERE typacl IS NOT NULL
    UNION ALL
    SELECT 'pg_language'::regclass, oid, 0, lanowner, lanacl, 'l', 'LANGUAGE ', quote_ident(lanname), '', 0, ''
    FROM pg_language WHERE lanacl IS NOT NULL
    UNION ALL
    SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwowner, fdwacl, 'F', 'FOREIGN DATA WRAPPER ',
           quote_ident(fdwname), '', 0, ''
    FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
    UNION ALL
    SELECT 'pg_foreign_server'::regclass, oid, 0, srvowner, srvacl, 'S', 'FOREIGN SERVER ', quote_ident(srvname),
           '', 0, ''
    FROM pg_foreign_server WHERE srvacl IS NOT NULL
    UNION ALL
    SELECT 'pg_largeobject'::regclass, oid, 0, lomowner, lomacl, 'L', 'LARGE OBJECT ', oid::text, '', 0, ''
    FROM pg_largeobject_metadata WHERE lomacl IS NOT NULL
    UNION ALL
    SELECT 'pg_tablespace'::regclass, oid, 0, spcowner, spcacl, 't', 'TABLESPACE ', quote_ident(spcname), '', 0, ''
    FROM pg_tablespace WHERE spcacl IS NOT NULL
    UNION ALL
    SELECT 'pg_database'::regclass, oid, 0, datdba, datacl, 'd', 'DATABASE ', quote_ident(datname), '', 0, ''
    FROM pg_database WHERE datacl IS NOT NULL
"""
_PARAMETERS = """
    UNION ALL
    SELECT 'pg_parameter_acl'::regclass, oid, 0, 10, paracl, 'p', 'PARAMETER ', quote_ident(parname), '', 0, ''
    FROM pg_parameter_acl
"""
_PARAMETERS_SINCE = 150000
#: Beyond what PostgreSQL and extensions give by themselves; superusers, roles and tables of the user's own aside. What
#: the application may do with rows and with functions is for the owner to say.
_GIVEN = """
WITH object AS ({kinds}), given AS (
    SELECT o.*, acl.grantee, acl.privilege_type AS privilege, acl.is_grantable AS grantable,
           CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS who
    FROM object o CROSS JOIN aclexplode(o.list) acl
    WHERE acl.grantee <> o.owner
), further AS (
    SELECT g.*, r.rolname AS role FROM given g LEFT JOIN pg_roles r ON r.oid = g.grantee
    WHERE NOT coalesce(r.rolsuper, false) AND coalesce(r.rolname, '') <> ALL(%(extra)s::text[])
      AND g.short <> ALL(%(revoked)s::text[]) AND g.schema <> 'information_schema'::regnamespace
      AND NOT EXISTS (
          SELECT FROM aclexplode(coalesce(
              (SELECT i.initprivs FROM pg_init_privs i
               WHERE i.objoid = g.oid AND i.classoid = g.class AND i.objsubid = g.part),
              acldefault(g.letter::"char", g.owner))) was
          WHERE was.grantee = g.grantee AND was.privilege_type = g.privilege AND was.is_grantable >= g.grantable)
), beyond AS (
    SELECT f.* FROM further f
    WHERE NOT CASE
        WHEN f.schema = 'pg_catalog'::regnamespace OR f.kind = 'PARAMETER ' THEN false
        WHEN f.role = %(owner)s THEN true
        WHEN f.grantable THEN false
        WHEN f.kind = 'DATABASE ' THEN f.role = ANY(%(own)s::text[]) AND f.privilege IN ('CONNECT', 'TEMPORARY')
        WHEN f.role IS DISTINCT FROM %(app)s THEN false
        WHEN f.kind = 'SCHEMA ' THEN f.privilege = 'USAGE' OR (%(creates)s AND f.name = 'public')
        WHEN f.kind IN ('TABLE ', 'SEQUENCE ') THEN f.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE')
        ELSE f.owner IN (SELECT oid FROM pg_roles WHERE rolname = %(owner)s) END
), by_object AS (
    SELECT who, class, kind, name, grantable, string_agg(DISTINCT privilege, ', ') AS privileges,
           string_agg(DISTINCT privilege || of, ', ') AS listed
    FROM beyond GROUP BY who, class, kind, name, of, grantable
)
SELECT who AS grantee, listed AS privileges, kind || min(name) AS first, count(*)::int AS count, grantable,
       'REVOKE ' || CASE WHEN grantable THEN 'GRANT OPTION FOR ' ELSE '' END || listed || ' ON ' || kind
       || string_agg(name, ', ' ORDER BY name) || ' FROM ' || who
       || CASE WHEN grantable THEN ' CASCADE' ELSE '' END AS fix
FROM by_object GROUP BY who, kind, listed, grantable ORDER BY 1, 3
"""
_BY_DEFAULT = """
WITH given AS (
    SELECT quote_ident(pg_get_userbyid(d.defaclrole)) AS maker, n.nspname AS schema, acl.privilege_type AS privilege,
           CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
           WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS kind,
           CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who,
           pg_get_userbyid(d.defaclrole) = %(owner)s AND r.rolname = %(app)s AND NOT acl.is_grantable
           AND acl.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE', 'EXECUTE') AS ours
    FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) acl LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
    LEFT JOIN pg_roles r ON r.oid = acl.grantee
    WHERE acl.grantee <> d.defaclrole AND coalesce(r.rolname, '') <> ALL(%(extra)s::text[])
      AND NOT (acl.grantee = 0 AND d.defaclnamespace = 0 AND d.defaclobjtype IN ('f', 'T'))
)
SELECT who AS grantee, string_agg(privilege, ', ' ORDER BY privilege) AS privileges, 1 AS count,
       lower(kind) || ' that ' || maker || ' will make' AS first, false AS grantable,
       'ALTER DEFAULT PRIVILEGES FOR ROLE ' || maker || coalesce(' IN SCHEMA ' || quote_ident(schema), '') || ' REVOKE '
       || string_agg(privilege, ', ' ORDER BY privilege) || ' ON ' || kind || ' FROM ' || who || ' CASCADE' AS fix
FROM given WHERE ours IS NOT TRUE GROUP BY who, maker, schema, kind ORDER BY 1, 4
"""


def gather(session: Session, expected: Mapping[str, Any], roles: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who has been given what. ``roles``: ``owner``, ``app``, all three as ``own``, and ``revoked`` tables."""
    known = {
        **roles,
        "extra": list(expected["roles_extra"]),
        "creates": expected["app_role_creates_tables"],
    }
    version = session.query("SELECT current_setting('server_version_num')::int AS version")[0]["version"]
    kinds = _KINDS + (_PARAMETERS if version >= _PARAMETERS_SINCE else "")
    return [*session.query(_GIVEN.replace("{kinds}", kinds), known), *session.query(_BY_DEFAULT, known)]
