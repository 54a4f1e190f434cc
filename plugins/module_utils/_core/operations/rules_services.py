# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services, containers and the cache suffer from. Causes stand before what they cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .diagnosis import BROKEN, SERVED, SLOW, WAITING, WATCH, Facts, Finding, grown, joined, rule
from .words import count, duration, size

_TASKS = "docker service ps --no-trunc {stack}_"
_LOGS = "; docker service logs --since 10m {stack}_"
_KERNEL = "; journalctl --dmesg --since -1hour | grep -iE 'oom-kill|killed process'"

HOUR = 3600.0
LOOP = 2
#: What ended longer ago has been replaced, and stayed.
FRESH = 600.0
#: The engine remembers so many ended tasks of a replica (task-history-limit is 5), so there may have been more.
REMEMBERED = 4
CPU = 0.9
THROTTLED = 0.25
MUCH = 0.4
LEAST_CPUS = 0.05
MEMORY = 0.9
CACHE_MEMORY = 0.95
PROCESSES = 0.9
SLOW_COMMAND = 0.1
#: What follows where one of SERVED is away.
_UP = ("app-silent", "edge-down", "edge-errors", "silent-site", *WAITING)
#: What is silent without a service.
_SOURCES = {
    "postgres": "database",
    "pgbouncer": "pool",
    "redis": "cache",
    "haproxy": "edge",
    "app": "app",
    "nginx": "site",
    "prometheus": "prometheus",
}


@rule("services-missing", "engine")
def services_missing(facts: Facts) -> Iterator[Finding]:
    for name, service in sorted(facts.seen["engine"]["services"].items()):
        served = name in SERVED
        explains = (*(_UP if served else ()), f"silent-{_SOURCES.get(name, name)}")
        if service["running"] < service["wanted"]:
            errors = [one["error"] for one in service["failed"][-1:] if one["error"]] + service["waiting"]
            why = joined(errors) if errors else "the engine gives no reason yet"
            yield Finding(
                WATCH if not served else BROKEN if not service["running"] else SLOW,
                f"{name} has {service['running']} of {service['wanted']} tasks running",
                why,
                _TASKS + name + _LOGS + name,
                "containers#servicetasksmissing",
                explains,
            )
        elif service["wanted"] == 0:
            yield Finding(
                BROKEN if served else WATCH,
                f"{name} is scaled to 0",
                "somebody has stopped it: the engine runs as many tasks as were asked for",
                f"docker service scale {{stack}}_{name}=1",
                "containers#servicetasksmissing",
                explains,
            )


@rule("memory-kills", "engine")
def memory_kills(facts: Facts) -> Iterator[Finding]:
    """What the kernel has counted in the containers that run, and those that the engine saw end of it."""
    before = {one["id"]: one for one in facts.before.get("engine", {}).get("containers", [])}
    within_an_hour = facts.seen.get("prometheus", {}).get("kills", {})
    for one in facts.seen["engine"]["containers"]:
        if one["kills"]:
            age = facts.now - one["started"]
            earlier = before.get(one["id"], one)["kills"] or 0
            fresh = one["kills"] > earlier or age < HOUR or within_an_hour.get(one["name"], 0) > 0
            yield Finding(
                SLOW if fresh and one["service"] in SERVED else WATCH,
                f"{one['service']} had {count(one['kills'], 'process', 'processes')} killed for lack of memory",
                f"{one['name']} may use {size(one['memory_limit'])}; counted since its start {duration(age)} ago"
                + ("" if fresh else ", and nothing says that it was within the last hour"),
                f"docker stats --no-stream {one['id'][:12]}; then a larger limit in firstbell_plan_overrides",
                "containers#containeroutofmemorykill",
            )
    for name, service in sorted(facts.seen["engine"]["services"].items()):
        killed = [one for one in _failed(service, facts) if one.get("out_of_memory")]
        if killed:
            fresh = facts.now - killed[-1]["at"] < FRESH
            yield Finding(
                max(_of_restarts(name, killed, facts), SLOW if fresh and name in SERVED else WATCH),
                f"{name} was killed {_times(killed)} within an hour for lack of memory",
                f"the newest {duration(facts.now - killed[-1]['at'])} ago: {killed[-1]['error']}",
                _TASKS + name + "; then a larger limit in firstbell_plan_overrides",
                "containers#containeroutofmemorykill",
                _UP if fresh and name in SERVED else (),
            )


