# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nearest plans that hold, found from one that does not, and how to say so.

Each kind of problem has its repairs, computed from the sums. Every candidate is
built and checked like any other plan; only what holds is ever suggested.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .budget import amount
from .overrides import Override, Overrides, section, with_value
from .plan import Plan, Setting
from .planner import FILL_SHARE, Problem, Request, build
from .profiles import COMPUTED, PRESETS
from .units import MB, format_size

#: How many ways out are offered, and how many candidates are tried for them.
OFFERED = 3
_TRIES = 60
_DEPTH = 6

Path = tuple[str, ...]
_WORK_MEM: Path = ("postgres", "settings", "work_mem")
_POOL: Path = ("pgbouncer", "settings", "default_pool_size")
_SERVERS: Path = ("pgbouncer", "settings", "max_db_connections")
_CLIENTS: Path = ("pgbouncer", "settings", "max_client_conn")
_MAX_CONNECTIONS: Path = ("postgres", "settings", "max_connections")


def nearest(request: Request, plan: Plan, problems: tuple[Problem, ...]) -> list[Request]:
    """Up to three requests whose plans hold, the nearest first; none where nothing fits."""
    tries = iter(range(_TRIES))
    found: list[Request] = []
    for candidate in _solve(request, plan, problems[0], _DEPTH, tries):
        if candidate not in found:
            found.append(candidate)
        if len(found) == OFFERED:
            break
    return found or _fallbacks(request)


def _solve(request: Request, plan: Plan, problem: Problem, depth: int, tries: Iterator[int]) -> Iterator[Request]:
    """The repairs of this problem that hold, each with the further repairs it takes."""
    for candidate in _repairs(request, plan, problem):
        if candidate == request:
            continue
        if next(tries, None) is None:
            return
        next_plan, left = build(candidate)
        if not left:
            yield candidate
        elif depth:
            yield from _first(_solve(candidate, next_plan, left[0], depth - 1, tries))


def _first(candidates: Iterator[Request]) -> Iterator[Request]:
    candidate = next(candidates, None)
    if candidate is not None:
        yield candidate


def _fallbacks(request: Request) -> list[Request]:
    """Without what was asked for beyond the profile, then another profile."""
    plain = replace(request, overrides={}, replicas=None)
    candidates = [replace(request, overrides={}), plain]
    candidates += [replace(plain, profile=name) for name in (*COMPUTED, *PRESETS)]
    holding = (candidate for candidate in candidates if not build(candidate)[1])
    return list(_first(holding))


def _set(request: Request, path: Path, value: Override | None) -> Request:
    return replace(request, overrides=with_value(request.overrides, path, value))


def _repairs(request: Request, plan: Plan, problem: Problem) -> Iterator[Request]:
    if problem.kind == "memory":
        yield from _memory_repairs(request, plan)
    elif problem.kind == "clients":
        yield from _client_repairs(request, plan)
    elif problem.kind == "servers":
        yield from _server_repairs(request, plan)
    elif problem.kind in ("host", "max_replicas"):
        yield from _host_repairs(request, plan)
    elif problem.kind == "profile":
        for name in COMPUTED:
            yield replace(request, profile=name)
    else:
        yield from _container_repairs(request, plan, problem)


def _memory_repairs(request: Request, plan: Plan) -> Iterator[Request]:
    proof = plan.memory_proof
    work_mem = proof.largest_work_mem // MB * MB
    if work_mem >= MB:
        yield _set(request, _WORK_MEM, format_size(work_mem))
    room = proof.limit - proof.without_queries - proof.query_memory
    per_server = proof.backends // (proof.server_connections + 10) + int(proof.work_mem * proof.factor)
    servers = proof.server_connections + room // per_server
    yield from _smaller_pool(request, plan, servers)
    yield _set(request, ("postgres",), None)
    yield _set(request, ("services", "postgres"), None)
    yield _set(_set(request, ("postgres",), None), ("services", "postgres"), None)
    yield _set(_set(request, ("postgres",), None), ("pgbouncer",), None)


def _smaller_pool(request: Request, plan: Plan, servers: int) -> Iterator[Request]:
    """PgBouncer with this many servers, reserve included."""
    reserve = int(plan.pgbouncer_settings["reserve_pool_size"])
    if servers - reserve >= 1:
        yield _set(_set(request, _SERVERS, None), _POOL, servers - reserve)
    elif servers >= 1:
        smaller = _set(_set(request, _SERVERS, None), _POOL, servers)
        yield _set(smaller, ("pgbouncer", "settings", "reserve_pool_size"), 0)


