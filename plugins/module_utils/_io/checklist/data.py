# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database, its pool and the cache, as the checks judge them."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ..._core.errors import FirstbellError
from ..._core.scram import role_verifier
from .. import definitions, docker_cli, engine_api, index_run, pg_settings, postgres, redis_files, system
from ..pg_members import report
from . import activity, grants, schema

_FACTS = """
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
       pg_is_in_recovery() AS recovering,
       current_setting('data_checksums') AS data_checksums, current_setting('ssl') AS ssl,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       (SELECT count(*)::int FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
        WHERE a.client_addr IS NOT NULL AND NOT s.ssl) AS unencrypted,
       (SELECT max(age(datfrozenxid))::int FROM pg_database) AS oldest_transaction,
       (SELECT max(mxid_age(datminmxid))::int FROM pg_database) AS oldest_multixact,
       ARRAY(SELECT name FROM pg_ls_dir('.') name WHERE name IN ('standby.signal', 'recovery.signal', 'backup_label')
             ORDER BY 1) AS signals,
       extract(epoch FROM pg_conf_load_time())::float8 AS loaded_at,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS connection_limit,
       (SELECT coalesce(string_agg(coalesce(datname, 'shared by all') || ': ' || checksum_failures, ', '), '')
        FROM pg_stat_database WHERE checksum_failures > 0) AS damaged_pages
"""
_ROLES = """
SELECT rolname AS name, rolcanlogin AS login, rolsuper AS superuser, rolpassword IS NULL AS without_password,
       rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS powerful,
       coalesce(rolpassword LIKE 'SCRAM-SHA-256$%%', false) AS scram, rolpassword AS verifier,
       rolconnlimit AS connections,
       CASE WHEN isfinite(rolvaliduntil) THEN to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC')
       ELSE '' END AS valid_until,
       (SELECT setconfig FROM pg_db_role_setting WHERE setrole = pg_authid.oid AND setdatabase = 0) AS settings
FROM pg_authid WHERE rolcanlogin OR rolname = ANY(%(own)s::text[]) ORDER BY rolname
"""
_HBA = """
SELECT line_number AS line, type, array_to_string(database, ',') AS database, array_to_string(user_name, ',') AS role,
       coalesce(address, '') AS address, coalesce(auth_method, '') AS method, coalesce(error, '') AS error
FROM pg_hba_file_rules ORDER BY line_number
"""
_OVERRIDES = """
SELECT coalesce(d.datname, '') AS database, coalesce(r.rolname, '') AS role, s.setconfig AS settings
FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
ORDER BY 1, 2
"""
_BY_HAND = """
SELECT coalesce(name, '') AS name, coalesce(setting, '') AS setting, min(sourceline) AS line,
       name IS NULL OR (name NOT LIKE '%.%' AND name NOT IN (SELECT name FROM pg_settings)) AS refused
FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf' GROUP BY 1, 2, name ORDER BY 1
"""
#: But those that PostgreSQL itself has.
_MEMBERSHIPS = """
SELECT g.rolname AS granted, m.rolname AS member
FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE m.rolname <> 'pg_monitor' OR g.rolname NOT IN ('pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables')
ORDER BY 1, 2
"""
#: What no file has any more, and is in force as long as the files are not read again.
_IN_FORCE = """
SELECT name, setting FROM pg_settings s
WHERE source = 'configuration file' AND NOT pending_restart
  AND NOT EXISTS (SELECT FROM pg_file_settings f WHERE lower(f.name) = lower(s.name))
ORDER BY name
"""
_LANGUAGES = "SELECT lanname AS name FROM pg_language WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c')"
_EXTENSIONS = "SELECT extname AS name FROM pg_extension ORDER BY extname"
_STATEMENTS = "SELECT count(*)::int AS statements FROM pg_stat_statements"
_GRANTS = """
SELECT coalesce(has_schema_privilege(r.oid, to_regnamespace('public'), 'CREATE'), false) AS creates
FROM pg_roles r WHERE rolname = %s
"""
#: What the stack's roles cannot do of what they are there for, and what gives it back.
_BARRED = """
SELECT rolname AS role, 'connect to the database ' || current_database() AS deed,
       'GRANT CONNECT ON DATABASE ' || quote_ident(current_database()) || ' TO ' || quote_ident(rolname) AS fix
FROM pg_roles WHERE rolname = ANY(%(own)s::text[]) AND NOT has_database_privilege(oid, current_database(), 'CONNECT')
UNION ALL
SELECT rolname, 'use the schema public', 'GRANT USAGE ON SCHEMA public TO ' || quote_ident(rolname)
FROM pg_roles
WHERE rolname IN (%(owner)s, %(app)s) AND NOT has_schema_privilege(oid, to_regnamespace('public'), 'USAGE')
UNION ALL
SELECT rolname, 'make tables in the schema public', 'GRANT CREATE ON SCHEMA public TO ' || quote_ident(rolname)
FROM pg_roles WHERE rolname = %(owner)s AND NOT has_schema_privilege(oid, to_regnamespace('public'), 'CREATE')
UNION ALL
SELECT rolname, 'see statistics',
       format('REVOKE pg_monitor FROM %%1$I; ALTER ROLE %%1$I INHERIT; GRANT pg_monitor TO %%1$I', rolname)
FROM pg_roles WHERE rolname = %(monitoring)s AND NOT pg_has_role(oid, 'pg_monitor', 'USAGE')
UNION ALL
SELECT rolname, 'use the ' || lower(kind) || ' that ' || quote_ident(%(owner)s) || ' will make',
       format('ALTER DEFAULT PRIVILEGES FOR ROLE %%I IN SCHEMA public GRANT %%s ON %%s TO %%I', %(owner)s::text, wanted,
              kind, rolname)
FROM pg_roles r CROSS JOIN (VALUES ('r', 'TABLES', 'SELECT, INSERT, UPDATE, DELETE'),
                                   ('S', 'SEQUENCES', 'USAGE, SELECT')) AS needed(type, kind, wanted)
WHERE rolname = %(app)s AND to_regrole(quote_ident(%(owner)s)) IS NOT NULL
  AND to_regnamespace('public') IS NOT NULL AND EXISTS (
    SELECT FROM unnest(string_to_array(wanted, ', ')) privilege
    WHERE NOT EXISTS (
        SELECT FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) acl
        WHERE d.defaclrole = to_regrole(quote_ident(%(owner)s)) AND d.defaclobjtype = needed.type::"char"
          AND d.defaclnamespace IN (0, to_regnamespace('public')) AND acl.grantee IN (r.oid, 0)
          AND acl.privilege_type = privilege))
ORDER BY 1, 2
"""
#: What the application lacks of what it needs to use the owner's tables and sequences.
_LOST = """
SELECT min(c.oid::regclass::text) AS first, count(*)::int AS count
FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner CROSS JOIN pg_roles app
WHERE o.rolname = %(owner)s AND app.rolname = %(app)s AND c.relnamespace = to_regnamespace('public')
  AND c.relname <> ALL(%(revoked)s::text[])
  AND CASE WHEN c.relkind = 'S' THEN NOT (has_sequence_privilege(app.oid, c.oid, 'USAGE')
             AND has_sequence_privilege(app.oid, c.oid, 'SELECT'))
           WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f') THEN NOT (has_table_privilege(app.oid, c.oid, 'SELECT')
             AND has_table_privilege(app.oid, c.oid, 'INSERT') AND has_table_privilege(app.oid, c.oid, 'UPDATE')
             AND has_table_privilege(app.oid, c.oid, 'DELETE'))
           ELSE false END
HAVING count(*) > 0
"""
#: Whatever was set for the database or its roles: a look ends, also where a table is locked.
_OF_SESSION = {"statement_timeout": "30s", "lock_timeout": "5s"}
#: Why a database takes no session of a superuser's, or is not there under its name.
_CLOSED = """
SELECT 'ALTER DATABASE ' || quote_ident(datname) || ' ALLOW_CONNECTIONS true' AS fix
FROM pg_database WHERE datname = %(name)s AND NOT datallowconn
UNION ALL
SELECT 'ALTER DATABASE ' || quote_ident(datname) || ' RESET ' || split_part(setting, '=', 1)
FROM pg_database d JOIN pg_db_role_setting s ON s.setdatabase = d.oid CROSS JOIN unnest(s.setconfig) setting
WHERE datname = %(name)s AND s.setrole = 0
UNION ALL
SELECT 'ALTER DATABASE ' || string_agg(quote_ident(datname), ' or ') || ' RENAME TO ' || quote_ident(%(name)s)
FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1')
  AND NOT EXISTS (SELECT FROM pg_database WHERE datname = %(name)s)
HAVING count(*) > 0
"""
_PASSWORDS = {
    "owner_role": "database_owner_password",
    "app_role": "database_app_password",
    "monitoring_role": "database_monitoring_password",
}
_NO_LIBRARY = ("42P01", "55000")  # undefined_table, object_not_in_prerequisite_state

