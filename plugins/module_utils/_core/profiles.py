# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiles: three that are computed, and two presets that keep a document's figures.

Figures with a row number (S15, ...) are given and stay to the letter; the others
are ours, with the reason beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from .plan import Health, Limits, Reservations, Service, Setting
from .units import GB, MB

COMPUTED = ("large", "medium", "small")
PRESETS = ("academy", "stories")
#: What firstbell_profile may be.
CHOICES = ("auto", *reversed(COMPUTED), *PRESETS)

#: Hosts are sold by what is soldered in; the kernel keeps some. A "4 GB" machine
#: reports 3.7 to 3.9 GiB, so a host may have a tenth less than a minimum says.
MEMORY_TOLERANCE = Fraction(9, 10)


@dataclass(frozen=True)
class Profile:
    """What a profile decides. Everything else follows from it and from the host.

    ``minimum_memory`` is what the profile is meant for; 0 where the sum of its
    parts decides alone. ``postgres_share``: of a host with more than the
    minimum, the database's part grows with it. ``sorts`` and ``hashes``: nodes of
    a query that are assumed to use work_mem at the same moment; a hash may take
    hash_mem_multiplier times as much. ``swap``: bytes that the host shall have;
    the memory proof does not count on them.
    """

    name: str
    minimum_cpus: int
    services: Mapping[str, Service]
    pool: int
    reserve_pool: int
    postgres: Mapping[str, Setting]
    minimum_memory: int = 0
    postgres_share: Fraction | None = None
    pool_from_proof: bool = False
    page_cache_share: Fraction = Fraction(15, 100)
    page_cache_least: int = 128 * MB
    sorts: int = 2
    hashes: int = 1
    replicas: int = 1
    max_replicas: int | None = None
    connection_limit: int | None = None
    max_client_conn: int | None = None
    uv_threadpool_size: int | None = None
    sticky: bool = False
    swap: int = 0
    health: Mapping[str, Health] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _service(cpus: float, memory: int, pids: int, reserved_cpus: float, reserved_memory: int) -> Service:
    return Service(Limits(cpus, memory, pids), Reservations(reserved_cpus, reserved_memory))


# S42. The start period costs nothing, for the first success ends it, and it keeps
# the engine from killing a database that replays its log after a crash.
_POSTGRES_HEALTH = Health("10s", "5s", "10m", 5)
# A roll-out waits one interval for each task.
#: A version that never gets healthy is given up after the start period and three more checks: 70 s, within the 90 s
#: that a bad release may last.
_SHORT_HEALTH = {"app": Health("10s", "5s", "40s", 3), "postgres": _POSTGRES_HEALTH}

# CPUs: those of S19, 0.25 in all. They reserve none, for on 2 CPUs academy has none
# left. Memory: 336 MB in all, each with room above what it was seen to use.
MONITORING: Mapping[str, Service] = {
    "prometheus": _service(0.09, 160 * MB, 128, 0.0, 80 * MB),
    "alertmanager": _service(0.03, 40 * MB, 128, 0.0, 16 * MB),
    "node_exporter": _service(0.03, 24 * MB, 128, 0.0, 16 * MB),
    "data_exporters": _service(0.05, 48 * MB, 128, 0.0, 32 * MB),
    "blackbox_exporter": _service(0.02, 24 * MB, 128, 0.0, 16 * MB),
    "container_exporter": _service(0.03, 40 * MB, 128, 0.0, 24 * MB),
}
# Three times what it was seen to use; like the small services of academy it reserves no CPU.
AUTOSCALING = _service(0.2, 64 * MB, 32, 0.0, 32 * MB)

_OLTP: Mapping[str, Setting] = {"max_parallel_workers_per_gather": 0, "max_parallel_workers": 2}