def _of_restarts(name: str, failed: Sequence[Mapping[str, Any]], facts: Facts) -> int:
    """Once is past; again is a loop while it goes on, and of what is served somebody notices."""
    if name not in SERVED or len(failed) == 1 or facts.now - failed[-1]["at"] > FRESH:
        return WATCH
    return BROKEN if len(failed) > LOOP else SLOW


def _times(failed: Sequence[Mapping[str, Any]]) -> str:
    return ("at least " if len(failed) >= REMEMBERED else "") + count(len(failed), "time")


def _failed(service: Mapping[str, Any], facts: Facts) -> list[Mapping[str, Any]]:
    """Its tasks that failed within an hour."""
    return [one for one in service["failed"] if facts.now - one["at"] < HOUR]


@rule("restarts", "engine")
def restarts(facts: Facts) -> Iterator[Finding]:
    for name, service in sorted(facts.seen["engine"]["services"].items()):
        failed = [one for one in _failed(service, facts) if not one.get("out_of_memory")]
        if failed:
            # SIGKILL of the kernel, of somebody, or of the engine for a health check that failed.
            killed = "(137)" in failed[-1]["error"] and "unhealthy" not in failed[-1]["error"]
            severity = _of_restarts(name, failed, facts)
            yield Finding(
                severity,
                f"{name} was started again {_times(failed)} within an hour",
                f"the newest {duration(facts.now - failed[-1]['at'])} ago:"
                f" {failed[-1]['error'] or 'no reason is given'}",
                _TASKS + name + (_KERNEL if killed else _LOGS + name),
                "containers#containerrestartloop",
                _UP if severity > WATCH else (),
                covers=("DatabaseConnectionFailures",)
                if severity > WATCH and name in ("postgres", "pgbouncer")
                else (),
            )


@rule("unhealthy", "engine")
def unhealthy(facts: Facts) -> Iterator[Finding]:
    for one in facts.seen["engine"]["containers"]:
        if one["health"] == "unhealthy":
            yield Finding(
                BROKEN if one["service"] in SERVED else WATCH,
                f"{one['service']} does not pass its health check",
                f"{one['name']} runs since {duration(facts.now - one['started'])}",
                f"docker inspect --format '{{{{json .State.Health.Log}}}}' {one['id'][:12]}",
                "containers#servicetasksmissing",
            )


@rule("container-cpu", "engine")
def container_cpu(facts: Facts) -> Iterator[Finding]:
    before = {one["id"]: one for one in facts.before.get("engine", {}).get("containers", [])}
    seconds = facts.seconds.get("engine", 0)
    for one in facts.seen["engine"]["containers"]:
        earlier = before.get(one["id"])
        if earlier is None or not seconds or not one["cpus"]:
            continue
        share = (one["cpu_seconds"] - earlier["cpu_seconds"]) / seconds / one["cpus"]
        periods = grown(one, earlier, "periods")
        throttled = grown(one, earlier, "throttled_periods") / periods if periods else 0.0
        # Those of the monitoring have so little that a question uses it up; nobody waits for them.
        served = one["service"] in SERVED
        # A small container at its limit is not why the processors of the whole host are busy.
        alone = ("host-cpu",) if share * one["cpus"] > MUCH * facts.seen.get("host", {}).get("cpus", 1) else ()
        if share > CPU or (throttled > THROTTLED and share > CPU / 2 and served):
            yield Finding(
                SLOW if served else WATCH,
                f"{one['service']} uses all the CPU that it may use",
                f"{one['name']}: {100 * share:.0f} % of its limit of {one['cpus']:g} CPUs within {duration(seconds)},"
                f" held back in {100 * throttled:.0f} % of the periods; {_busiest(facts, one['id'])}",
                "docker stats --no-stream; then more replicas, or a larger limit in firstbell_plan_overrides",
                "containers#containercpuhigh",
                (*alone, "app-loop", *WAITING) if served else alone,
            )


def _busiest(facts: Facts, container: str) -> str:
    found = [
        one
        for one in facts.seen.get("host", {}).get("busiest", [])
        if one["container"] == container and one["cpus"] > LEAST_CPUS
    ]
    shown = joined((f"{one['name']} ({one['pid']}) {one['cpus']:.1f} CPUs" for one in found), 2)
    return f"busiest: {shown}" if shown else "which process it is was not seen"