#: Options of pg_indexes for a look that waits for nobody.
_LOOK_ONLY: dict[str, Any] = {
    "mode": "check",
    "fail_on": None,
    "schema": "public",
    "rename": False,
    "replace": False,
    "blocked": "fail",
    "clean_leftovers": True,
    "duplicate_samples": 0,
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "retries": 0,
    "retry_delay": "1s",
    "advisory_lock_timeout": "1s",
    "parallel": 1,
    "advice": False,
}
_NO_WISH: dict[str, Any] = {
    **dict.fromkeys(("table", "schema", "columns", "name", "where", "storage", "tablespace", "replace")),
    "unique": False,
    "nulls_distinct": True,
    "method": "btree",
    "include": [],
    "state": "present",
}


def _login(socket: str, database: str) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in postgres.ARGUMENTS.items()}
    return {**defaults, "login_unix_socket": socket, "login_user": "postgres", "login_db": database}


def _session(login: Mapping[str, Any]) -> postgres.Session:
    """A session in the application's database; where it takes none, it is told what mends that."""
    try:
        return postgres.connect(login, _OF_SESSION, application="firstbell verify")
    except postgres.ConnectError as error:
        found = []
        with contextlib.suppress(FirstbellError), postgres.connect({**login, "login_db": "postgres"}) as session:
            found = session.query(_CLOSED, {"name": login["login_db"]})
        fix = "; ".join(row["fix"] for row in found)
        raise postgres.ConnectError(f"{error}; in the database postgres: {fix}" if fix else str(error)) from None