SMALL = Profile(
    name="small",  # S93
    minimum_cpus=2,
    minimum_memory=4 * GB,
    postgres_share=Fraction(1, 4),
    services={
        "postgres": _service(1.5, 1 * GB, 256, 0.5, 512 * MB),
        "pgbouncer": _service(1.0, 128 * MB, 128, 0.1, 32 * MB),
        "redis": _service(1.0, 192 * MB, 128, 0.1, 64 * MB),
        "app": _service(1.5, 640 * MB, 256, 0.25, 192 * MB),
        "nginx": _service(1.0, 96 * MB, 128, 0.1, 32 * MB),
        "haproxy": _service(1.0, 96 * MB, 128, 0.1, 32 * MB),
    },
    pool=12,
    reserve_pool=3,
    max_client_conn=2000,
    postgres={
        **_OLTP,
        "max_connections": 40,
        "autovacuum_max_workers": 2,
        "max_parallel_maintenance_workers": 1,
        "min_wal_size": "256MB",
        "max_wal_size": "1GB",
        "default_statistics_target": 100,
    },
    replicas=1,
    health=_SHORT_HEALTH,
)

MEDIUM = Profile(
    name="medium",  # S94
    minimum_cpus=4,
    minimum_memory=8 * GB,
    postgres_share=Fraction(3, 8),
    services={
        "postgres": _service(3.0, 3 * GB, 256, 1.0, 1536 * MB),
        "pgbouncer": _service(1.0, 320 * MB, 128, 0.1, 64 * MB),
        "redis": _service(1.0, 384 * MB, 128, 0.1, 128 * MB),
        "app": _service(2.0, 1 * GB, 256, 0.5, 384 * MB),
        "nginx": _service(2.0, 128 * MB, 128, 0.2, 64 * MB),
        "haproxy": _service(1.0, 128 * MB, 128, 0.1, 64 * MB),
    },
    pool=20,
    reserve_pool=5,
    max_client_conn=5000,
    postgres={
        **_OLTP,
        "max_connections": 60,
        "autovacuum_max_workers": 3,
        "max_parallel_maintenance_workers": 2,
        "min_wal_size": "1GB",
        "max_wal_size": "4GB",
        "default_statistics_target": 200,
    },
    replicas=2,
    health=_SHORT_HEALTH,
)

LARGE = Profile(
    name="large",  # S95
    minimum_cpus=8,
    minimum_memory=16 * GB,
    postgres_share=Fraction(3, 8),
    services={
        "postgres": _service(6.0, 6 * GB, 256, 2.0, 3 * GB),
        "pgbouncer": _service(1.0, 320 * MB, 128, 0.2, 64 * MB),
        "redis": _service(1.0, 1 * GB, 128, 0.2, 256 * MB),
        "app": _service(2.0, 1 * GB, 256, 0.5, 512 * MB),
        "nginx": _service(2.0, 256 * MB, 128, 0.4, 64 * MB),
        "haproxy": _service(2.0, 256 * MB, 128, 0.4, 64 * MB),
    },
    pool=40,
    reserve_pool=8,
    max_client_conn=5000,
    postgres={
        "max_parallel_workers_per_gather": 1,
        "max_parallel_workers": 2,
        "max_connections": 100,
        "autovacuum_max_workers": 3,
        "max_parallel_maintenance_workers": 2,
        "min_wal_size": "2GB",
        "max_wal_size": "8GB",
        "default_statistics_target": 200,
    },
    replicas=4,
    health=_SHORT_HEALTH,
)

