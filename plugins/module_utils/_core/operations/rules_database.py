# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database and its pool suffer from. Causes stand before what they cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .diagnosis import BROKEN, SLOW, WATCH, Facts, Finding, grown, joined, rule
from .words import count, duration, size, statement

_DATABASE = "docker exec -i $(docker ps -q -f name={stack}_postgres | head -n 1) psql -U postgres"
_ACTIVITY = (
    _DATABASE
    + ' -c "SELECT pid, usename, state, now() - xact_start, left(query, 60) FROM pg_stat_activity'
    + ' ORDER BY 4 DESC NULLS LAST"'
)
_POOLS = (
    "docker exec $(docker ps -q -f name={stack}_pgbouncer | head -n 1) psql -h /run/pgbouncer -p 6432 -U pgbouncer"
    " -d pgbouncer -c 'SHOW POOLS'"
)

#: A transaction that does nothing for so long, in seconds, is forgotten. Alerts wait for 30.
IDLE = 5.0
#: A statement that runs for so long, in seconds, is not one that somebody waits for.
LONG = 30.0
VERY_LONG = 300.0
#: Somebody who waits for a lock longer than the server's deadlock_timeout (1 s) waits for a person.
BLOCKED = 1.0
CONNECTIONS = 0.8
CACHE_HITS = 0.9
READS = 2000.0
DEAD = 0.2
DEAD_ROWS = 10000
TRANSACTION_ID = 300_000_000
TEMPORARY = 64 * 1024 * 1024
BUSY = 0.9


def _who(one: Mapping[str, Any]) -> str:
    application = f" ({one['application']})" if one["application"] else ""
    return f"{one['role'] or 'somebody'}{application}, pid {one['pid']}"


def _end(pids: Sequence[int]) -> str:
    """The command that ends them, with the milder one first."""
    first = pids[0]
    return f"{_DATABASE} -c 'SELECT pg_terminate_backend({first})'" + (" (and the others)" if len(pids) > 1 else "")


