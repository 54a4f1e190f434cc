# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: its settings, roles and connections."""

from __future__ import annotations

from ..index_sql import identifier, literal
from ..pg_findings import OF_SESSIONS
from . import roles
from .model import Check, Facts, Outcome, check, failed, none_of
from .schema import sql, typed
from .services import SITE
from .unlooked import without_postgres

_RESET = (
    "Take back what was set by hand, then load the file again: make site ARGS='-e postgres_reset_alter_system=true'. "
    "A setting that waits for a restart: make site ARGS='-e postgres_allow_restart=true' at a quiet time"
)
#: pg_checksums takes no directory of a running server, and a service that is stopped has no container to type it in.
_ENABLE_CHECKSUMS = without_postgres("docker run --rm", 'pg_checksums "$image" --enable')
_ANY = -1
"""As a limit of connections."""

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
_OF_ROLES = f"What the finding says; {SITE}. A role of your own: name it in postgres_roles_extra"
_OF_A_RESTORE = ("restore_command", "recovery_", "primary_", "archive_cleanup_command")
_READ_ONLY = "default_transaction_read_only"
_GROUPED = frozenset(name for _id, _row, _title, names in _GROUPS for name in names)


def _judge_settings(facts: Facts, names: frozenset[str] | None) -> Outcome:
    """Of these settings, or, with None, of all that belong to no group, and of the files."""
    seen = facts.seen["settings"]
    wanted = set(facts.expected["postgres"]["settings"])
    mine = wanted - _GROUPED if names is None else wanted & names
    if not mine:
        return failed("the plan has none of these settings")
    other = wanted - mine if names is None else set()
    findings = [
        finding
        for finding in seen["findings"]
        if (finding["name"] in mine if names is not None else finding["name"] not in other)
    ]
    problems = [f"{finding['name']}: {finding['problem']}" for finding in findings]
    by_alter = [finding["fix"] for finding in findings if finding["kind"] in (*OF_SESSIONS, "not_reloaded")]
    told_of = {name.lower(): one for name, one in seen["settings"].items()}
    shown = {name: told_of.get(name.lower(), {}) for name in sorted(mine)}
    lines = [
        f"{name} = {one.get('value')} (wanted {one.get('wanted')}, {one.get('source')})" for name, one in shown.items()
    ]
    wrong = [name for name, one in shown.items() if not one.get("in_force")]
    told = {problem.partition(":")[0] for problem in problems}
    problems += [f"{name} is {shown[name].get('value')}" for name in wrong if name not in told]
    fix = typed(by_alter, _RESET if len(problems) > len(by_alter) else "")
    if names is None:
        return none_of(problems, f"{len(lines)} further settings as planned", "\n".join(lines), fix=fix)
    measured = ", ".join(f"{name} {one.get('value')}" for name, one in shown.items())
    target = ", ".join(f"{name} {one.get('wanted')}" for name, one in shown.items())
    return none_of(problems, measured, "\n".join(lines), target=target, fix=fix)


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
        command=sql(f"SELECT name, setting, unit, source, pending_restart FROM pg_settings {query}"),  # noqa: S608
        fix=_RESET,
        needs="settings",
    )(lambda facts: _judge_settings(facts, names))


SETTINGS = (
    *(_settings_check(name, f"S29 {row}", title, settings) for name, row, title, settings in _GROUPS),
    _settings_check("settings-other", "S29", "Every other setting of the database is as planned", None),
)


@check(
    "statement-statistics",
    "S28 S83 S88",
    "database",
    "Slow queries can be found",
    target="pg_stat_statements is loaded, and counts",
    command=sql("SELECT count(*) FROM pg_stat_statements"),
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
    target="data_checksums on, and no page that failed them",
    command=sql("SELECT datname, checksum_failures FROM pg_stat_database"),
    fix=_ENABLE_CHECKSUMS,
    needs="database",
)
def checksums(facts: Facts) -> Outcome:
    seen = facts.seen["database"]
    state, damaged = seen["data_checksums"], seen["damaged_pages"]
    if damaged:
        return failed(
            f"pages were damaged when they were read: {damaged}",
            fix="Restore the database to before that, or what was lost of it: docs/recovery/README.md. "
            "Once all is well: SELECT pg_stat_reset() in that database",
        )
    return none_of([] if state == "on" else [f"data_checksums is {state}"], f"data_checksums {state}")


@check(
    "database-roles",
    "S91 S99",
    "database",
    "Nobody can log into the database with a default password, a weak method or too many rights",
    target="the stack's own roles, with SCRAM verifiers; nobody has more rights than the stack "
    "and postgres_roles_extra give; the superuser has no password",
    command=sql("SELECT rolname, rolcanlogin, rolsuper, left(rolpassword, 14) FROM pg_authid"),
    fix=_OF_ROLES,
    needs="database",
)
def database_roles(facts: Facts) -> Outcome:
    wanted = facts.expected["postgres"]
    own = {wanted["app_role"], wanted["owner_role"]}
    if facts.expected["monitoring"]["enabled"]:
        own.add(wanted["monitoring_role"])
    seen = facts.seen["database"]
    renamed = roles.renamed(seen)
    if renamed:
        return none_of([*renamed], "", fix=typed(renamed.values()))
    found = {role["name"]: role for role in seen["roles"]}
    problems = [problem for role in found.values() for problem in roles.logins(role)]
    problems += [f"the role {name} is missing" for name in sorted(own - set(found))]
    problems += [*roles.memberships(seen, wanted), *roles.grants(seen, wanted), *roles.ways_out(seen, wanted)]
    mended = roles.mended_by(seen, own, wanted)
    lines = [roles.shown(role) for role in found.values()]
    lines += [f"{one['member']} belongs to {one['granted']}" for one in seen["memberships"]]
    lines += [f"{statement};" for statement in mended.values()]
    fix = typed(mended.values(), _OF_ROLES if problems else "")
    logins = sum(role["login"] for role in found.values())
    return none_of([*mended, *problems], f"{logins} roles may log in", "\n".join(lines), fix=fix)