def _client_repairs(request: Request, plan: Plan) -> Iterator[Request]:
    budget = plan.connection_budget
    room = budget.max_client_conn - budget.jobs - budget.exporters
    each = room // budget.tasks
    if each >= 1:
        yield _set(request, ("app", "connection_limit"), each)
    replicas = room // (budget.connection_limit * budget.tasks // budget.replicas)
    if replicas >= 1:
        yield from _fewer_replicas(request, plan, replicas)
    yield _set(request, _CLIENTS, -(-budget.clients // 10) * 10)


def _server_repairs(request: Request, plan: Plan) -> Iterator[Request]:
    budget = plan.connection_budget
    yield _set(request, _MAX_CONNECTIONS, budget.servers)
    room = budget.max_connections - budget.direct_connections - budget.reserved_connections
    yield from _smaller_pool(request, plan, room)


def _fewer_replicas(request: Request, plan: Plan, replicas: int) -> Iterator[Request]:
    """At most this many replicas, to begin with and to scale to."""
    fewer = _set(request, ("app", "max_replicas"), None)
    if plan.app.replicas <= replicas:
        yield _set(request, ("app", "max_replicas"), replicas)
        yield fewer
    else:
        yield replace(_set(fewer, ("app", "replicas"), None), replicas=replicas)


def _host_repairs(request: Request, plan: Plan) -> Iterator[Request]:
    replicas = plan.host_budget.largest_tasks * request.hosts
    if replicas >= 1:
        yield from _fewer_replicas(request, plan, replicas)
    yield _set(request, ("services",), None)
    yield replace(_set(_set(request, ("services",), None), ("app",), None), replicas=None)
    for name in COMPUTED:
        if name != request.profile:
            yield replace(request, profile=name)


def _container_repairs(request: Request, plan: Plan, problem: Problem) -> Iterator[Request]:
    path = ("services", problem.service)
    given = section(request.overrides, *path)
    if problem.kind == "cpus":
        if "cpus" in section(given, "limits"):
            yield _set(request, (*path, "limits", "cpus"), request.cpus)
        for name in COMPUTED:
            yield replace(request, profile=name)
    elif problem.kind == "reservations":
        limits, reservations = plan.services[problem.service].limits, plan.services[problem.service].reservations
        lower = _set(request, (*path, "reservations", "memory"), min(reservations.memory, limits.memory))
        yield _set(lower, (*path, "reservations", "cpus"), min(reservations.cpus, limits.cpus))
    elif problem.kind == "heap":
        most = int(plan.services["app"].limits.memory * FILL_SHARE) // MB
        yield _set(request, ("app", "heap_mb"), most)
    elif problem.kind == "maxmemory":
        most = int(plan.services["redis"].limits.memory * FILL_SHARE) // MB * MB
        yield _set(request, ("redis", "settings", "maxmemory"), most)
    yield _set(request, path, None)


def refusal(request: Request, problems: tuple[Problem, ...], found: list[Request]) -> str:
    """The whole message: what was asked, the sums, and what would hold."""
    blocks = [
        (
            f"The plan {request.profile} does not hold on this host "
            f"(CPUs: {request.cpus:g}, memory: {amount(request.memory)})."
        )
    ]
    blocks += ["\n".join(problem.lines) for problem in problems]
    if not found:
        blocks.append("No plan holds on this host. The smallest, small, needs 2 CPUs and 4GB.")
        return "\n".join(blocks)
    blocks.append("The nearest plan that would hold:")
    for number, candidate in enumerate(found):
        lines = [f"  {line}" for line in changes(request, candidate)]
        blocks.append("\n".join(lines) if not number else "or\n" + "\n".join(lines))
    return "\n".join(blocks)


def changes(before: Request, after: Request) -> list[str]:
    """What to write to come from one request to the other, a line each."""
    lines = []
    if after.profile != before.profile:
        lines.append(f"profile: {after.profile}")
    if after.replicas != before.replicas:
        lines.append("replicas: leave it out" if after.replicas is None else f"replicas: {after.replicas}")
    flat_before, flat_after = dict(_flat(before.overrides)), dict(_flat(after.overrides))
    for path in sorted({*flat_before, *flat_after}):
        if path not in flat_after:
            lines.append(f"overrides.{path}: leave it out")
        elif flat_after[path] != flat_before.get(path):
            lines.append(f"overrides.{path}: {flat_after[path]}")
    return lines


def _flat(overrides: Overrides, prefix: str = "") -> Iterator[tuple[str, Setting]]:
    for key, value in overrides.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif key in ("memory", "maxmemory") and isinstance(value, int):
            yield f"{prefix}{key}", format_size(value)
        else:
            yield f"{prefix}{key}", value
