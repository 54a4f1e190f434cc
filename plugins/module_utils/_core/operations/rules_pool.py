# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pool suffers from. Causes stand before what they cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .diagnosis import BROKEN, SLOW, WAITING, Facts, Finding, joined, rule
from .rules_database import ACTIVITY, BLOCKED, CONNECTIONS, LONG
from .words import count, duration, statement

_CONSOLE = (
    "docker exec $(docker ps -q -f name={stack}_pgbouncer | head -n 1) psql -h /run/pgbouncer -p 6432 -U pgbouncer"
    " -d pgbouncer -c "
)
#: What waits for a connection, or is refused one.
_BEHIND = ("app-silent", "app-pool", "edge-errors", *WAITING)
#: Of a pool's connections: fewer busy ones are not why somebody waits.
EXHAUSTED = 0.8


@rule("pool-paused", "pool")
def pool_paused(facts: Facts) -> Iterator[Finding]:
    for name, command in _stopped(facts):
        disabled = command.startswith("ENABLE")
        yield Finding(
            BROKEN,
            f"The pool is {'disabled' if disabled else 'paused'}" + (f" for database {name}" if name else ""),
            "somebody has done that by hand: "
            + ("new clients are refused" if disabled else "every client waits until it is resumed, or is refused"),
            f"{_CONSOLE}'{command}'",
            "pgbouncer#poolpaused",
            ("pool-waiting", *_BEHIND),
            covers=("PoolClientsWaiting", "PoolWaitLong"),
        )


def _stopped(facts: Facts) -> list[tuple[str, str]]:
    """What PAUSE, SUSPEND, KILL or DISABLE has stopped, and what ends it. Only SHOW STATE knows that all is stopped."""
    state = {one["key"]: one["value"] for one in facts.seen["pool"].get("state", [])}
    found = [("", "RESUME")] if "yes" in (state.get("paused"), state.get("suspended")) else []
    for one in facts.seen["pool"]["databases"]:
        for mark, command in (("disabled", "ENABLE"), ("paused", "RESUME")):
            if one["name"] != "pgbouncer" and one.get(mark) == "1":
                found.append((one["name"], f"{command} {_quoted(one['name'])}"))
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@rule("pool-waiting", "pool")
def pool_waiting(facts: Facts) -> Iterator[Finding]:
    for one, waits in _queues(facts):
        busy, limit = int(one["sv_active"]), _limit(facts, one)
        if _exhausted(facts, one):
            yield Finding(
                BROKEN if waits > LONG / 10 else SLOW,
                f"The pool is exhausted: {count(int(one['cl_waiting']), 'client waits', 'clients wait')}"
                " for a connection",
                f"database {one['database']}, user {one['user']}: {busy} connections busy of a pool of {limit or '?'},"
                f" the longest wait is {duration(waits)}; {_doing(facts, one['user'])}",
                _CONSOLE + "'SHOW POOLS'; " + ACTIVITY,
                "pgbouncer#poolclientswaiting",
                ("long-statements", "connections", "app-pool", "edge-errors", *WAITING),
                waits,
                covers=("PoolWaitLong", "PoolNearlyExhausted"),
            )


@rule("pool-starved", "pool")
def pool_starved(facts: Facts) -> Iterator[Finding]:
    """Clients that wait though connections of the pool are left: the server gives it none."""
    for one, waits in _queues(facts):
        if not _exhausted(facts, one) and not _stopped(facts):
            yield Finding(
                BROKEN if waits > LONG / 10 else SLOW,
                f"{count(int(one['cl_waiting']), 'client waits', 'clients wait')} for a connection that the pool does"
                " not get from PostgreSQL",
                f"database {one['database']}, user {one['user']}: only {one['sv_active']} connections busy of a pool of"
                f" {_limit(facts, one) or '?'}, {one.get('sv_login', '0')} about to log in;"
                f" the longest wait is {duration(waits)}",
                "docker service logs --since 10m {stack}_pgbouncer 2>&1 | grep -iE 'error|warn|fail' | tail",
                "postgres#databaseconnectionfailures",
                ("edge-errors", "app-pool", *WAITING),
                waits,
                covers=("PoolClientsWaiting", "PoolWaitLong"),
            )


def _queues(facts: Facts) -> Iterator[tuple[Mapping[str, str], float]]:
    """Pools in which clients wait, and not just for this moment, with the longest wait."""
    before = {(one["database"], one["user"]): one for one in facts.before.get("pool", {}).get("pools", [])}
    for one in facts.seen["pool"]["pools"]:
        waits = float(one["maxwait"]) + float(one["maxwait_us"]) / 1e6
        waited_before = int(before.get((one["database"], one["user"]), {}).get("cl_waiting", 0))
        if one["database"] != "pgbouncer" and int(one["cl_waiting"]) and (waits > BLOCKED or waited_before):
            yield one, waits


def _database(facts: Facts, one: Mapping[str, str]) -> Mapping[str, str]:
    databases: list[Mapping[str, str]] = facts.seen["pool"]["databases"]
    return next((database for database in databases if database["name"] == one["database"]), {})


def _limit(facts: Facts, one: Mapping[str, str]) -> int:
    return int(_database(facts, one).get("pool_size") or 0)


def _exhausted(facts: Facts, one: Mapping[str, str]) -> bool:
    """Whether its own connections are busy, or those of all users together are as many as the database may have."""
    database = _database(facts, one)
    most = int(database.get("max_connections") or 0)
    pools = [pool for pool in facts.seen["pool"]["pools"] if pool["database"] == one["database"]]
    busy = sum(int(pool["sv_active"]) for pool in pools)
    return int(one["sv_active"]) >= EXHAUSTED * _limit(facts, one) or bool(most and busy >= EXHAUSTED * most)


def _doing(facts: Facts, role: str) -> str:
    """What the connections of a role are busy with."""
    own = [one for one in facts.seen.get("database", {}).get("activity", []) if one["role"] == role]
    busy = sorted((one for one in own if one["state"] != "idle"), key=lambda one: -float(one["transaction_seconds"]))
    if not busy:
        return "the database sees none of them at work" if own else "what they do is not known"
    shown = joined((f"{duration(one['transaction_seconds'])} {statement(one['query'], 60)}" for one in busy), 2)
    return f"they are busy with: {shown}"


@rule("pool-clients", "pool")
def pool_clients(facts: Facts) -> Iterator[Finding]:
    lists = {one["list"]: int(one["items"]) for one in facts.seen["pool"].get("lists", [])}
    config = {one["key"]: one["value"] for one in facts.seen["pool"].get("config", [])}
    clients, allowed = lists.get("used_clients", 0), int(config.get("max_client_conn", 0))
    if allowed and clients > CONNECTIONS * allowed:
        yield Finding(
            BROKEN if clients >= allowed else SLOW,
            f"{clients} of {allowed} clients of the pool are connected",
            "one more than that is refused",
            _CONSOLE + "'SHOW CLIENTS'",
            "pgbouncer#poolclientshigh",
        )
