# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the services used while they were loaded, and which resource had the least left.

A sample is what the host read at one moment: counters of each container's control groups, of the host, of the
database and of its pool. Sizes are bytes, times seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Sample = Mapping[str, Any]

#: Busier than this, a resource is called the limit: queues grow steeply from there (M/M/1: 1 / (1 - share)).
NEAR = 0.85
#: Node.js runs the application's own code in one thread; other threads hash passwords and collect garbage.
ONE_THREAD = 1.0
#: So far apart are the host's looks at which containers there are, in seconds; some more where it is busy.
_LOOKS = 8.0

_MORE_CPUS = "give the host more CPUs, or move to the next larger profile (docs/decisions/0002-sizing.md)"
_ADVICE = {
    "app-thread": "raise firstbell_app_replicas: a replica runs the application's code in one thread",
    "app-cpu": "raise firstbell_app_replicas, or services.app.limits.cpus in firstbell_plan_overrides",
    "app-memory": "raise services.app.limits.memory in firstbell_plan_overrides",
    "postgres-cpu": "look at the slowest statements first: docs/operations.md, commands for the database",
    "postgres-memory": "take the next larger profile: its settings and limits belong together",
    "host-cpu": _MORE_CPUS,
    "host-memory": "give the host more memory, or move to the next larger profile",
    "pool": "the pool is full: shorten transactions first, then raise default_pool_size by firstbell_plan_overrides",
    "clients": "lower connection_limit or raise max_client_conn: docs/decisions/0002-sizing.md has the budget",
    "connections": "something opens connections past the pool; docs/operations.md, commands for the pool, shows who",
    "generator": "run the load test from a machine that does nothing else",
}


@dataclass(frozen=True)
class Use:
    """How much of a resource was used: ``share`` of 1 is all of it."""

    name: str
    share: float
    said: str

    @property
    def advice(self) -> str:
        kind = self.name.rpartition("-")[2]
        other = f"raise its {'CPU' if kind == 'cpu' else 'memory'} limit by firstbell_plan_overrides"
        return _ADVICE.get(self.name, other)

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "share": round(self.share, 3), "said": self.said}


def between(samples: Sequence[Sample], start: float, end: float) -> list[Sample]:
    """The samples of a measurement, with the last one before it and the first one after it."""
    before = [one for one in samples if one["at"] < start][-1:]
    after = [one for one in samples if one["at"] > end][:1]
    inside = [one for one in samples if start <= one["at"] <= end]
    return [*before, *inside, *after] if inside else []