def gather_settings(expected: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of the plan beside the server's."""
    with postgres.connect(_login(expected["socket"], "postgres"), application="firstbell verify") as session:
        seen = pg_settings.look(session, dict(expected["settings"]))
        in_force = session.query(_IN_FORCE)
    told = report(seen, seen.findings)
    for one in in_force:
        problem = f"it is {one['setting']}, which no file says any more"
        reload = {"kind": "not_reloaded", "fix": "SELECT pg_reload_conf()"}
        told["findings"].append({"name": one["name"], "problem": problem, **reload})
    return told


def gather(stack: str, expected: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """What else is to be seen of the server."""
    login = _login(expected["socket"], expected["database"])
    roles = {
        "owner": expected["owner_role"],
        "monitoring": expected["monitoring_role"],
        "app": expected["app_role"],
        "revoked": list(expected["app_role_revoked"]),
        "own": [expected["owner_role"], expected["app_role"], expected["monitoring_role"]],
    }
    kept = definitions.read(f"/opt/{stack}/app/schema.json")
    with _session(login) as session:
        try:
            statements = session.query(_STATEMENTS)[0]["statements"]
        except postgres.QueryError as error:
            if error.error.code not in _NO_LIBRARY:
                raise
            statements = None
        facts = session.query(_FACTS)[0]
        found = {
            **facts,
            "unread": _unread(f"/opt/{stack}/postgres", facts["loaded_at"]),
            "roles": compare_passwords(session.query(_ROLES, roles), stack, expected, secrets),
            "hba": session.query(_HBA),
            "extensions": [row["name"] for row in session.query(_EXTENSIONS)],
            "statements": statements,
            "overrides": session.query(_OVERRIDES),
            "by_hand": session.query(_BY_HAND),
            "memberships": session.query(_MEMBERSHIPS),
            **activity.gather(session, facts["number"]),
            "languages": [row["name"] for row in session.query(_LANGUAGES)],
            **schema.gather(session, expected, kept),
            "barred": session.query(_BARRED, roles),
            "lost": session.query(_LOST, roles),
            "given": grants.gather(session, expected, roles),
            "app_creates": bool(
                (session.query(_GRANTS, (expected["app_role"],)) or [{"creates": False}])[0]["creates"]
            ),
        }
        # The last, as it leaves the session with another search path.
        found["kept"] = schema.is_kept(session, kept)
        found["known"] = list(kept.get("migrations", ()))
        return {**found, "drifted": schema.gather_drift(session, kept, expected["app_role"], expected["owner_role"])}


def _unread(directory: str, loaded_at: float) -> list[str]:
    """The files about who may connect, where the server goes on by what they said before."""
    paths = [f"{directory}/{name}" for name in ("pg_hba.conf", "pg_ident.conf")]
    return [path for path in paths if system.changed_after(path, loaded_at)]


def compare_passwords(
    roles: list[dict[str, Any]], stack: str, expected: Mapping[str, Any], secrets: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The roles; instead of its verifier, whether each of the stack's own has the password of the inventory.

    ``once``: whose verifier it is, as that stays when a role gets another name.
    """
    known = {expected[kind]: secrets[name] for kind, name in _PASSWORDS.items() if secrets.get(name)}
    own = {name: role_verifier(password, name, stack) for name, password in known.items()}
    by_verifier = {verifier: name for name, verifier in own.items()}
    for role in roles:
        verifier, name = role.pop("verifier"), role["name"]
        role["own_password"] = name not in own or verifier == own[name]
        role["once"] = by_verifier.get(verifier, "")
    return roles


def gather_indexes(postgres_expected: Mapping[str, Any], app_expected: Mapping[str, Any]) -> dict[str, Any]:
    """The essential indexes, by the function that assures them."""
    params = {
        **_login(postgres_expected["socket"], postgres_expected["database"]),
        "indexes": [{**_NO_WISH, **wish} for wish in app_expected["indexes"]],
        **_LOOK_ONLY,
    }
    context = SimpleNamespace(check_mode=True, diff_mode=False, verbosity=0, log=lambda _text: None)
    try:
        return dict(index_run.assure(params, context))
    except index_run.NotCompliantError as error:
        return dict(error.result)


def container_of(stack: str, service: str) -> str:
    """The id of a running container of the service on this host."""
    filters = f'{{"label": ["com.docker.swarm.service.name={stack}_{service}"]}}'
    found = engine_api.call("GET", "/containers/json", filters=filters)
    if not found:
        raise FirstbellError(f"no container of {stack}_{service} runs on this host")
    return str(found[0]["Id"])


def gather_pool(stack: str) -> dict[str, Any]:
    """PgBouncer's own tables."""
    container = container_of(stack, "pgbouncer")
    users = (system.read_text(f"/opt/{stack}/pgbouncer/userlist.txt") or "").splitlines()
    return {
        **{name: _show(container, name) for name in ("CONFIG", "POOLS", "DATABASES")},
        "users": [line.split('"')[1] for line in users if line.startswith('"')],
    }


def _show(container: str, table: str) -> list[dict[str, str]]:
    psql = ["psql", "--no-psqlrc", "--csv", "--host=/run/pgbouncer", "--port=6432", "--username=pgbouncer"]
    said = docker_cli.run(
        ["docker", "exec", container, *psql, "--dbname=pgbouncer", f"--command=SHOW {table}"], stdin="", timeout=20
    )
    return list(csv.DictReader(io.StringIO(said.out)))


def gather_cache(stack: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """What Redis says to the user of the backups, to nobody in particular, and to the application's user."""
    container = container_of(stack, "redis")
    login = f"AUTH backup {secrets['redis_backup_password']}"
    pairs = (line.partition(":") for line in _redis(container, [login, "INFO"]).splitlines())
    told = _redis(container, [login, "CONFIG GET *"]).splitlines()[1:]
    return {
        "info": {name: value.strip() for name, colon, value in pairs if colon},
        "live": {} if told[:1] and told[0].startswith("NOPERM") else dict(zip(told[::2], told[1::2])),
        "live_users": _acl(_redis(container, [login, "ACL LIST"])),
        "nobody": _redis(container, ["PING"]).strip(),
        # What does no harm where it is not refused.
        "app": {
            command: _redis(container, [f"AUTH app {secrets['redis_app_password']}", command]).splitlines()[1:]
            for command in ("CONFIG GET maxmemory", "KEYS firstbell-verify:*", "ACL LIST", "PING")
        },
        "lost": redis_files.lost(f"/opt/{stack}/data/redis"),
        "file": system.read_text(f"/opt/{stack}/redis/redis.conf") or "",
        "users": _acl(system.read_text(f"/opt/{stack}/redis/users.acl") or ""),
    }


def _acl(text: str) -> dict[str, list[str]]:
    """The rules of each user, and instead of passwords and their hashes how many there are, if more than one."""
    found = {}
    for words in (line.split() for line in text.splitlines()):
        if len(words) < 2 or words[0] != "user":  # noqa: PLR2004
            continue
        passwords = sum(word[0] in "#>" for word in words[2:])
        rules = [word for word in words[2:] if word[0] not in "#<>!"]
        found[words[1]] = [*rules, f"passwords={passwords}"] if passwords > 1 else rules
    return found


def _redis(container: str, commands: list[str]) -> str:
    """The answers to commands that come by standard input: a password on a command line could be seen."""
    argv = ["docker", "exec", "--interactive", container, "redis-cli", "-s", "/run/redis/redis.sock"]
    return docker_cli.run(argv, stdin="\n".join([*commands, ""]), timeout=20).out
