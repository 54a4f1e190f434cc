# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database suffers from. Causes stand before what they cause."""

from __future__ import annotations

import shlex
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from .diagnosis import BROKEN, SLOW, WAITING, WATCH, Facts, Finding, grown, joined, rule
from .words import count, duration, size, statement

_SERVER = "docker exec -i $(docker ps -q -f name={stack}_postgres | head -n 1) psql -U postgres"
_DATABASE = _SERVER + " -d {database}"
ACTIVITY = (
    _SERVER
    + ' -c "SELECT pid, usename, state, now() - xact_start, left(query, 60) FROM pg_stat_activity'
    + ' ORDER BY 4 DESC NULLS LAST"'
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
#: Sessions that wait for the disk all the time, and seconds a page: one from the host's memory takes a tenth of that.
READING = 0.5
READ = 0.0001
DEAD = 0.2
DEAD_ROWS = 10000
TRANSACTION_ID = 300_000_000
TEMPORARY = 64 * 1024 * 1024
BUSY = 0.9
CALL = 0.1
#: Checkpoints that follow each other faster are too frequent: the server's default of checkpoint_warning.
CHECKPOINTS = 30.0
#: What pg_blocking_pids() calls a transaction that was prepared: no session has it.
PREPARED = 0


def _who(one: Mapping[str, Any]) -> str:
    application = f" ({one['application']})" if one["application"] else ""
    return f"{one['role'] or 'somebody'}{application}, pid {one['pid']}"


def _end(pid: int, holder: Mapping[str, Any] | None) -> str:
    """The mildest command that ends it: a statement can be cancelled, a transaction without one cannot."""
    if pid == PREPARED:
        return (
            f"{_DATABASE} -c 'SELECT gid, prepared, owner, database FROM pg_prepared_xacts ORDER BY prepared';"
            " then there, in that database: ROLLBACK PREPARED 'its gid'"
        )
    function = "pg_terminate_backend" if holder and _is_idle(holder) else "pg_cancel_backend"
    command = f"{_DATABASE} -c 'SELECT {function}({pid})'"
    if holder and str(holder["role"]).endswith("_owner"):
        return f"if it is a migration, let it end: to end it fails the deployment; else {command}"
    return command


def _is_idle(one: Mapping[str, Any]) -> bool:
    return str(one["state"]).startswith("idle in transaction")


def _application(activity: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sessions but those of backups and dumps, which may take long."""
    return [one for one in activity if not str(one["application"]).startswith(("pg_dump", "firstbell", "pgBackRest"))]


@rule("lock-queue", "database")
def lock_queue(facts: Facts) -> Iterator[Finding]:
    activity = {one["pid"]: one for one in facts.seen["database"]["activity"]}
    waiting = {pid: one for pid, one in activity.items() if one["blocked_by"] and one["lock_seconds"] > BLOCKED}
    if not waiting:
        return
    roots = {root for pid in waiting for root in _roots(pid, activity)}
    held = {root: [pid for pid in waiting if root in _roots(pid, activity)] for root in roots}
    root = max(held, key=lambda pid: len(held[pid]))
    holder = activity.get(root)
    first = max(waiting.values(), key=lambda one: float(one["lock_seconds"]))
    longest = float(first["lock_seconds"])
    if holder is None:
        who = "a prepared transaction" if root == PREPARED else f"pid {root}"
        doing = "which no session has any more" if root == PREPARED else "which is no client, but a worker"
    elif _is_idle(holder):
        who, doing = (
            _who(holder),
            f"which has done nothing for {duration(holder['state_seconds'])} in an open transaction",
        )
    else:
        who, doing = _who(holder), f"which runs since {duration(holder['query_seconds'])}"
    query = f"; its last statement: {statement(holder['query'])}" if holder else ""
    yield Finding(
        BROKEN if longest > LONG or len(waiting) > 2 else SLOW,  # noqa: PLR2004 - a queue
        f"{count(len(waiting), 'session waits', 'sessions wait')} for a lock that one transaction holds",
        f"{who}, {doing}, blocks {len(held[root])}; the longest waits for {duration(longest)}{query};"
        f" who waits wants: {statement(first['query'])}",
        _end(root, holder),
        "postgres#databaselockswaiting",
        ("idle-transactions", "long-statements", "pool-waiting", "app-pool", *WAITING),
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
    idle = [one for one in facts.seen["database"]["activity"] if _is_idle(one) and one["state_seconds"] > IDLE]
    if not idle:
        return
    longest = max(idle, key=lambda one: float(one["state_seconds"]))
    waiting = _waiting(facts, {one["role"] for one in idle})
    yield Finding(
        BROKEN if waiting else SLOW if len(idle) > 1 or longest["state_seconds"] > LONG else WATCH,
        f"{count(len(idle), 'transaction is', 'transactions are')} left open by a client that does nothing",
        f"the longest has done nothing for {duration(longest['state_seconds'])}: {_who(longest)};"
        f" its last statement: {statement(longest['query'])}"
        + (f"; {count(waiting, 'client waits', 'clients wait')} for a connection meanwhile" if waiting else ""),
        _end(longest["pid"], longest) + (", and the others by their pids" if len(idle) > 1 else ""),
        "postgres#databasetransactionidle",
        ("pool-waiting", "app-pool", "vacuum-starving", *WAITING) if waiting else ("vacuum-starving",),
        longest["state_seconds"],
    )


def _waiting(facts: Facts, roles: Container[str]) -> int:
    """Clients that wait for a connection of these roles, or did before: after a while they are refused."""
    looks = (look.get("pool", {}).get("pools", []) for look in (facts.seen, facts.before))
    return max(sum(int(one["cl_waiting"]) for one in pools if one["user"] in roles) for pools in looks)


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
            f"{_DATABASE} -c 'SELECT pg_cancel_backend({long[0]['pid']})'"
            + (", and the others by their pids" if len(long) > 1 else ""),
            "postgres#databasetransactionlong",
            ("vacuum-starving",) if long[0]["query_seconds"] > VERY_LONG else (),
            long[0]["query_seconds"],
        )


@rule("connections", "database")
def connections(facts: Facts) -> Iterator[Finding]:
    seen = facts.seen["database"]
    most = seen["max_connections"] - seen["reserved"]
    used = len(seen["activity"])
    if used > CONNECTIONS * most:
        groups: dict[tuple[str, str], int] = {}
        for one in seen["activity"]:
            group = str(one["role"]), str(one["application"])
            groups[group] = groups.get(group, 0) + 1
        ordered = sorted(groups, key=lambda group: -groups[group])
        yield Finding(
            BROKEN if used >= most else SLOW,
            f"{used} of {most} connections of the database are taken",
            "by " + joined((f"{role or 'nobody'} ({program}) {groups[role, program]}" for role, program in ordered), 4),
            _past_the_pool(facts, ordered, groups) or ACTIVITY,
            "postgres#databaseconnectionshigh",
            ("pool-starved", "pool-waiting"),
            covers=("DatabaseConnectionFailures",) if used >= most else (),
        )


def _past_the_pool(facts: Facts, ordered: Sequence[tuple[str, str]], groups: Mapping[tuple[str, str], int]) -> str:
    """What ends the largest group of sessions that are not the pool's, where those are the ones that are too many."""
    pools = {one["user"] for one in facts.seen.get("pool", {}).get("pools", [])}
    beside = [group for group in ordered if group[0] not in pools]
    if not pools or not beside or groups[beside[0]] <= groups[ordered[0]] / 2:
        return ""
    role, program = beside[0]
    text = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        f" AND usename = {_literal(role)} AND application_name = {_literal(program)}"
    )
    return f"ask who has them, as they come past the pool; to end them: {_DATABASE} -c {shlex.quote(text)}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@rule("statement-load", "database")
def statement_load(facts: Facts) -> Iterator[Finding]:
    """One kind of statement that alone keeps more than a processor's worth of sessions busy."""
    before = {one["id"]: one for one in facts.before.get("database", {}).get("statements") or ()}
    seconds = facts.seconds.get("database", 0)
    if not seconds or not before:
        return
    load: list[tuple[float, float, float, Mapping[str, Any]]] = []
    for one in facts.seen["database"]["statements"] or []:
        took = grown(one, before.get(one["id"], {"total_seconds": one["total_seconds"]}), "total_seconds")
        calls = grown(one, before.get(one["id"], {"calls": one["calls"]}), "calls")
        # It is counted when a call ends, with all of its time: of that no more than the time between can be of now.
        load.append((min(took, calls * seconds) / seconds, took, calls, one))
    busy, took, calls, worst = max(load, key=lambda item: item[0], default=(0.0, 0.0, 0.0, {}))
    if busy > BUSY and calls > 1 and took / calls > CALL:
        yield Finding(
            SLOW,
            f"One kind of statement keeps about {count(round(busy), 'session')} busy all the time",
            f"{calls:.0f} calls that ended within {duration(seconds)} took {duration(took)} in all:"
            f" {statement(worst['query'])}",
            explain(worst["query_id"]),
            "postgres#databasetransactionlong",
            WAITING,
        )


def explain(query: str) -> str:
    """How the server would go about a statement, by the number that it has for it: nothing of it is executed."""
    text = f"SELECT $$EXPLAIN (GENERIC_PLAN) $$ || query FROM pg_stat_statements WHERE queryid = {query} LIMIT 1"
    return f"{_DATABASE} -AtXc '{text}' | {_DATABASE} -X"


@rule("cache-hits", "database")
def cache_hits(facts: Facts) -> Iterator[Finding]:
    after, before = facts.seen["database"]["counters"], facts.before.get("database", {}).get("counters", {})
    if not before:
        return
    hit, read = grown(after, before, "hit"), grown(after, before, "read")
    if read > READS and hit / (hit + read) < CACHE_HITS:
        share, seconds = 100 * hit / (hit + read), facts.seconds["database"]
        spent = grown(after, before, "read_seconds")
        waits = spent > READING * seconds and spent / read > READ
        yield Finding(
            SLOW if waits else WATCH,
            "The database waits for the disk" if waits else "The database reads much past its own memory",
            f"{read:.0f} pages counted within {duration(seconds)} were not in shared_buffers, {share:.0f} % were;"
            f" to read them took {duration(spent)} in all"
            + ("" if waits or not spent else ", so most were in the memory of the host"),
            _DATABASE
            + " -c 'SELECT relname, heap_blks_read, idx_blks_read FROM pg_statio_user_tables ORDER BY 2 DESC LIMIT 5'",
            "postgres#databasecachehitslow",
            WAITING if waits else (),
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
    if not seen["autovacuum"]:
        yield Finding(
            WATCH,
            "Autovacuum is switched off",
            "dead rows stay, statistics get old, and transaction ids are used up",
            _DATABASE + " -c 'ALTER SYSTEM RESET autovacuum' -c 'SELECT pg_reload_conf()';"
            " where the inventory has it: take it out of there, and run the playbook site",
            "postgres#databasevacuumstarving",
        )
    bloated = [
        one for one in seen["tables"] if one["dead"] > DEAD_ROWS and one["dead"] > DEAD * (one["live"] + one["dead"])
    ]
    if bloated and not seen["vacuums"]:
        worst = max(bloated, key=lambda one: float(one["dead"]))
        ago = "never" if worst["vacuumed_seconds"] is None else f"{duration(worst['vacuumed_seconds'])} ago"
        name = f"{_quoted(worst['schema'])}.{_quoted(worst['name'])}"
        yield Finding(
            WATCH,
            f"{count(len(bloated), 'table is', 'tables are')} full of dead rows, and no vacuum is at work",
            f"{worst['schema']}.{worst['name']}: {worst['dead']:.0f} dead rows beside {worst['live']:.0f} live ones,"
            f" last vacuumed {ago}",
            f"{_DATABASE} -c {shlex.quote(f'VACUUM (ANALYZE, VERBOSE) {name}')}",
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


def _quoted(name: str) -> str:
    """A name as SQL has it, with its capital letters."""
    return '"' + name.replace('"', '""') + '"'


@rule("checkpoints", "database")
def checkpoints(facts: Facts) -> Iterator[Finding]:
    """By the rate of the WAL: two checkpoints are seldom seen within some seconds."""
    after, before = facts.seen["database"], facts.before.get("database", {})
    if not before:
        return
    # A segment that was given up before its end counts as a whole.
    written = grown(after["counters"], before["counters"], "wal") - after["wal_segment"]
    seconds = facts.seconds["database"]
    if written > 0 and after["wal_room"] * seconds / written < CHECKPOINTS:
        yield Finding(
            WATCH,
            f"At this rate a checkpoint is forced every {duration(after['wal_room'] * seconds / written)}",
            f"{size(written)} of WAL within {duration(seconds)}, and max_wal_size has room for"
            f" {size(after['wal_room'])} between two checkpoints: each one writes all changed pages out at once",
            "docker service logs --since 10m {stack}_postgres 2>&1 | grep 'checkpoint starting: wal';"
            " if it goes on, a larger max_wal_size in postgres_settings_extra",
            "postgres#databasetransactionlong",
        )
