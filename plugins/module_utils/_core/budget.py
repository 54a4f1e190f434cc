# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three sums that a plan must pass: PostgreSQL's memory, connections, the host.

Pure arithmetic over integers (bytes, connections, thousandths of a CPU); the
numbers come from sizing(). Sources: requirements C2 and C4, PostgreSQL 17 manual
19.4 (work_mem, hash_mem_multiplier, maintenance_work_mem).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from .units import MB, format_size

#: Private memory of a backend that runs no query: catalogue and plan caches,
#: page tables. Counted for each pooled connection and for AUXILIARY more
#: (checkpointer, writers, launchers, a session of an administrator).
BACKEND_BASE = 6 * MB
AUXILIARY = 10

#: Clients of PgBouncer beside the app: jobs and checks, and exporters.
JOB_CLIENTS = 5
EXPORTER_CLIENTS = 2
#: Connections past PgBouncer, for migrations, backups, monitoring and maintenance.
DIRECT_CONNECTIONS = 7

#: Left to the operating system, the engine and what runs beside the stack
#: (backups): a fixed part and a share of the host.
HOST_RESERVE = 192 * MB
HOST_RESERVE_SHARE = 20  # one twentieth


def amount(size: int) -> str:
    """A size as the arithmetic shows it, in whole units where that is exact."""
    return format_size(size) if size >= 0 and size % MB == 0 else f"{size / MB:.1f}MB"


def _row(label: str, value: str) -> str:
    return f"  {label:<62}{value:>12}"


@dataclass(frozen=True)
class MemoryProof:
    """PostgreSQL's worst case against its container's limit (C2), in bytes.

    ``real_backends`` are those that can run queries: what PgBouncer may open,
    the superuser's reserve and parallel workers; max_connections is no memory.
    ``factor`` says how many times work_mem one of them may hold at once.
    """

    limit: int
    shared_buffers: int
    wal_buffers: int
    server_connections: int
    real_backends: int
    work_mem: int
    factor: float
    maintenance_workers: int
    maintenance_work_mem: int
    page_cache: int

    @property
    def backends(self) -> int:
        return BACKEND_BASE * (self.server_connections + AUXILIARY)

    @property
    def query_memory(self) -> int:
        return math.ceil(self.real_backends * self.work_mem * self.factor)

    @property
    def maintenance(self) -> int:
        return self.maintenance_workers * self.maintenance_work_mem

    @property
    def without_queries(self) -> int:
        return self.shared_buffers + self.wal_buffers + self.backends + self.maintenance + self.page_cache

    @property
    def total(self) -> int:
        return self.without_queries + self.query_memory

    @property
    def holds(self) -> bool:
        return self.total <= self.limit

    @property
    def largest_work_mem(self) -> int:
        """The most work_mem that holds with everything else as it is; may be negative."""
        return math.floor((self.limit - self.without_queries) / (self.real_backends * self.factor))

    def lines(self) -> list[str]:
        servers = f"{amount(BACKEND_BASE)} x ({self.server_connections} + {AUXILIARY})"
        queries = f"{self.real_backends} backends x {amount(self.work_mem)} work_mem x {self.factor:g}"
        workers = f"{self.maintenance_workers} x {amount(self.maintenance_work_mem)}"
        return [
            "Memory of PostgreSQL at worst:",
            _row("shared_buffers", amount(self.shared_buffers)),
            _row("wal_buffers", amount(self.wal_buffers)),
            _row(f"backends: {servers}", amount(self.backends)),
            _row(f"queries: {queries}", amount(self.query_memory)),
            _row(f"autovacuum workers: {workers}", amount(self.maintenance)),
            _row("left for the page cache", amount(self.page_cache)),
            _row("together", amount(self.total)),
            _row("limit of the container (services.postgres.limits.memory)", amount(self.limit)),
        ]

    def as_dict(self) -> dict[str, object]:
        return {
            **asdict(self),
            "backends": self.backends,
            "query_memory": self.query_memory,
            "maintenance": self.maintenance,
            "total": self.total,
            "holds": self.holds,
        }


