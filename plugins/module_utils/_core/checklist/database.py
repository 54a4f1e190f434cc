# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: its settings, indexes, roles and connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import Check, Facts, Outcome, check, failed, none_of
from .services import SITE


def _sql(query: str) -> str:
    """What a person types to ask the database."""
    return f'docker exec "$(docker ps -q -f name={{stack}}_postgres)" psql -U postgres -c "{query}"'


_RESET = (
    "Take back what was set by hand, then load the file again: make site ARGS='-e postgres_reset_alter_system=true'. "
    "A setting that waits for a restart: make site ARGS='-e postgres_allow_restart=true' at a quiet time"
)
_OLDEST_TRANSACTION = 1_000_000_000
"""Half of what PostgreSQL can tell apart (2^31) would be the end; autovacuum begins at 200 million."""

_GROUPS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        "settings-connections",
        "S20",
        "The database takes as many connections as its memory carries",
        ("max_connections",),
    ),
    ("settings-shared-buffers", "S21", "The database's own cache has its planned size", ("shared_buffers",)),
    ("settings-cache-size", "S22", "The planner knows how much of the data is in memory", ("effective_cache_size",)),
    ("settings-work-mem", "S23", "Each query may use the planned memory and no more", ("work_mem",)),
    ("settings-maintenance", "S24", "Maintenance may use the planned memory", ("maintenance_work_mem",)),
    (
        "settings-wal",
        "S25",
        "The write-ahead log and its checkpoints are sized as planned",
        ("min_wal_size", "max_wal_size", "wal_buffers", "checkpoint_completion_target"),
    ),
    (
        "settings-disk",
        "S26",
        "The planner knows that the disk is an SSD",
        ("effective_io_concurrency", "random_page_cost"),
    ),
    ("settings-statistics", "S27", "The planner's statistics are as fine as planned", ("default_statistics_target",)),
    (
        "settings-statements",
        "S28",
        "Statements are counted, and slow ones are logged",
        ("shared_preload_libraries", "log_min_duration_statement"),
    ),
)
_GROUPED = frozenset(name for _id, _row, _title, names in _GROUPS for name in names)


def _judge_settings(facts: Facts, names: frozenset[str] | None) -> Outcome:
    """Of these settings, or, with None, of all that belong to no group, and of the files."""
    seen = facts.seen["settings"]
    wanted = set(facts.expected["postgres"]["settings"])
    mine = wanted - _GROUPED if names is None else wanted & names
    if not mine:
        return failed("the plan has none of these settings")
    other = wanted - mine if names is None else set()
    problems = [
        f"{finding['name']}: {finding['problem']}"
        for finding in seen["findings"]
        if (finding["name"] in mine if names is not None else finding["name"] not in other)
    ]
    told_of = {name.lower(): one for name, one in seen["settings"].items()}
    shown = {name: told_of.get(name.lower(), {}) for name in sorted(mine)}
    lines = [
        f"{name} = {one.get('value')} (wanted {one.get('wanted')}, {one.get('source')})" for name, one in shown.items()
    ]
    wrong = [name for name, one in shown.items() if not one.get("in_force")]
    told = {problem.partition(":")[0] for problem in problems}
    problems += [f"{name} is {shown[name].get('value')}" for name in wrong if name not in told]
    if names is None:
        return none_of(problems, f"{len(lines)} further settings as planned", "\n".join(lines))
    measured = ", ".join(f"{name} {one.get('value')}" for name, one in shown.items())
    target = ", ".join(f"{name} {one.get('wanted')}" for name, one in shown.items())
    return none_of(problems, measured, "\n".join(lines), target=target)


def _settings_check(name: str, row: str, title: str, settings: tuple[str, ...] | None) -> Check:
    listed = ", ".join(f"'{one}'" for one in settings or ())
    query = f"WHERE name IN ({listed})" if settings else "WHERE source = 'configuration file'"
    names = frozenset(settings) if settings is not None else None
    return check(
        name,
        row,
        "database",
        title,
        target="the plan's values, in force",
        command=_sql(f"SELECT name, setting, unit, source, pending_restart FROM pg_settings {query}"),  # noqa: S608
        fix=_RESET,
        needs="settings",
    )(lambda facts: _judge_settings(facts, names))