@rule("container-memory", "engine")
def container_memory(facts: Facts) -> Iterator[Finding]:
    for one in facts.seen["engine"]["containers"]:
        if one["memory_limit"] and one["memory"] > MEMORY * one["memory_limit"]:
            yield Finding(
                SLOW,
                f"{one['service']} uses {100 * one['memory'] / one['memory_limit']:.0f} % of its memory",
                f"{one['name']}: {size(one['memory'])} of {size(one['memory_limit'])}; at the limit the kernel kills",
                f"docker stats --no-stream {one['id'][:12]}; then a larger limit in firstbell_plan_overrides",
                "containers#containermemoryhigh",
            )
        if one["processes_limit"] and one["processes"] > PROCESSES * one["processes_limit"]:
            yield Finding(
                SLOW,
                f"{one['service']} has {one['processes']} of {one['processes_limit']} processes and threads",
                f"{one['name']} can start no more",
                f"docker top {one['id'][:12]}",
                "containers#containerrestartloop",
            )


@rule("cache-full", "cache")
def cache_full(facts: Facts) -> Iterator[Finding]:
    info, before = facts.seen["cache"]["info"], facts.before.get("cache", {}).get("info", {})
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    refused = _errors(info, "OOM") - _errors(before, "OOM") if before else 0
    evicted = grown(info, before, "evicted_keys") if before else 0.0
    share = used / most if most else 0.0
    figures = f"{size(used)} of {size(most)}, {info.get('maxmemory_policy', '')}, {keys(info)} keys"
    act = "cache INFO memory; cache --bigkeys (docs/operations.md, Commands for Redis, makes the command cache)"
    if refused > 0:
        yield Finding(
            BROKEN,
            f"Redis is full: {count(refused, 'command')} refused within {duration(facts.seconds['cache'])}",
            f"{figures}; what is in it does not expire, so nothing can make way",
            act,
            "redis#cacherefuseswrites",
            ("app-silent", "edge-errors", "app-slow", "site-answer"),
            covers=("CacheMemoryHigh", "CacheEvicting"),
        )
    elif evicted > 0:
        yield Finding(
            SLOW,
            f"Redis is full and drops valid keys: {evicted:.0f} within {duration(facts.seconds['cache'])}",
            figures,
            act,
            "redis#cacheevicting",
        )
    elif share > CACHE_MEMORY:
        total = _errors(info, "OOM")
        yield Finding(
            BROKEN if share >= 1 else SLOW,
            f"Redis is {'full' if share >= 1 else 'nearly full'}: {100 * share:.0f} % of its memory is used",
            figures + (f"; it has refused {total} commands since its start" if total else ""),
            act,
            "redis#cachememoryhigh",
            ("app-silent", "edge-errors", "app-slow", "site-answer"),
            covers=("CacheRefusesWrites", "CacheEvicting"),
        )


def keys(info: Mapping[str, str]) -> int:
    """Keys in all databases: db0:keys=12,expires=3."""
    return sum(
        int(value.partition("keys=")[2].partition(",")[0] or 0) for name, value in info.items() if name[:2] == "db"
    )


def _errors(info: Mapping[str, str], code: str) -> int:
    return int(info.get(f"errorstat_{code}", "count=0").partition("count=")[2].partition(",")[0] or 0)


@rule("cache-clients", "cache")
def cache_clients(facts: Facts) -> Iterator[Finding]:
    info, before = facts.seen["cache"]["info"], facts.before.get("cache", {}).get("info", {})
    clients, most = int(info.get("connected_clients", 0)), int(info.get("maxclients", 0))
    refused = grown(info, before, "rejected_connections") if before else 0.0
    if refused or (most and clients > CPU * most):
        yield Finding(
            BROKEN if refused else SLOW,
            f"Redis has {clients} of {most} clients" + (f" and refused {refused:.0f}" if refused else ""),
            f"{info.get('blocked_clients', '0')} of them wait",
            _LOGS[2:] + "app",
            "redis#cacheclientshigh",
        )
    slow = [one for one in facts.seen["cache"]["slow"] or [] if facts.now - one["at"] < 300]  # noqa: PLR2004 - five minutes
    worst = max(slow, key=lambda one: float(one["seconds"]), default=None)
    if worst and worst["seconds"] > SLOW_COMMAND:
        yield Finding(
            WATCH,
            f"{count(len(slow), 'command')} kept Redis for itself within five minutes",
            f"the slowest, {worst['command']}, took {duration(worst['seconds'])}; all others wait meanwhile",
            _LOGS[2:] + "app",
            "redis#cachememoryhigh",
        )
