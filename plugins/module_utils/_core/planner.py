# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to a plan and the list of what does not add up in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from . import postgres_settings
from .budget import EXPORTER_CLIENTS, JOB_CLIENTS, ConnectionBudget, HostBudget, MemoryProof, amount
from .overrides import Overrides, section
from .plan import MONITORING_SERVICES, SERVICES, App, Health, Host, Limits, Plan, Reservations, Service, Setting
from .profiles import COMPUTED, MEMORY_TOLERANCE, MONITORING, PROFILES, Profile
from .units import GB, MB

#: Host memory counts in steps of this, so that every part of a plan grows with it.
MEMORY_STEP = 64 * MB

#: A Node process is one thread: it seldom has more than 10 queries in flight, and
#: more clients than servers only move the queue from the app to PgBouncer.
LEAST_CONNECTION_LIMIT = 2
USEFUL_CONNECTION_LIMITS = (10, 20)
POOL_TIMEOUT = 10  # seconds, S30
MIN_POOL = 5  # S31

HEAP_SHARE = Fraction(75, 100)  # C5
SEED_HEAP = (3 * GB, 2048)  # S2: 2048 where the limit is 3 GB
REDIS_SHARE = Fraction(70, 100)
#: What a program may be told to fill of its container; the rest is its overhead.
FILL_SHARE = Fraction(85, 100)

_PGBOUNCER: Mapping[str, Setting] = {
    "pool_mode": "transaction",
    "reserve_pool_timeout": 1,
    "max_prepared_statements": 200,  # Prisma's, without pgbouncer=true
    "query_wait_timeout": 15,  # the default of 120 hides saturation
    "server_login_retry": 1,  # the default is 15 s of errors after a restart
    "server_connect_timeout": 3,
    "server_check_delay": 5,
    "server_lifetime": 1800,
    "server_idle_timeout": 300,
    "idle_transaction_timeout": 60,
    "client_login_timeout": 10,
    "dns_max_ttl": 2,  # a restarted task has another address
    "dns_nxdomain_ttl": 2,
    "tcp_keepalive": 1,
    "tcp_keepidle": 30,
    "tcp_keepintvl": 10,
    "tcp_keepcnt": 3,
    "tcp_user_timeout": 5000,
    "ignore_startup_parameters": "extra_float_digits",
    "application_name_add_host": 1,
    "log_connections": 0,
    "log_disconnections": 0,
    "stats_period": 15,
}
_REDIS: Mapping[str, Setting] = {
    "maxmemory-policy": "volatile-lru",  # C16: never evicts what has no time to live
    "appendonly": "yes",
    "appendfsync": "everysec",
    "aof-use-rdb-preamble": "yes",
    "save": '""',
    "maxclients": 2000,
    "tcp-keepalive": 60,
    "timeout": 0,
    "latency-monitor-threshold": 100,
    "io-threads": 1,
}


@dataclass(frozen=True)
class Request:
    """What sizing() was asked for, checked and in one form."""

    profile: str
    memory: int
    cpus: float
    replicas: int | None
    overrides: Overrides
    hosts: int = 1
    monitoring: bool = True

    @property
    def counted_memory(self) -> int:
        return self.memory // MEMORY_STEP * MEMORY_STEP


@dataclass(frozen=True)
class Problem:
    """One sum that does not add up. ``kind`` tells what could mend it."""

    kind: str
    lines: tuple[str, ...]
    service: str = ""


def fits(profile: Profile, memory: int, cpus: float) -> bool:
    """Whether a host has what the profile is meant for."""
    return cpus >= profile.minimum_cpus and memory >= profile.minimum_memory * MEMORY_TOLERANCE


def largest_fitting(memory: int, cpus: float) -> str:
    """The profile that ``auto`` stands for; the smallest where none fits."""
    return next((name for name in COMPUTED if fits(PROFILES[name], memory, cpus)), COMPUTED[-1])