SETTINGS = (
    *(_settings_check(name, f"S29 {row}", title, settings) for name, row, title, settings in _GROUPS),
    _settings_check("settings-other", "S29", "Every other setting of the database is as planned", None),
)


@check(
    "indexes",
    "S72 S73 S74 S75 S76",
    "database",
    "Every index that the application needs is there, valid and of the right columns",
    target="all essential indexes, by what they are and not by name",
    command=_sql("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"),
    fix=f"{SITE}: it builds them without a lock",
    needs="indexes",
)
def indexes(facts: Facts) -> Outcome:
    seen, wanted = facts.seen["indexes"], facts.expected["app"]["indexes"]
    lines = [f"{one['name'] or one['index']}: {one['action'] or 'ok'} {one['definition']}" for one in seen["indexes"]]
    if not wanted:
        return none_of(list(seen["findings"]), "the application names none (app_indexes)", "\n".join(lines))
    return none_of(list(seen["findings"]), f"{len(lines)} of {len(wanted)} there and valid", "\n".join(lines))


@check(
    "database-answers",
    "S42",
    "database",
    "The database takes writes and is far from any limit of its own",
    target="no recovery, no transaction open for 5 minutes, transaction ids far from their end",
    command=_sql("SELECT pg_is_in_recovery(), max(age(datfrozenxid)) FROM pg_database"),
    fix="Look at pg_stat_activity for what holds a transaction open: docs/operations.md, commands for the database",
    needs="database",
)
def database_answers(facts: Facts) -> Outcome:
    seen = facts.seen["database"]
    problems = ["it is in recovery and takes no writes"] if seen["recovering"] else []
    if seen["idle_in_transaction"]:
        problems.append(f"{seen['idle_in_transaction']} sessions keep a transaction open for more than 5 minutes")
    if seen["oldest_transaction"] > _OLDEST_TRANSACTION:
        problems.append(f"the oldest transaction id is {seen['oldest_transaction']} old; vacuum does not come along")
    return none_of(problems, f"PostgreSQL {seen['version']}, oldest transaction id {seen['oldest_transaction']}")


@check(
    "statement-statistics",
    "S28 S83 S88",
    "database",
    "Slow queries can be found",
    target="pg_stat_statements is loaded, and counts",
    command=_sql("SELECT count(*) FROM pg_stat_statements"),
    fix=SITE,
    needs="database",
)
def statement_statistics(facts: Facts) -> Outcome:
    counted = facts.seen["database"]["statements"]
    if not counted:
        return failed("pg_stat_statements is not loaded or not made" if counted is None else "no statement was counted")
    return none_of([], f"{counted} statements counted")


@check(
    "checksums",
    "S60 S92",
    "database",
    "Damage on the disk is noticed when data is read",
    target="data_checksums on (CIS PostgreSQL 6)",
    command=_sql("SHOW data_checksums"),
    fix="Stop the database at a quiet time and type: pg_checksums --enable in its container",
    needs="database",
)
def checksums(facts: Facts) -> Outcome:
    state = facts.seen["database"]["data_checksums"]
    return none_of([] if state == "on" else [f"data_checksums is {state}"], f"data_checksums {state}")


@check(
    "database-roles",
    "S91 S99",
    "database",
    "Nobody can log into the database with a default password, a weak method or too many rights",
    target="the stack's own roles, with SCRAM verifiers and no rights of their own; the superuser has no password",
    command=_sql("SELECT rolname, rolsuper, left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin"),
    fix=f"DROP ROLE name, or ALTER ROLE name NOLOGIN, for what is not the stack's. {SITE}",
    needs="database",
)
def database_roles(facts: Facts) -> Outcome:
    wanted = facts.expected["postgres"]
    own = {wanted["app_role"], wanted["owner_role"]}
    if facts.expected["monitoring"]["enabled"]:
        own.add(wanted["monitoring_role"])
    problems, lines = [], []
    found = {role["name"]: role for role in facts.seen["database"]["roles"]}
    for name, role in found.items():
        lines.append(f"{name}: {_rights(role)}, {'scram-sha-256' if role['scram'] else 'no SCRAM verifier'}")
        if name == "postgres":
            problems += [] if role["without_password"] else ["the superuser postgres has a password; it needs none"]
            continue
        if name not in own and name not in wanted["roles_extra"]:
            problems.append(f"{name} may log in and is not the stack's")
        if role["superuser"] or role["powerful"]:
            problems.append(f"{name} is {_rights(role)}")
        if not role["scram"] and not role["without_password"]:
            problems.append(f"the password of {name} is kept in a weak form")
    problems += [f"the role {name} is missing" for name in sorted(own - set(found))]
    if facts.seen["database"]["app_creates"] != wanted["app_role_creates_tables"]:
        problems.append(
            f"{wanted['app_role']} may {'' if facts.seen['database']['app_creates'] else 'not '}make tables"
        )
    return none_of(problems, f"{len(found)} roles may log in", "\n".join(lines))