def containers(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Each container with what it used: CPUs, throttled share of its periods, most memory, OOM kills."""
    seen: dict[str, list[tuple[float, Mapping[str, Any]]]] = {}
    for sample in samples:
        for one in sample.get("containers", ()):
            seen.setdefault(one["id"], []).append((sample["at"], one))
    found = []
    for readings in seen.values():
        (began, first), (ended, last) = readings[0], readings[-1]
        seconds = ended - began
        if seconds <= 0:
            continue
        periods = last["periods"] - first["periods"]
        found.append(
            {
                "service": last["service"],
                "id": last["id"][:12],
                "cpus": round((last["cpu"] - first["cpu"]) / seconds, 3),
                "cpu_limit": last["cpus"],
                "throttled": round((last["throttled"] - first["throttled"]) / periods, 3) if periods > 0 else 0.0,
                "memory": max(one["memory"] for _at, one in readings),
                "memory_limit": last["memory_limit"],
                "oom_kills": last["oom"] - first["oom"],
                "began": began > samples[0]["at"] + _LOOKS,
                "ended": ended < samples[-1]["at"] - _LOOKS,
            }
        )
    return sorted(found, key=lambda one: (-one["cpus"], one["service"]))


def host(samples: Sequence[Sample]) -> dict[str, float]:
    """Busy share of the host's CPUs and the least memory that it had left."""
    read = [one["host"] for one in samples if "host" in one]
    if len(read) < 2:  # noqa: PLR2004
        return {}
    total = read[-1]["total"] - read[0]["total"]
    idle = read[-1]["idle"] - read[0]["idle"]
    return {
        "cpu": round(1 - idle / total, 3) if total > 0 else 0.0,
        "memory": round(1 - min(one["available"] for one in read) / read[-1]["memory"], 3),
    }


def most(samples: Sequence[Sample], part: str) -> dict[str, float]:
    """The largest value of each figure of the database or the pool."""
    found: dict[str, float] = {}
    for sample in samples:
        for name, value in (sample.get(part) or {}).items():
            found[name] = max(found.get(name, value), value)
    return found


def uses(samples: Sequence[Sample], budget: Mapping[str, float], generator: Mapping[str, float]) -> list[Use]:
    """All resources, the fullest first.

    ``budget``: max_client_conn of the pool, its server connections (``pool``), and ``max_connections`` less the
    reserved ones. ``generator``: ``cpu``, its share of one CPU.
    """
    found = []
    for one in containers(samples):
        name, limit = one["service"], one["cpu_limit"]
        if limit:
            said = f"{one['cpus']:.2f} of {limit:g} CPUs, throttled in {one['throttled']:.0%} of its periods"
            found.append(Use(f"{name}-cpu", one["cpus"] / limit, said))
        if name == "app" and limit > ONE_THREAD:
            found.append(Use("app-thread", one["cpus"] / ONE_THREAD, f"{one['cpus']:.2f} CPUs in one replica"))
        if one["memory_limit"]:
            said = f"{one['memory'] / 2**20:.0f} of {one['memory_limit'] / 2**20:.0f} MB"
            found.append(Use(f"{name}-memory", one["memory"] / one["memory_limit"], said))
    whole = host(samples)
    if whole:
        found.append(Use("host-cpu", whole["cpu"], f"{whole['cpu']:.0%} of the host's CPUs"))
        found.append(Use("host-memory", whole["memory"], f"{whole['memory']:.0%} of the host's memory"))
    found += _connections(samples, budget)
    if "cpu" in generator:
        found.append(Use("generator", generator["cpu"], f"{generator['cpu']:.0%} of one CPU of the generator"))
    return sorted(found, key=lambda use: -use.share)


def _connections(samples: Sequence[Sample], budget: Mapping[str, float]) -> list[Use]:
    pool, database = most(samples, "pool"), most(samples, "database")
    found = []
    if pool and budget.get("max_client_conn"):
        clients = pool["clients"]
        said = f"{clients:.0f} of {budget['max_client_conn']:.0f} clients of the pool"
        found.append(Use("clients", clients / budget["max_client_conn"], said))
    if pool and budget.get("pool"):
        # A full pool without a queue is at work, not at its end.
        said = f"{pool['active']:.0f} of {budget['pool']:.0f} at work, waited {pool['wait']:.1f} s at most"
        found.append(Use("pool", pool["active"] / budget["pool"] if pool["wait"] >= 1 else 0.0, said))
    if database and budget.get("max_connections"):
        said = f"{database['connections']:.0f} of {budget['max_connections']:.0f} connections of the database"
        found.append(Use("connections", database["connections"] / budget["max_connections"], said))
    return found


def limit_of(found: Sequence[Use]) -> Use | None:
    """The resource that was the limit; memory is only one where a container was nearly out of it.

    A container that uses its whole CPU limit tells more than a busy host, and one thread more than a container.
    """
    order = ("app-thread", "pool", "clients", "connections")
    near = [use for use in found if use.share >= NEAR and (not use.name.endswith("-memory") or use.share >= 0.95)]  # noqa: PLR2004
    for name in order:
        for use in near:
            if use.name == name:
                return use
    own = [use for use in near if use.name not in ("host-cpu", "generator")]
    left = own or near
    return left[0] if left else None
