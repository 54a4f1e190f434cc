# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool of database connections, and the cache."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from .. import pgbouncer_config
from ..errors import InputError
from ..units import parse_size
from .model import Facts, Outcome, check, none_of
from .services import SITE

_CONSOLE = (
    'docker exec "$(docker ps -q -f name={stack}_pgbouncer)" '
    "psql --host=/run/pgbouncer --port=6432 --username=pgbouncer --dbname=pgbouncer --command="
)
#: Neither reads its files again by itself, so the playbook sees nothing to do after a change in the running program.
_RELOAD = f"{_CONSOLE}RELOAD, which takes back what was only set at the console. {SITE}"
_RESTART = f"{SITE}. What was only set in the running cache goes with: docker service update --force {{stack}}_redis"
_ADMIN = "pgbouncer"
#: What it shows without a default.
_OF_ITSELF = ("conffile", "verbose")
_LONGEST_WAIT = 1.0
_FULL = 0.95
_DATABASE = re.compile(r"db\d+")
_OF_KEYS = "docs/runbooks/redis.md#{} says how to see which keys, and what to do with them; no restart helps"
#: What its INFO tells is judged by that; and what it tells in words of its own cannot be compared.
_NOT_COMPARED = (
    *("maxmemory", "maxmemory-policy", "appendonly"),
    *("client-output-buffer-limit", "notify-keyspace-events"),
)
_CACHE_USERS = ("default", "app", "monitoring", "backup")
_CACHE_APP_RULES = ("-@admin", "-@dangerous", "-flushall", "-flushdb", "-keys")


@check(
    "pool-settings",
    "S31",
    "pool",
    "The pool of database connections has its planned size and mode",
    target="every setting of the plan, as SHOW CONFIG tells it",
    command=f"{_CONSOLE}'SHOW CONFIG'",
    fix=_RELOAD,
    needs="pool",
)
def pool_settings(facts: Facts) -> Outcome:
    wanted = facts.expected["pgbouncer"]["settings"]
    config = pgbouncer_config.items(facts.seen["pool"]["CONFIG"])
    problems = [f"{finding.name}: {finding.problem}" for finding in pgbouncer_config.compare(wanted, config)]
    database = facts.expected["postgres"]
    own = {database["app_role"], database["owner_role"], database["monitoring_role"], *database["roles_extra"]}
    problems += [
        f"{item.name} is {item.value or 'empty'}, and neither the plan nor the program's default"
        for item in config.values()
        if item.name not in (*wanted, *_OF_ITSELF) and item.changeable and not pgbouncer_config.same(item, item.default)
    ]
    problems += _databases(facts)
    problems += [
        f"{name} may use the pool and is not the stack's (userlist.txt)"
        for name in sorted(set(facts.seen["pool"]["users"]) - own)
    ]
    names = ("pool_mode", "default_pool_size", "min_pool_size", "reserve_pool_size", "max_client_conn")
    shown = {name: config[name].value for name in names if name in config}
    lines = [f"{name} = {config[name].value}" for name in sorted(wanted) if name in config]
    target = ", ".join(f"{name} {wanted[name]}" for name in names if name in wanted)
    return none_of(problems, ", ".join(f"{n} {v}" for n, v in shown.items()), "\n".join(lines), target=target)


def _databases(facts: Facts) -> Iterator[str]:
    """Where the pool leads to otherwise than its file says."""
    expected, settings = facts.expected["pgbouncer"], facts.expected["pgbouncer"]["settings"]
    planned = {
        "host": expected["host"],
        "port": "5432",
        "database": expected["database"],
        "force_user": "",
        "pool_mode": settings["pool_mode"],
        "pool_size": settings["default_pool_size"],
    }
    for row in facts.seen["pool"]["DATABASES"]:
        if row["name"] == expected["database"]:
            for name, value in planned.items():
                if row.get(name, value) not in ("", str(value)):
                    yield f"{name} of the database {row['name']} is {row[name]}, not {value or 'set'}"
        elif row["name"] != _ADMIN:
            yield f"the pool leads to {row['database']} at {row['host'] or 'its own socket'} as {row['name']}, too"