def _application(activity: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sessions but those of backups and dumps, which may take long."""
    return [one for one in activity if not str(one["application"]).startswith(("pg_dump", "firstbell", "pgBackRest"))]


@rule("lock-queue", "database")
def lock_queue(facts: Facts) -> Iterator[Finding]:
    activity = {one["pid"]: one for one in facts.seen["database"]["activity"]}
    waiting = {pid: one for pid, one in activity.items() if one["blocked_by"] and one["query_seconds"] > BLOCKED}
    if not waiting:
        return
    roots = {root for pid in waiting for root in _roots(pid, activity)}
    held = {root: [pid for pid in waiting if root in _roots(pid, activity)] for root in roots}
    root = max(held, key=lambda pid: len(held[pid]))
    holder = activity.get(root)
    longest = max(one["query_seconds"] for one in waiting.values())
    if holder is None:
        who, doing = f"pid {root}", "which is no client (a prepared transaction or a worker)"
    elif holder["state"].startswith("idle in transaction"):
        who, doing = (
            _who(holder),
            f"which has done nothing for {duration(holder['state_seconds'])} in an open transaction",
        )
    else:
        who, doing = _who(holder), f"which runs since {duration(holder['query_seconds'])}"
    query = f"; its last statement: {statement(holder['query'])}" if holder else ""
    first = max(waiting.values(), key=lambda one: float(one["query_seconds"]))
    yield Finding(
        BROKEN if longest > LONG or len(waiting) > 2 else SLOW,  # noqa: PLR2004 - a queue
        f"{count(len(waiting), 'session waits', 'sessions wait')} for a lock that one transaction holds",
        f"{who}, {doing}, blocks {len(held[root])}; the longest waits for {duration(longest)}{query};"
        f" who waits wants: {statement(first['query'])}",
        _end([root]),
        "postgres#databaselockswaiting",
        ("idle-transactions", "long-statements", "pool-waiting", "app-slow", "app-pool", "edge-slow", "edge-queue"),
        longest,
    )


def _roots(pid: int, activity: Mapping[int, Mapping[str, Any]], path: tuple[int, ...] = ()) -> set[int]:
    """Who holds what, at the end of every chain: those that wait for nobody themselves."""
    found: set[int] = set()
    for blocker in activity[pid]["blocked_by"]:
        if blocker in path:
            continue
        if blocker in activity and activity[blocker]["blocked_by"]:
            found |= _roots(blocker, activity, (*path, pid))
        else:
            found.add(blocker)
    return found


@rule("idle-transactions", "database")
def idle_transactions(facts: Facts) -> Iterator[Finding]:
    idle = [
        one
        for one in facts.seen["database"]["activity"]
        if one["state"].startswith("idle in transaction") and one["state_seconds"] > IDLE
    ]
    if not idle:
        return
    longest = max(idle, key=lambda one: float(one["state_seconds"]))
    waiting = _waiting(facts)
    yield Finding(
        BROKEN if waiting else SLOW if len(idle) > 1 or longest["state_seconds"] > LONG else WATCH,
        f"{count(len(idle), 'transaction is', 'transactions are')} left open by a client that does nothing",
        f"the longest has done nothing for {duration(longest['state_seconds'])}: {_who(longest)};"
        f" its last statement: {statement(longest['query'])}"
        + (f"; {count(waiting, 'client waits', 'clients wait')} for a connection meanwhile" if waiting else ""),
        _end([one["pid"] for one in sorted(idle, key=lambda one: -float(one["state_seconds"]))]),
        "postgres#databasetransactionidle",
        ("pool-waiting", "app-slow", "app-pool", "edge-slow", "edge-queue", "vacuum-starving"),
        longest["state_seconds"],
    )


def _waiting(facts: Facts) -> int:
    """Clients that wait for a connection, or did some seconds before: after a while they are refused."""
    looks = (look.get("pool", {}).get("pools", []) for look in (facts.seen, facts.before))
    return max(sum(int(one["cl_waiting"]) for one in pools if one["database"] != "pgbouncer") for pools in looks)


@rule("pool-waiting", "pool")
def pool_waiting(facts: Facts) -> Iterator[Finding]:
    before = {(one["database"], one["user"]): one for one in facts.before.get("pool", {}).get("pools", [])}
    databases = {one["name"]: one for one in facts.seen["pool"]["databases"]}
    for one in facts.seen["pool"]["pools"]:
        waits = float(one["maxwait"]) + float(one["maxwait_us"]) / 1e6
        waited_before = int(before.get((one["database"], one["user"]), {}).get("cl_waiting", 0))
        if one["database"] == "pgbouncer" or not int(one["cl_waiting"]) or not (waits > BLOCKED or waited_before):
            continue
        busy = int(one["sv_active"])
        limit = databases.get(one["database"], {}).get("pool_size", "?")
        yield Finding(
            BROKEN if waits > LONG / 10 else SLOW,
            f"The pool is exhausted: {count(int(one['cl_waiting']), 'client waits', 'clients wait')} for a connection",
            f"database {one['database']}, user {one['user']}: {busy} connections busy of a pool of {limit},"
            f" the longest wait is {duration(waits)}; {_doing(facts, one['user'])}",
            _POOLS + "; " + _ACTIVITY,
            "pgbouncer#poolclientswaiting",
            ("long-statements", "app-slow", "app-pool", "edge-slow", "edge-queue", "edge-errors", "connections"),
            waits,
        )


def _doing(facts: Facts, role: str) -> str:
    """What the connections of a role are busy with."""
    own = [one for one in facts.seen.get("database", {}).get("activity", []) if one["role"] == role]
    busy = sorted((one for one in own if one["state"] != "idle"), key=lambda one: -float(one["transaction_seconds"]))
    if not busy:
        return "the database sees none of them at work" if own else "what they do is not known"
    shown = joined((f"{duration(one['transaction_seconds'])} {statement(one['query'], 60)}" for one in busy), 2)
    return f"they are busy with: {shown}"


@rule("long-statements", "database")
def long_statements(facts: Facts) -> Iterator[Finding]:
    long = sorted(
        (
            one
            for one in _application(facts.seen["database"]["activity"])
            if one["state"] == "active" and one["query_seconds"] > LONG and not one["blocked_by"]
        ),
        key=lambda one: -float(one["query_seconds"]),
    )
    if long:
        yield Finding(
            SLOW if len(long) > 1 or long[0]["query_seconds"] > VERY_LONG else WATCH,
            f"{count(len(long), 'statement runs', 'statements run')} for more than {duration(LONG)}",
            joined(f"{duration(one['query_seconds'])} {_who(one)}: {statement(one['query'])}" for one in long),
            f"{_DATABASE} -c 'SELECT pg_cancel_backend({long[0]['pid']})'",
            "postgres#databasetransactionlong",
            since=long[0]["query_seconds"],
        )


@rule("connections", "database")
def connections(facts: Facts) -> Iterator[Finding]:
    seen = facts.seen["database"]
    most = seen["max_connections"] - seen["reserved"]
    used = len(seen["activity"])
    if used > CONNECTIONS * most:
        roles: dict[str, int] = {}
        for one in seen["activity"]:
            roles[one["role"]] = roles.get(one["role"], 0) + 1
        shown = ", ".join(f"{role or 'nobody'} {number}" for role, number in sorted(roles.items(), key=lambda x: -x[1]))
        yield Finding(
            BROKEN if used >= most else SLOW,
            f"{used} of {most} connections of the database are taken",
            f"by role: {shown}",
            _ACTIVITY,
            "postgres#databaseconnectionshigh",
            ("pool-waiting",),
        )
    lists = {one["list"]: int(one["items"]) for one in facts.seen.get("pool", {}).get("lists", [])}
    config = {one["key"]: one["value"] for one in facts.seen.get("pool", {}).get("config", [])}
    clients, allowed = lists.get("used_clients", 0), int(config.get("max_client_conn", 0))
    if allowed and clients > CONNECTIONS * allowed:
        yield Finding(
            BROKEN if clients >= allowed else SLOW,
            f"{clients} of {allowed} clients of the pool are connected",
            "one more than that is refused",
            _POOLS.replace("POOLS", "CLIENTS"),
            "pgbouncer#poolclientshigh",
        )


@rule("statement-load", "database")
def statement_load(facts: Facts) -> Iterator[Finding]:
    """One kind of statement that alone keeps more than a processor's worth of sessions busy."""
    before = {one["id"]: one for one in facts.before.get("database", {}).get("statements") or ()}
    seconds = facts.seconds.get("database", 0)
    if not seconds or not before:
        return
    load: list[tuple[float, float, Mapping[str, Any]]] = []
    for one in facts.seen["database"]["statements"] or []:
        spent = grown(one, before.get(one["id"], {"total_seconds": one["total_seconds"]}), "total_seconds")
        calls = grown(one, before.get(one["id"], {"calls": one["calls"]}), "calls")
        load.append((spent, calls, one))
    spent, calls, worst = max(load, key=lambda item: item[0], default=(0.0, 0.0, {}))
    if spent > BUSY * seconds and calls and spent / calls > 0.1:  # noqa: PLR2004 - a tenth of a second each
        yield Finding(
            SLOW,
            "One statement takes most of the database's time",
            f"{calls:.0f} calls took {duration(spent)} within {duration(seconds)}: {statement(worst['query'])}",
            f"{_DATABASE} -d <database> -c 'EXPLAIN (ANALYZE, BUFFERS) <the statement>'",
            "postgres#databasetransactionlong",
            ("app-slow", "edge-slow"),
        )


@rule("cache-hits", "database")
def cache_hits(facts: Facts) -> Iterator[Finding]:
    after, before = facts.seen["database"]["counters"], facts.before.get("database", {}).get("counters", {})
    if not before:
        return
    hit, read = grown(after, before, "hit"), grown(after, before, "read")
    if read > READS and hit / (hit + read) < CACHE_HITS:
        yield Finding(
            SLOW,
            f"The database reads from the disk: {100 * hit / (hit + read):.0f} % of its pages come from memory",
            f"{read:.0f} pages read, {hit:.0f} found in memory within {duration(facts.seconds['database'])}",
            _DATABASE
            + " -d <database> -c 'SELECT relname, seq_tup_read FROM pg_stat_user_tables ORDER BY 2 DESC LIMIT 5'",
            "postgres#databasecachehitslow",
        )
    temporary = grown(after, before, "temporary_bytes")
    if temporary > TEMPORARY:
        yield Finding(
            WATCH,
            f"Statements sort or join on the disk: {size(temporary)} within {duration(facts.seconds['database'])}",
            f"{grown(after, before, 'temporary_files'):.0f} temporary files; work_mem is too small for them",
            "docker service logs --since 10m {stack}_postgres 2>&1 | grep 'temporary file'",
            "postgres#databasecachehitslow",
        )
    if grown(after, before, "deadlocks"):
        yield Finding(
            SLOW,
            f"{count(int(grown(after, before, 'deadlocks')), 'deadlock')} within {duration(facts.seconds['database'])}",
            "each one fails a request",
            "docker service logs --since 10m {stack}_postgres 2>&1 | grep -A 4 deadlock",
            "postgres#databasedeadlocks",
        )


@rule("vacuum-starving", "database")
def vacuum_starving(facts: Facts) -> Iterator[Finding]:
    seen = facts.seen["database"]
    bloated = [
        one for one in seen["tables"] if one["dead"] > DEAD_ROWS and one["dead"] > DEAD * (one["live"] + one["dead"])
    ]
    if bloated and not seen["vacuums"]:
        worst = max(bloated, key=lambda one: float(one["dead"]))
        ago = "never" if worst["vacuumed_seconds"] is None else f"{duration(worst['vacuumed_seconds'])} ago"
        yield Finding(
            WATCH,
            f"{count(len(bloated), 'table is', 'tables are')} full of dead rows, and no vacuum is at work",
            f"{worst['schema']}.{worst['name']}: {worst['dead']:.0f} dead rows beside {worst['live']:.0f} live ones,"
            f" last vacuumed {ago}",
            _DATABASE + f" -d <database> -c 'VACUUM (ANALYZE, VERBOSE) {worst['schema']}.{worst['name']}'",
            "postgres#databasevacuumstarving",
        )
    if seen["oldest_transaction"] > TRANSACTION_ID:
        yield Finding(
            WATCH,
            f"The oldest transaction id is {seen['oldest_transaction'] / 1e6:.0f} million behind",
            "the database stops writing at 2 billion",
            _DATABASE + " -c 'SELECT datname, age(datfrozenxid) FROM pg_database ORDER BY 2 DESC'",
            "postgres#databasetransactionidage",
        )


@rule("checkpoints", "database")
def checkpoints(facts: Facts) -> Iterator[Finding]:
    after, before = facts.seen["database"]["counters"], facts.before.get("database", {}).get("counters", {})
    if before and grown(after, before, "requested") > 1:
        yield Finding(
            WATCH,
            f"{grown(after, before, 'requested'):.0f} checkpoints within {duration(facts.seconds['database'])}",
            "so much is written that the WAL's room is used up: each checkpoint writes everything out at once",
            _DATABASE + " -c 'SHOW max_wal_size'",
            "postgres#databasetransactionlong",
        )