def _merge(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {**known, **given}


def _services(profile: Profile, request: Request) -> dict[str, Service]:
    """The profile's containers, the database's grown with the host, overrides last."""
    computed = profile.postgres_share is not None
    known = {**profile.services, **MONITORING}
    services = {}
    for name in SERVICES:
        if name in MONITORING_SERVICES and not request.monitoring:
            continue
        limits, reservations = asdict(known[name].limits), asdict(known[name].reservations)
        if profile.postgres_share is not None and name == "postgres":
            grown = int(request.counted_memory * profile.postgres_share)
            limits["memory"] = max(limits["memory"], grown)
            limits["cpus"] = max(limits["cpus"], round(request.cpus * 0.75, 3))
        if computed:
            limits["cpus"] = min(limits["cpus"], request.cpus)
        services[name] = Service(
            Limits(**_merge(limits, section(request.overrides, "services", name, "limits"))),
            Reservations(**_merge(reservations, section(request.overrides, "services", name, "reservations"))),
        )
    return services


def _postgres(
    profile: Profile, limit: int, overrides: Overrides
) -> tuple[dict[str, Setting], dict[str, Setting], MemoryProof]:
    """PostgreSQL's settings, PgBouncer's pool, and the proof that they fit the limit."""
    given: dict[str, Any] = section(overrides, "postgres", "settings")
    given_pool: dict[str, Any] = section(overrides, "pgbouncer", "settings")
    settings = postgres_settings.before_work_mem(profile, limit, given)
    reserve = int(given_pool.get("reserve_pool_size", profile.reserve_pool))
    pool = profile.pool
    if profile.pool_from_proof:
        largest = postgres_settings.largest_pool(profile, limit, settings)
        reserve = int(given_pool.get("reserve_pool_size", min(reserve, largest - 1)))
        pool = max(largest - reserve, 1)
    pool = int(given_pool.get("default_pool_size", pool))
    pools = {
        "default_pool_size": pool,
        "min_pool_size": min(MIN_POOL, pool),
        "reserve_pool_size": reserve,
        "max_db_connections": pool + reserve,
        **given_pool,
    }
    servers = int(pools["max_db_connections"])
    if "work_mem" not in settings:
        empty = postgres_settings.prove(profile, limit, settings, servers)
        settings["work_mem"] = postgres_settings.derived_work_mem(empty)
    return settings, pools, postgres_settings.prove(profile, limit, settings, servers)


def _connection_limit(profile: Profile, overrides: Overrides, pool: int, most: int, surge: int) -> int:
    """Connections of one replica: given, or the pool within useful bounds and the budget (C4)."""
    given: dict[str, Any] = section(overrides, "app")
    if "connection_limit" in given:
        return int(given["connection_limit"])
    if profile.connection_limit is not None:
        return profile.connection_limit
    least, useful = USEFUL_CONNECTION_LIMITS
    wanted = min(max(pool, least), useful)
    clients = section(overrides, "pgbouncer", "settings").get("max_client_conn", profile.max_client_conn)
    if clients is None:
        return wanted
    share = (int(str(clients)) - JOB_CLIENTS - EXPORTER_CLIENTS) // (most * (2 if surge else 1))
    return max(min(wanted, share), LEAST_CONNECTION_LIMIT)


def _heap_mb(memory: int) -> int:
    limit, heap = SEED_HEAP
    return heap if memory == limit else int(memory * HEAP_SHARE) // MB


def _milli(cpus: float) -> int:
    return round(cpus * 1000)


def _host_budget(request: Request, services: Mapping[str, Service], replicas: int, surge: int) -> HostBudget:
    app = services["app"]
    others = [service for name, service in services.items() if name != "app"]
    return HostBudget(
        memory=request.counted_memory,
        cpus=_milli(request.cpus),
        tasks=-(-replicas // request.hosts),
        surge=surge,
        app_memory=app.limits.memory,
        app_reserved_memory=app.reservations.memory,
        app_reserved_cpus=_milli(app.reservations.cpus),
        others_memory=sum(service.limits.memory for service in others),
        others_reserved_memory=sum(service.reservations.memory for service in others),
        others_reserved_cpus=sum(_milli(service.reservations.cpus) for service in others),
    )


def build(request: Request) -> tuple[Plan, tuple[Problem, ...]]:
    """The plan that was asked for, whether it holds or not, and what speaks against it."""
    profile = PROFILES[request.profile]
    given: dict[str, Any] = section(request.overrides, "app")
    services = _services(profile, request)
    settings, pools, proof = _postgres(profile, services["postgres"].limits.memory, request.overrides)

    replicas = request.replicas or int(given.get("replicas", profile.replicas))
    surge = int(given.get("surge", 1))
    wanted = profile.max_replicas or int(request.cpus) * request.hosts
    most = int(given.get("max_replicas", max(replicas, wanted)))
    pool = int(pools["default_pool_size"])
    connection_limit = _connection_limit(profile, request.overrides, pool, max(most, replicas), surge)
    clients = max(most, replicas) * (2 if surge else 1) * connection_limit + JOB_CLIENTS + EXPORTER_CLIENTS
    max_client_conn = int(pools.get("max_client_conn", profile.max_client_conn or -(-clients // 10) * 10))
    pools["max_client_conn"] = max_client_conn

    def connections(tasks: int) -> ConnectionBudget:
        return ConnectionBudget(
            replicas=tasks,
            surge=surge,
            connection_limit=connection_limit,
            max_client_conn=max_client_conn,
            server_connections=proof.server_connections,
            reserved_connections=postgres_settings.reserved_connections(settings),
            max_connections=int(settings["max_connections"]),
        )

    host = _host_budget(request, services, replicas, surge)
    if "max_replicas" not in given:
        per_task = connection_limit * (2 if surge else 1)
        by_clients = (max_client_conn - JOB_CLIENTS - EXPORTER_CLIENTS) // per_task
        most = max(min(most, host.largest_tasks * request.hosts, by_clients), replicas)

    app_memory = services["app"].limits.memory
    app = App(
        replicas=replicas,
        max_replicas=most,
        surge=surge,
        connection_limit=connection_limit,
        pool_timeout=int(given.get("pool_timeout", POOL_TIMEOUT)),
        heap_mb=int(given.get("heap_mb", _heap_mb(app_memory))),
        uv_threadpool_size=int(
            given.get(
                "uv_threadpool_size", profile.uv_threadpool_size or max(4, round(2 * services["app"].limits.cpus))
            )
        ),
    )
    redis_memory = int(services["redis"].limits.memory * REDIS_SHARE) // MB * MB
    redis: dict[str, Any] = {"maxmemory": redis_memory, **_REDIS, **section(request.overrides, "redis", "settings")}
    plan = Plan(
        profile=profile.name,
        host=Host(request.memory, request.cpus, request.hosts),
        services=services,
        postgres_settings=settings,
        shm=int(str(section(request.overrides, "postgres").get("shm", postgres_settings.shm_size(settings)))),
        pgbouncer_settings={**_PGBOUNCER, **pools},
        redis_settings={name: value if value != "" else '""' for name, value in redis.items()},
        app=app,
        health={
            name: Health(**_merge(asdict(health), section(request.overrides, "health", name)))
            for name, health in profile.health.items()
        },
        sticky=bool(section(request.overrides, "edge").get("sticky", profile.sticky)),
        swap=profile.swap,
        memory_proof=proof,
        connection_budget=connections(most),
        host_budget=host,
        notes=profile.notes,
    )
    return plan, tuple(_problems(profile, request, plan))


def _problems(profile: Profile, request: Request, plan: Plan) -> list[Problem]:
    problems = []
    if not fits(profile, request.memory, request.cpus):
        problems.append(Problem("profile", (_needs(profile, request),)))
    problems += _container_problems(request, plan)
    if not plan.memory_proof.holds:
        problems.append(Problem("memory", tuple(plan.memory_proof.lines())))
    if not plan.connection_budget.clients_hold:
        problems.append(Problem("clients", tuple(plan.connection_budget.lines_of_clients())))
    if not plan.connection_budget.servers_hold:
        problems.append(Problem("servers", tuple(plan.connection_budget.lines_of_servers())))
    if not plan.host_budget.memory_holds:
        problems.append(Problem("host", tuple(plan.host_budget.lines_of_memory())))
    if not plan.host_budget.cpus_hold:
        problems.append(Problem("host", tuple(plan.host_budget.lines_of_cpus())))
    carried = max(plan.host_budget.largest_tasks * request.hosts, plan.app.replicas)
    if not plan.app.replicas <= plan.app.max_replicas <= carried:
        line = (
            f"app.max_replicas is {plan.app.max_replicas}: there are {plan.app.replicas} replicas to begin with, "
            f"and the host carries {carried}."
        )
        problems.append(Problem("max_replicas", (line,)))
    return problems


def _needs(profile: Profile, request: Request) -> str:
    return (
        f"The profile {profile.name} is meant for {profile.minimum_cpus} CPUs"
        + (f" and {amount(profile.minimum_memory)}" if profile.minimum_memory else "")
        + f"; this host has {request.cpus:g} and {amount(request.memory)}."
    )


def _container_problems(request: Request, plan: Plan) -> list[Problem]:
    """What cannot be right of a single container, whatever the others do."""
    problems = []
    for name, service in plan.services.items():
        where = f"services.{name}"
        if service.limits.cpus > request.cpus:
            line = f"{where}.limits.cpus is {service.limits.cpus:g}, more than the host's {request.cpus:g}."
            problems.append(Problem("cpus", (line, "The engine refuses such a container."), name))
        low, high = service.reservations, service.limits
        if low.cpus > high.cpus or low.memory > high.memory:
            line = (
                f"{where}.reservations ({low.cpus:g} CPUs, {amount(low.memory)}) are more than its limits "
                f"({high.cpus:g} CPUs, {amount(high.memory)})."
            )
            problems.append(Problem("reservations", (line,), name))
    app_memory = plan.services["app"].limits.memory
    if plan.app.heap_mb * MB > app_memory * FILL_SHARE:
        line = f"app.heap_mb is {plan.app.heap_mb}, more than 85 % of the container's {amount(app_memory)}."
        problems.append(Problem("heap", (line,)))
    redis_memory, maxmemory = plan.services["redis"].limits.memory, int(plan.redis_settings["maxmemory"])
    if not 0 < maxmemory <= redis_memory * FILL_SHARE:
        line = f"redis maxmemory is {amount(maxmemory)}; it must be set, to 85 % of {amount(redis_memory)} at most."
        problems.append(Problem("maxmemory", (line,)))
    return problems