@dataclass(frozen=True)
class ConnectionBudget:
    """Clients against PgBouncer's limit and its servers against PostgreSQL's (C4).

    ``replicas`` is the most that may ever run. An update can double them: a task
    that is being stopped keeps its connections while it drains, and a roll-back
    starts a third generation before the second has gone.
    """

    replicas: int
    surge: int
    connection_limit: int
    max_client_conn: int
    server_connections: int
    reserved_connections: int
    max_connections: int
    jobs: int = JOB_CLIENTS
    exporters: int = EXPORTER_CLIENTS
    direct_connections: int = DIRECT_CONNECTIONS

    @property
    def tasks(self) -> int:
        """The most tasks that hold connections at the same moment."""
        return self.replicas * (2 if self.surge else 1)

    @property
    def clients(self) -> int:
        return self.tasks * self.connection_limit + self.jobs + self.exporters

    @property
    def servers(self) -> int:
        return self.server_connections + self.direct_connections + self.reserved_connections

    @property
    def clients_hold(self) -> bool:
        return self.clients <= self.max_client_conn

    @property
    def servers_hold(self) -> bool:
        return self.servers <= self.max_connections

    @property
    def holds(self) -> bool:
        return self.clients_hold and self.servers_hold

    def lines_of_clients(self) -> list[str]:
        doubled = ", x 2 during an update" if self.surge else ""
        return [
            "Clients of PgBouncer at most:",
            _row(
                f"app: {self.replicas} x {self.connection_limit} connection_limit{doubled}",
                str(self.tasks * self.connection_limit),
            ),
            _row("jobs and exporters", str(self.jobs + self.exporters)),
            _row("together", str(self.clients)),
            _row("limit (pgbouncer.settings.max_client_conn)", str(self.max_client_conn)),
        ]

    def lines_of_servers(self) -> list[str]:
        return [
            "Connections to PostgreSQL at most:",
            _row("pool and reserve of PgBouncer (max_db_connections)", str(self.server_connections)),
            _row("direct, for migrations, backups, monitoring and maintenance", str(self.direct_connections)),
            _row("reserved for superusers", str(self.reserved_connections)),
            _row("together", str(self.servers)),
            _row("limit (postgres.settings.max_connections)", str(self.max_connections)),
        ]

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "clients": self.clients, "servers": self.servers, "holds": self.holds}


@dataclass(frozen=True)
class HostBudget:
    """What one host must carry: all services, and its part of the app's tasks.

    Every limit of memory may be used up at once, with one exception: the tasks
    that an update starts count with their reservation. They live beside the old
    ones for less than a minute and share the old ones' load, so what they really
    add is what a fresh process needs. CPUs are thousandths.
    """

    memory: int
    cpus: int
    tasks: int
    surge: int
    app_memory: int
    app_reserved_memory: int
    app_reserved_cpus: int
    others_memory: int
    others_reserved_memory: int
    others_reserved_cpus: int

    @property
    def reserve(self) -> int:
        return HOST_RESERVE + self.memory // HOST_RESERVE_SHARE

    @property
    def used_memory(self) -> int:
        return self.others_memory + self.tasks * self.app_memory + self.surge * self.app_reserved_memory

    @property
    def reserved_memory(self) -> int:
        return self.others_reserved_memory + (self.tasks + self.surge) * self.app_reserved_memory

    @property
    def reserved_cpus(self) -> int:
        return self.others_reserved_cpus + (self.tasks + self.surge) * self.app_reserved_cpus

    @property
    def memory_holds(self) -> bool:
        return self.used_memory + self.reserve <= self.memory and self.reserved_memory <= self.memory

    @property
    def cpus_hold(self) -> bool:
        return self.reserved_cpus <= self.cpus

    @property
    def holds(self) -> bool:
        return self.memory_holds and self.cpus_hold

    @property
    def largest_tasks(self) -> int:
        """The most tasks of the app that this host carries; below one if not even one."""
        spare = self.memory - self.reserve - self.others_memory - self.surge * self.app_reserved_memory
        tasks = spare // self.app_memory
        if self.app_reserved_cpus:
            spare_cpus = self.cpus - self.others_reserved_cpus
            tasks = min(tasks, spare_cpus // self.app_reserved_cpus - self.surge)
        return tasks

    def lines_of_memory(self) -> list[str]:
        return [
            "Memory of the host:",
            _row("services other than the app, their limits", amount(self.others_memory)),
            _row(f"app: {self.tasks} x {amount(self.app_memory)}", amount(self.tasks * self.app_memory)),
            _row(
                f"app during an update: {self.surge} x {amount(self.app_reserved_memory)}",
                amount(self.surge * self.app_reserved_memory),
            ),
            _row("left for the system, the engine and backups", amount(self.reserve)),
            _row("together", amount(self.used_memory + self.reserve)),
            _row("memory of the host, in steps of 64MB", amount(self.memory)),
        ]

    def lines_of_cpus(self) -> list[str]:
        return [
            "CPUs that are reserved during an update:",
            _row("services other than the app", f"{self.others_reserved_cpus / 1000:g}"),
            _row(
                f"app: ({self.tasks} + {self.surge}) x {self.app_reserved_cpus / 1000:g}",
                f"{(self.tasks + self.surge) * self.app_reserved_cpus / 1000:g}",
            ),
            _row("together", f"{self.reserved_cpus / 1000:g}"),
            _row("CPUs of the host", f"{self.cpus / 1000:g}"),
        ]

    def as_dict(self) -> dict[str, object]:
        return {
            **asdict(self),
            "cpus": self.cpus / 1000,
            "app_reserved_cpus": self.app_reserved_cpus / 1000,
            "others_reserved_cpus": self.others_reserved_cpus / 1000,
            "reserve": self.reserve,
            "used_memory": self.used_memory,
            "reserved_memory": self.reserved_memory,
            "reserved_cpus": self.reserved_cpus / 1000,
            "holds": self.holds,
        }
