# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sizing() returns: every number of the stack, as data. Sizes are bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Union

from .budget import ConnectionBudget, HostBudget, MemoryProof

#: A setting as its server's configuration file takes it.
Setting = Union[str, int, float]

MONITORING_SERVICES = (
    "prometheus",
    "alertmanager",
    "node_exporter",
    "data_exporters",
    "blackbox_exporter",
    "container_exporter",
)
SERVICES = ("postgres", "pgbouncer", "redis", "app", "nginx", "haproxy", *MONITORING_SERVICES)


@dataclass(frozen=True)
class Limits:
    """What a container may use at most; the engine enforces it."""

    cpus: float
    memory: int
    pids: int


@dataclass(frozen=True)
class Reservations:
    """What the scheduler sets aside for a container before it places it."""

    cpus: float
    memory: int


@dataclass(frozen=True)
class Service:
    limits: Limits
    reservations: Reservations


@dataclass(frozen=True)
class Host:
    """The smallest host of the stack, and how many there are of it."""

    memory: int
    cpus: float
    hosts: int = 1


@dataclass(frozen=True)
class App:
    """``surge``: tasks that an update starts before it stops old ones. ``pool_timeout``: seconds."""

    replicas: int
    max_replicas: int
    surge: int
    connection_limit: int
    pool_timeout: int
    heap_mb: int
    uv_threadpool_size: int


@dataclass(frozen=True)
class Health:
    """A health check's timing, durations as Docker writes them."""

    interval: str
    timeout: str
    start_period: str
    retries: int


@dataclass(frozen=True)
class Plan:
    """A plan that holds: sizing() raises for any other."""

    profile: str
    host: Host
    services: Mapping[str, Service]
    postgres_settings: Mapping[str, Setting]
    shm: int
    pgbouncer_settings: Mapping[str, Setting]
    redis_settings: Mapping[str, Setting]
    app: App
    health: Mapping[str, Health]
    sticky: bool
    swap: int
    memory_proof: MemoryProof
    connection_budget: ConnectionBudget
    host_budget: HostBudget
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The plan in plain dicts, lists and numbers, as templates and JSON want it."""
        return {
            "profile": self.profile,
            "host": asdict(self.host),
            "services": {name: asdict(service) for name, service in self.services.items()},
            "postgres": {"settings": dict(self.postgres_settings), "shm": self.shm},
            "pgbouncer": {"settings": dict(self.pgbouncer_settings)},
            "redis": {"settings": dict(self.redis_settings)},
            "app": asdict(self.app),
            "health": {name: asdict(health) for name, health in self.health.items()},
            "edge": {"sticky": self.sticky},
            "swap": self.swap,
            "memory_proof": self.memory_proof.as_dict(),
            "connection_budget": self.connection_budget.as_dict(),
            "host_budget": self.host_budget.as_dict(),
            "notes": list(self.notes),
        }