@check(
    "pool-state",
    "S32 S90",
    "pool",
    "Nobody waits for a database connection",
    target=f"nobody waits longer than {_LONGEST_WAIT:g} s, and the pool is not paused",
    command=f"{_CONSOLE}'SHOW POOLS'",
    fix="Look what holds the connections: pg_stat_activity; docs/operations.md, commands for the pool",
    needs="pool",
)
def pool_state(facts: Facts) -> Outcome:
    seen, problems, lines = facts.seen["pool"], [], []
    for row in seen["POOLS"]:
        wait = int(row["maxwait"]) + int(row.get("maxwait_us") or 0) / 1e6
        where = f"{row['database']}/{row['user']}"
        lines.append(
            f"{where}: {row['cl_active']} active, {row['cl_waiting']} waiting {wait:.1f} s, {row['sv_active']} in use"
        )
        if wait > _LONGEST_WAIT:
            problems.append(f"{row['cl_waiting']} clients of {where} wait, the first for {wait:.1f} s")
    databases = {row["name"]: row for row in seen["DATABASES"]}
    own = databases.get(facts.expected["pgbouncer"]["database"])
    if own is None:
        problems.append(f"the pool does not know the database {facts.expected['pgbouncer']['database']}")
    paused = [name for name, row in databases.items() if row.get("paused") == "1"]
    disabled = [name for name, row in databases.items() if row.get("disabled") == "1"]
    commands = [*(f"'RESUME {name}'" for name in paused), *(f"'ENABLE {name}'" for name in disabled)]
    problems = [f"{name} is paused" for name in paused] + [f"{name} is disabled" for name in disabled] + problems
    fix = _CONSOLE + " --command=".join(commands) if commands else ""
    return none_of(problems, f"{len(lines)} pools, none waits", "\n".join(lines), fix=fix)


@check(
    "cache-settings",
    "S33 S35",
    "cache",
    "The cache has its planned memory, and makes room by the planned rule",
    target="the plan's maxmemory and maxmemory-policy, and everything is kept on the disk",
    command="INFO memory and INFO persistence: docs/operations.md, commands for Redis",
    fix=_RESTART,
    needs="cache",
)
def cache_settings(facts: Facts) -> Outcome:
    info, wanted = facts.seen["cache"]["info"], facts.expected["redis"]["settings"]
    problems = []
    most = parse_size(_size(wanted["maxmemory"]))
    if int(info["maxmemory"]) != most:
        problems.append(f"maxmemory is {info['maxmemory']} bytes, not {wanted['maxmemory']}")
    if info["maxmemory_policy"] != wanted["maxmemory-policy"]:
        problems.append(f"maxmemory-policy is {info['maxmemory_policy']}, not {wanted['maxmemory-policy']}")
    if (info["aof_enabled"] == "1") != (wanted.get("appendonly") == "yes"):
        problems.append(f"appendonly is {'on' if info['aof_enabled'] == '1' else 'off'}")
    if info.get("aof_last_write_status", "ok") != "ok":
        problems.append("the last write to the disk failed")
    problems += _fullness(info, most)
    lines = facts.seen["cache"]["file"].splitlines()
    kept = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#") and " " in line)
    problems += [
        f"{name} is {kept.get(name, 'not')} in redis.conf, not {value}"
        for name, value in sorted(wanted.items())
        if kept.get(name) != str(value)
    ]
    live = facts.seen["cache"]["live"]
    problems += [] if live else ["the running cache does not tell its settings, as its users are of another version"]
    problems += [
        f"{name} is {live[name]} in the running cache, not {value}"
        for name, value in sorted(wanted.items())
        if name in live and name not in _NOT_COMPARED and not _same(str(value), live[name])
    ]
    used = f"{int(info['used_memory']) / 1048576:.1f} MB used"
    measured = f"maxmemory {int(info['maxmemory']) // 1048576} MB, {info['maxmemory_policy']}, {used}"
    evidence = "\n".join(
        f"{name}:{info[name]}" for name in sorted(info) if name.startswith(("maxmemory", "aof_", "used_memory"))
    )
    target = f"maxmemory {wanted['maxmemory']}, {wanted['maxmemory-policy']}"
    lost = facts.seen["cache"]["lost"] if info["aof_enabled"] == "1" else []
    fix = ""
    if lost:
        # Whatever restarts it is for afterwards.
        fix = f"{{stack}}-backup files-backup, which writes them anew.{f' Then: {_RESTART}' if problems else ''}"
        problems.append(f"a restart would find none of its data: {', '.join(lost)} is gone")
    return none_of(problems, measured, evidence, target=target, fix=fix)