@check(
    "app-timeouts",
    "S90",
    "database",
    "A statement of the application that hangs is ended",
    target="the role's statement_timeout and lock_timeout as configured",
    command=sql("SELECT rolname, rolconfig FROM pg_roles WHERE rolconfig IS NOT NULL"),
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
    "database-overrides",
    "S29 S90",
    "database",
    "Nothing that was set by hand for the server, a role or a database stands above the plan",
    target="only what the playbook sets for the application's role and the monitoring's; nothing by ALTER SYSTEM",
    command="; ".join((sql("TABLE pg_db_role_setting"), "cat /opt/{stack}/data/postgres/*/data/postgresql.auto.conf")),
    fix="The statements of the evidence",
    needs="database",
)
def database_overrides(facts: Facts) -> Outcome:
    wanted = facts.expected["postgres"]
    own = wanted["role_settings"]
    problems, lines, fixes = [], [], []
    once = {role["name"]: role["once"] for role in facts.seen["database"]["roles"] if role["once"]}
    for one in facts.seen["database"]["overrides"]:
        inside = f" in the database {one['database']}" if one["database"] else ""
        where = f"{one['role'] or 'every role'}{inside}"
        for setting in one["settings"]:
            lines.append(f"{where}: {setting}")
            allowed = own.get(once.get(one["role"], one["role"]), {}) if not one["database"] else {}
            name, _equals, value = setting.partition("=")
            if name not in allowed and one["role"] not in wanted["roles_extra"]:
                problems.append(f"{where} has {setting}")
                fixes.append(_reset(one["role"], one["database"], name))
            # Those of the application are app-timeouts' to judge.
            elif name in allowed and value != str(allowed[name]) and one["role"] != wanted["app_role"]:
                problems.append(f"{where} has {setting} instead of {allowed[name]}")
                fixes.append(f"ALTER ROLE {identifier(one['role'])} SET {name} = {literal(str(allowed[name]))}")
    for one in facts.seen["database"]["by_hand"]:
        lines.append(f"ALTER SYSTEM: {one['name']}={one['setting']}")
        # Those of the plan are judged by their values; those of a restore do nothing any more.
        if one["refused"]:
            problems.append(
                f"line {one['line']} of postgresql.auto.conf ({one['name'] or 'it cannot be read'}) is refused by the "
                "server, which does not start again with it; what mends it takes back all of that file"
            )
            fixes += ["ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()"]
        elif one["name"] not in wanted["settings"] and not one["name"].startswith(_OF_A_RESTORE):
            problems.append(f"ALTER SYSTEM has set {one['name']} to {one['setting']}")
            fixes += [f"ALTER SYSTEM RESET {one['name']}", "SELECT pg_reload_conf()"]
    # Else it would hold for these statements as well.
    if any(_READ_ONLY in problem for problem in problems):
        fixes.insert(0, f"SET {_READ_ONLY} = off")
    evidence = "\n".join([*lines, *(f"{one};" for one in fixes)])
    return none_of(problems, f"{len(lines)} settings, as the playbook makes them", evidence, fix=typed(fixes))


def _reset(role: str, database: str, setting: str) -> str:
    """The statement that takes back what was set for a role, a database or both."""
    if database and not role:
        return f"ALTER DATABASE {identifier(database)} RESET {setting}"
    inside = f" IN DATABASE {identifier(database)}" if database else ""
    return f"ALTER ROLE {identifier(role) if role else 'ALL'}{inside} RESET {setting}"


@check(
    "database-encryption",
    "S55",
    "database",
    "Connections to the database are encrypted, and who connects has to prove it",
    target="TLS on, by valid certificates of the stack's own authority; over the network only hostssl with "
    "scram-sha-256; nobody is trusted; no connection in clear",
    command=sql("SELECT line_number, type, database, user_name, auth_method, error FROM pg_hba_file_rules"),
    fix=SITE,
    needs="database certificates",
)
def database_encryption(facts: Facts) -> Outcome:
    seen, lines = facts.seen["database"], []
    problems = [] if seen["ssl"] == "on" else ["TLS is off"]
    problems += facts.seen["certificates"]
    problems += [f"{path} was written after the server has read it" for path in seen["unread"]]
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
    target="pool and reserve below max_connections, more than a tenth of them free now, and no limit but the planned",
    command=sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"),
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
    wanted, limited = facts.expected["postgres"], []
    if seen["connection_limit"] != _ANY:
        limited.append(f"the database takes {seen['connection_limit']} of them by ALTER DATABASE")
    for role in seen["roles"]:
        planned = wanted["connections"].get(role["name"], role["connections"])
        if role["connections"] != planned:
            most = "any number" if planned == _ANY else planned
            limited.append(f"{role['name']} may open {role['connections']} connections, not {most}")
    return none_of([*problems, *limited], measured, measured, fix=SITE if limited else "")