ACADEMY = Profile(
    name="academy",
    minimum_cpus=2,
    services={
        "postgres": _service(2.0, 2 * GB, 256, 1.0, 512 * MB),  # S16
        "app": _service(2.0, 3 * GB, 256, 0.5, 512 * MB),  # S15
        # The document knows only the two above. On its 2 CPUs they reserve all
        # there is while an update runs two tasks of the app (1 + 2 x 0.5), so the
        # others reserve none.
        "pgbouncer": _service(1.0, 128 * MB, 128, 0.0, 32 * MB),
        "redis": _service(1.0, 256 * MB, 128, 0.0, 64 * MB),
        "nginx": _service(1.0, 128 * MB, 128, 0.0, 32 * MB),
        "haproxy": _service(1.0, 128 * MB, 128, 0.0, 32 * MB),
    },
    pool=40,  # at most; the memory proof says how many (C2)
    reserve_pool=3,
    pool_from_proof=True,
    postgres={
        **_OLTP,
        "max_connections": 200,  # S20
        "shared_buffers": "256MB",  # S21
        "effective_cache_size": "1GB",  # S22, C3
        "work_mem": "16MB",  # S23
        "maintenance_work_mem": "64MB",  # S24
        "min_wal_size": "1GB",  # S25
        "max_wal_size": "4GB",
        "wal_buffers": "16MB",
        "checkpoint_completion_target": 0.9,
        "effective_io_concurrency": 200,  # S26
        "random_page_cost": 1.1,
        "default_statistics_target": 100,  # S27
        "autovacuum_max_workers": 3,
        "max_parallel_maintenance_workers": 2,
    },
    replicas=1,
    max_replicas=3,  # S43
    connection_limit=50,  # S30
    uv_threadpool_size=16,  # S3
    sticky=True,  # S39, C13
    health={"app": Health("30s", "10s", "1m", 3), "postgres": _POSTGRES_HEALTH},  # S41, S42
    notes=(
        (
            "max_connections is 200 as S20 says, but the pool opens only as many connections as the memory "
            "limit of 2GB carries at 16MB of work_mem (C2)."
        ),
    ),
)

STORIES = Profile(
    name="stories",
    minimum_cpus=2,
    services={
        "postgres": _service(0.75, 512 * MB, 256, 0.25, 256 * MB),  # S18, S19; reservation S17
        "app": _service(1.0, 1 * GB, 256, 0.25, 256 * MB),  # S17, S18, S19
        "redis": _service(1.0, 256 * MB, 128, 0.25, 256 * MB),  # S18, S33; CPUs and reservation S17
        # S17's block of 1 CPU and 1 GB for each of these too would be 4.8 GB.
        "pgbouncer": _service(1.0, 128 * MB, 128, 0.05, 32 * MB),
        "nginx": _service(1.0, 96 * MB, 128, 0.05, 32 * MB),
        "haproxy": _service(1.0, 96 * MB, 128, 0.05, 32 * MB),
    },
    pool=20,  # S31
    reserve_pool=5,
    max_client_conn=100,
    postgres={
        **_OLTP,
        "max_connections": 40,
        "shared_buffers": "128MB",  # S21
        "work_mem": "4MB",  # S23
        "wal_buffers": "4MB",  # what PostgreSQL takes for 128MB of shared_buffers
        "maintenance_work_mem": "16MB",
        "autovacuum_max_workers": 2,
        "max_parallel_maintenance_workers": 1,
        "hash_mem_multiplier": 1.0,
        "min_wal_size": "256MB",
        "max_wal_size": "1GB",
        "default_statistics_target": 100,
    },
    # 25 backends and 4MB in 512 MB leave room for one node of a query at full
    # work_mem in every backend, and nothing aside for the page cache.
    sorts=0,
    hashes=1,
    page_cache_share=Fraction(0),
    page_cache_least=0,
    replicas=1,
    max_replicas=3,  # S50
    swap=1 * GB,  # S18: the engine lets a container swap out as much as its memory limit, where there is swap
    health=_SHORT_HEALTH,
    notes=(
        (
            "25 connections with 4MB of work_mem in 512MB (S18, S23, S31) hold only while a query has one sort "
            "or hash at full size; the computed profiles count two sorts and a hash."
        ),
    ),
)

PROFILES: Mapping[str, Profile] = {p.name: p for p in (SMALL, MEDIUM, LARGE, ACADEMY, STORIES)}