def _fullness(info: Mapping[str, str], most: int) -> list[str]:
    """Why what is written now is lost or refused; a restart mends neither."""
    if not most or int(info["used_memory"]) <= most * _FULL:
        return []
    databases = [dict(pair.split("=") for pair in info[name].split(",")) for name in info if _DATABASE.fullmatch(name)]
    expiring = sum(int(one["expires"]) for one in databases)
    if info["maxmemory_policy"].startswith("volatile-") and not expiring and databases:
        return [f"it is full of keys that never expire, and refuses writes: {_OF_KEYS.format('cacherefuseswrites')}"]
    if int(info.get("evicted_keys", 0)):
        return [f"it is full and throws keys away: {_OF_KEYS.format('cachememoryhigh')}"]
    return []


def _size(value: object) -> int | str:
    text = str(value)
    return int(text) if text.isdigit() else text


def _same(wanted: str, live: str) -> bool:
    """Whether the running cache means the same; it tells sizes in bytes, and an empty text without quotes."""
    texts = wanted.strip('"').lower(), live.lower()
    try:
        return texts[0] == texts[1] or parse_size(_size(texts[0].upper())) == int(texts[1])
    except (InputError, ValueError):
        return False


def _rules(users: Mapping[str, Sequence[str]], where: str) -> Iterator[str]:
    """What is wrong with users.acl, which the cache reads when it starts anew, or with what the running one has."""
    for name, rules in users.items():
        if name not in _CACHE_USERS:
            yield f"the user {name} of {where} is not the stack's"
        if "nopass" in rules and "off" not in rules:
            yield f"the user {name} of {where} needs no password"
        if any(rule.startswith("passwords=") for rule in rules):
            yield f"the user {name} of {where} has more than one password"
    if "off" not in users.get("default", ()):
        yield f"the user default of {where} is not off"
    missing = [rule for rule in _CACHE_APP_RULES if rule not in users.get("app", ())]
    if missing:
        yield f"the user app of {where} lacks {' '.join(missing)}"


@check(
    "cache-users",
    "S33 S35 S91",
    "cache",
    "Nobody uses the cache without a password, and the application cannot empty it",
    target="no user without a password; KEYS, CONFIG and ACL refused to the application",
    command="docker exec -i CONTAINER redis-cli -s /run/redis/redis.sock, then PING without AUTH",
    fix=_RESTART,
    needs="cache",
)
def cache_users(facts: Facts) -> Outcome:
    seen = facts.seen["cache"]
    problems = [] if "NOAUTH" in seen["nobody"] else [f"somebody without a password is answered: {seen['nobody'][:40]}"]
    lines = [f"without a password: {seen['nobody']}"]
    for command, answer in seen["app"].items():
        said = " ".join(answer)[:80]
        lines.append(f"app, {command}: {said}")
        if command == "PING":
            problems += [] if said == "PONG" else [f"the application's user cannot use it: {said}"]
        elif "NOPERM" not in said:
            problems.append(f"the application may use {command.split()[0]}")
    problems += _rules(seen["users"], "users.acl")
    # Without a word of them, the settings say why.
    problems += _rules(seen["live_users"], "the running cache") if seen["live_users"] else []
    return none_of(problems, "nobody without a password; dangerous commands refused", "\n".join(lines))
