# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database, its pool and the cache, as the checks judge them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ..._core.errors import FirstbellError
from .. import engine_api, index_run, pg_settings, postgres, system
from ..pg_members import report

_FACTS = """
SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS recovering,
       current_setting('data_checksums') AS data_checksums, current_setting('ssl') AS ssl,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int
       + current_setting('reserved_connections')::int AS reserved,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       (SELECT count(*)::int FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
        AND state_change < now() - interval '5 minutes') AS idle_in_transaction,
       (SELECT count(*)::int FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
        WHERE a.client_addr IS NOT NULL AND NOT s.ssl) AS unencrypted,
       (SELECT max(age(datfrozenxid))::int FROM pg_database) AS oldest_transaction
"""
_ROLES = """
SELECT rolname AS name, rolsuper AS superuser, rolpassword IS NULL AS without_password,
       rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS powerful,
       coalesce(rolpassword LIKE 'SCRAM-SHA-256$%', false) AS scram,
       (SELECT setconfig FROM pg_db_role_setting WHERE setrole = pg_authid.oid AND setdatabase = 0) AS settings
FROM pg_authid WHERE rolcanlogin ORDER BY rolname
"""
_HBA = """
SELECT line_number AS line, type, array_to_string(database, ',') AS database, array_to_string(user_name, ',') AS role,
       coalesce(address, '') AS address, coalesce(auth_method, '') AS method, coalesce(error, '') AS error
FROM pg_hba_file_rules ORDER BY line_number
"""
_EXTENSIONS = "SELECT extname AS name FROM pg_extension ORDER BY extname"
_STATEMENTS = "SELECT count(*)::int AS statements FROM pg_stat_statements"
_GRANTS = """
SELECT has_schema_privilege(r.oid, 'public', 'CREATE') AS creates
FROM pg_roles r WHERE rolname = %s
"""
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


def gather_settings(expected: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting of the plan beside the server's."""
    with postgres.connect(_login(expected["socket"], "postgres"), application="firstbell verify") as session:
        seen = pg_settings.look(session, dict(expected["settings"]))
    return report(seen, seen.findings)


def gather(expected: Mapping[str, Any]) -> dict[str, Any]:
    """What else is to be seen of the server."""
    login = _login(expected["socket"], expected["database"])
    with postgres.connect(login, application="firstbell verify") as session:
        try:
            statements = session.query(_STATEMENTS)[0]["statements"]
        except postgres.QueryError as error:
            if error.error.code not in _NO_LIBRARY:
                raise
            statements = None
        return {
            **session.query(_FACTS)[0],
            "roles": session.query(_ROLES),
            "hba": session.query(_HBA),
            "extensions": [row["name"] for row in session.query(_EXTENSIONS)],
            "statements": statements,
            "app_creates": bool(
                (session.query(_GRANTS, (expected["app_role"],)) or [{"creates": False}])[0]["creates"]
            ),
        }


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
    return {name: _show(container, name) for name in ("CONFIG", "POOLS", "DATABASES", "LISTS")}


def _show(container: str, table: str) -> list[dict[str, str]]:
    psql = ["psql", "--no-psqlrc", "--csv", "--host=/run/pgbouncer", "--port=6432", "--username=pgbouncer"]
    said = system.run(
        ["docker", "exec", container, *psql, "--dbname=pgbouncer", f"--command=SHOW {table}"], stdin="", timeout=20
    )
    return list(csv.DictReader(io.StringIO(said.out)))


def gather_cache(stack: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """What Redis says to the user of the backups, to nobody in particular, and to the application's user."""
    container = container_of(stack, "redis")
    info = _redis(container, [f"AUTH backup {secrets['redis_backup_password']}", "INFO"])
    pairs = (line.partition(":") for line in info.splitlines())
    return {
        "info": {name: value.strip() for name, colon, value in pairs if colon},
        "nobody": _redis(container, ["PING"]).strip(),
        # What does no harm where it is not refused.
        "app": {
            command: _redis(container, [f"AUTH app {secrets['redis_app_password']}", command]).splitlines()[1:]
            for command in ("CONFIG GET maxmemory", "KEYS firstbell-verify:*", "ACL LIST", "PING")
        },
        "file": system.read_text(f"/opt/{stack}/redis/redis.conf") or "",
    }


def _redis(container: str, commands: list[str]) -> str:
    """The answers to commands that come by standard input: a password on a command line could be seen."""
    argv = ["docker", "exec", "--interactive", container, "redis-cli", "-s", "/run/redis/redis.sock"]
    return system.run(argv, stdin="\n".join([*commands, ""]), timeout=20).out