def _rights(role: Mapping[str, Any]) -> str:
    if role["superuser"]:
        return "superuser"
    return "more than a user" if role["powerful"] else "ordinary"


@check(
    "app-timeouts",
    "S90",
    "database",
    "A statement of the application that hangs is ended",
    target="the role's statement_timeout and lock_timeout as configured",
    command=_sql("SELECT rolname, rolconfig FROM pg_roles WHERE rolconfig IS NOT NULL"),
    fix=SITE,
    needs="database",
)
def app_timeouts(facts: Facts) -> Outcome:
    wanted = facts.expected["postgres"]
    role = next((one for one in facts.seen["database"]["roles"] if one["name"] == wanted["app_role"]), None)
    has = dict(entry.split("=", 1) for entry in (role or {}).get("settings") or [])
    problems = [
        f"{name} is {has.get(name, 'not set')}, not {value}"
        for name, value in wanted["app_role_settings"].items()
        if has.get(name) != str(value)
    ]
    return none_of(problems, ", ".join(f"{name} {value}" for name, value in sorted(has.items())), str(has))


@check(
    "database-encryption",
    "S55",
    "database",
    "Connections to the database are encrypted, and who connects has to prove it",
    target="TLS on; over the network only hostssl with scram-sha-256; nobody is trusted; no connection in clear",
    command=_sql("SELECT line_number, type, database, user_name, auth_method, error FROM pg_hba_file_rules"),
    fix=SITE,
    needs="database",
)
def database_encryption(facts: Facts) -> Outcome:
    seen, lines = facts.seen["database"], []
    problems = [] if seen["ssl"] == "on" else ["TLS is off"]
    if seen["unencrypted"]:
        problems.append(f"{seen['unencrypted']} connections are in clear")
    for rule in seen["hba"]:
        lines.append("{line} {type} {database} {role} {address} {method} {error}".format(**rule))
        where = f"line {rule['line']} of pg_hba.conf"
        if rule["error"]:
            problems.append(f"{where}: {rule['error']}")
        elif rule["method"] == "reject":
            continue
        elif rule["type"] == "local":
            problems += [] if rule["method"] in ("peer", "scram-sha-256") else [f"{where} lets in by {rule['method']}"]
        elif rule["type"] != "hostssl" or rule["method"] not in ("scram-sha-256", "cert"):
            problems.append(f"{where} lets {rule['role']} in by {rule['type']} {rule['method']}")
    if not lines:
        problems.append("there are no rules, so nobody could connect")
    return none_of(problems, f"TLS {seen['ssl']}, {len(lines)} rules, 0 connections in clear", "\n".join(lines))


@check(
    "connection-budget",
    "S20 S30 S32",
    "database",
    "The connections that can be opened fit those that the database has",
    target="pool and reserve below max_connections, and more than a tenth of them free now",
    command=_sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"),
    fix="Look what holds them: docs/operations.md, when something is wrong, pool exhausted",
    needs="database",
)
def connection_budget(facts: Facts) -> Outcome:
    seen, pool = facts.seen["database"], facts.plan["pgbouncer"]["settings"]
    can = int(pool["default_pool_size"]) + int(pool["reserve_pool_size"])
    has = seen["max_connections"] - seen["reserved"]
    problems = [] if can <= has else [f"the pool can open {can} connections, and the database takes {has}"]
    if seen["connections"] > has * 0.9:
        problems.append(f"{seen['connections']} of {has} connections are in use")
    measured = f"{seen['connections']} in use, the pool can open {can}, the database takes {has}"
    return none_of(problems, measured, measured)
