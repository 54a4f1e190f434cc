# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the seeds and of the computed profiles, row by row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.known_settings import (
    PGBOUNCER,
    POSTGRES,
    POSTGRES_PREFIXES,
    REDIS,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.plan import MONITORING_SERVICES
from ansible_collections.firstbell.stack.plugins.module_utils._core.profiles import PROFILES
from ansible_collections.firstbell.stack.plugins.module_utils._core.sizing import sizing
from ansible_collections.firstbell.stack.plugins.module_utils._core.units import GB, MB

#: A host each profile is meant for: memory as such a machine reports it, and CPUs.
HOSTS: dict[str, tuple[object, int]] = {
    "academy": ("7.6GB", 2),
    "stories": ("3.8GB", 2),
    "small": ("3.8GB", 2),
    "medium": ("7.6GB", 4),
    "large": ("15.5GB", 8),
}


def plan(profile: str, **arguments: Any) -> dict[str, Any]:
    memory, cpus = HOSTS[profile]
    return sizing(profile, arguments.pop("memory", memory), arguments.pop("cpus", cpus), **arguments).as_dict()


def at(value: Any, path: str) -> Any:
    """The value at ``a/b/c``; settings of extensions have dots of their own."""
    for key in path.split("/"):
        value = value[key]
    return value


ACADEMY = {
    "app/heap_mb": 2048,  # S2
    "app/uv_threadpool_size": 16,  # S3
    "services/app/limits/cpus": 2.0,  # S15
    "services/app/reservations/cpus": 0.5,
    "services/app/limits/memory": 3 * GB,
    "services/app/reservations/memory": 512 * MB,
    "services/postgres/limits/cpus": 2.0,  # S16
    "services/postgres/reservations/cpus": 1.0,
    "services/postgres/limits/memory": 2 * GB,
    "services/postgres/reservations/memory": 512 * MB,
    "postgres/settings/max_connections": 200,  # S20
    "postgres/settings/shared_buffers": "256MB",  # S21
    "postgres/settings/effective_cache_size": "1GB",  # S22
    "postgres/settings/work_mem": "16MB",  # S23
    "postgres/settings/maintenance_work_mem": "64MB",  # S24
    "postgres/settings/min_wal_size": "1GB",  # S25
    "postgres/settings/max_wal_size": "4GB",
    "postgres/settings/wal_buffers": "16MB",
    "postgres/settings/checkpoint_completion_target": 0.9,
    "postgres/settings/effective_io_concurrency": 200,  # S26
    "postgres/settings/random_page_cost": 1.1,
    "postgres/settings/default_statistics_target": 100,  # S27
    "postgres/settings/log_min_duration_statement": "500ms",  # S28
    "app/connection_limit": 50,  # S30
    "app/pool_timeout": 10,
    "health/app": {"interval": "30s", "timeout": "10s", "start_period": "1m", "retries": 3},  # S41
    "health/postgres": {"interval": "10s", "timeout": "5s", "start_period": "10m", "retries": 5},  # S42
    "edge/sticky": True,  # S39, C13
    # C2: the largest pool whose 14 connections and superusers' 3 fit 2 GB at 16MB
    "pgbouncer/settings/default_pool_size": 11,
    "pgbouncer/settings/reserve_pool_size": 3,
    "pgbouncer/settings/max_db_connections": 14,
    "memory_proof/real_backends": 17,
    # C4: room for the three replicas of S43, doubled by an update
    "pgbouncer/settings/max_client_conn": 310,
}

STORIES = {
    "services/app/limits/cpus": 1.0,  # S17, S19
    "services/app/limits/memory": 1 * GB,  # S17, S18
    "services/app/reservations/cpus": 0.25,  # S17
    "services/app/reservations/memory": 256 * MB,
    "services/postgres/limits/memory": 512 * MB,  # S18
    "services/postgres/limits/cpus": 0.75,  # S19
    "services/redis/limits/memory": 256 * MB,  # S18, S33
    "postgres/settings/shared_buffers": "128MB",  # S21
    "postgres/settings/effective_cache_size": "320MB",  # C3
    "postgres/settings/work_mem": "4MB",  # S23
    "pgbouncer/settings/pool_mode": "transaction",  # S31
    "pgbouncer/settings/default_pool_size": 20,
    "pgbouncer/settings/min_pool_size": 5,
    "pgbouncer/settings/reserve_pool_size": 5,
    "pgbouncer/settings/max_client_conn": 100,
    "redis/settings/maxmemory": 179 * MB,
    "redis/settings/maxmemory-policy": "volatile-lru",  # S33, C16
    "app/heap_mb": 768,  # C5
    "app/connection_limit": 15,  # C4
    "edge/sticky": False,  # C13
}

SMALL = {
    "services/postgres/limits/memory": 1 * GB,
    "postgres/settings/max_connections": 40,
    "postgres/settings/shared_buffers": "256MB",
    "postgres/settings/effective_cache_size": "640MB",
    "postgres/settings/work_mem": "4MB",
    "postgres/settings/maintenance_work_mem": "64MB",
    "postgres/settings/autovacuum_max_workers": 2,
    "postgres/settings/max_parallel_workers_per_gather": 0,
    "postgres/settings/max_wal_size": "1GB",
    "postgres/settings/huge_pages": "off",
    "postgres/shm": 256 * MB,
    "pgbouncer/settings/default_pool_size": 12,
    "pgbouncer/settings/reserve_pool_size": 3,
    "app/replicas": 1,
    "app/max_replicas": 2,
    "app/heap_mb": 480,
    "app/uv_threadpool_size": 4,
    "app/connection_limit": 12,
    "edge/sticky": False,
}

MEDIUM = {
    "services/postgres/limits/memory": 3 * GB,
    "postgres/settings/max_connections": 60,
    "postgres/settings/shared_buffers": "768MB",
    "postgres/settings/effective_cache_size": "2GB",
    "postgres/settings/work_mem": "11MB",
    "postgres/settings/maintenance_work_mem": "128MB",
    "postgres/settings/autovacuum_max_workers": 3,
    "postgres/settings/default_statistics_target": 200,
    "postgres/settings/max_wal_size": "4GB",
    "pgbouncer/settings/default_pool_size": 20,
    "pgbouncer/settings/reserve_pool_size": 5,
    "app/replicas": 2,
    "app/connection_limit": 20,
}

LARGE = {
    "services/postgres/limits/memory": 6 * GB,
    "postgres/settings/max_connections": 100,
    "postgres/settings/shared_buffers": "1536MB",
    "postgres/settings/effective_cache_size": "4GB",
    "postgres/settings/work_mem": "12MB",
    "postgres/settings/maintenance_work_mem": "256MB",
    "postgres/settings/max_parallel_workers_per_gather": 1,
    "postgres/settings/max_wal_size": "8GB",
    "postgres/shm": 512 * MB,
    "pgbouncer/settings/default_pool_size": 40,
    "pgbouncer/settings/reserve_pool_size": 8,
    "app/replicas": 4,
    "app/connection_limit": 20,
}

FIGURES = {"academy": ACADEMY, "stories": STORIES, "small": SMALL, "medium": MEDIUM, "large": LARGE}
ROWS = [(profile, path, value) for profile, rows in FIGURES.items() for path, value in rows.items()]


@pytest.mark.parametrize(("profile", "path", "value"), ROWS)
def test_figures(profile: str, path: str, value: object) -> None:
    assert at(plan(profile), path) == value


@pytest.mark.parametrize("profile", FIGURES)
def test_a_plan_is_plain_data_and_all_its_sums_hold(profile: str) -> None:
    result = plan(profile)
    assert json.loads(json.dumps(result)) == result
    assert result["profile"] == profile
    assert all(result[part]["holds"] for part in ("memory_proof", "connection_budget", "host_budget"))
    assert result == plan(profile)


@pytest.mark.parametrize("profile", FIGURES)
def test_every_setting_is_one_that_its_server_knows(profile: str) -> None:
    result = plan(profile)
    for name in result["postgres"]["settings"]:
        assert name in POSTGRES or name.partition(".")[0] in POSTGRES_PREFIXES
    assert set(result["pgbouncer"]["settings"]) <= PGBOUNCER
    assert set(result["redis"]["settings"]) <= REDIS


@pytest.mark.parametrize("profile", FIGURES)
def test_every_service_reserves_no_more_than_its_limit(profile: str) -> None:
    for service in plan(profile)["services"].values():
        assert 0 <= service["reservations"]["cpus"] <= service["limits"]["cpus"] <= HOSTS[profile][1]
        assert 0 < service["reservations"]["memory"] <= service["limits"]["memory"]
        assert service["limits"]["pids"] >= 128


@pytest.mark.parametrize("profile", FIGURES)
def test_the_monitoring_costs_a_quarter_of_a_cpu_and_its_memory_is_counted(profile: str) -> None:
    services = plan(profile)["services"]
    limits = [services[name]["limits"] for name in MONITORING_SERVICES]
    assert round(sum(limit["cpus"] for limit in limits), 3) == 0.25  # S19
    assert sum(limit["memory"] for limit in limits) == 336 * MB
    without = plan(profile, monitoring=False)
    assert set(services) - set(without["services"]) == set(MONITORING_SERVICES)
    counted, left = plan(profile)["host_budget"], without["host_budget"]
    assert counted["others_memory"] - left["others_memory"] == 336 * MB


@pytest.mark.parametrize(
    ("memory", "cpus", "profile"),
    [
        ("3.7GB", 2, "small"),
        ("4GB", 8, "small"),
        ("7.6GB", 2, "small"),
        ("7.3GB", 4, "medium"),
        ("7.1GB", 4, "small"),
        ("16GB", 4, "medium"),
        ("14.5GB", 8, "large"),
        ("64GB", 32, "large"),
    ],
)
def test_auto_takes_the_largest_that_fits(memory: str, cpus: int, profile: str) -> None:
    assert sizing("auto", memory, cpus).profile == profile


@pytest.mark.parametrize("profile", ["small", "medium", "large"])
def test_a_minimum_as_a_machine_reports_it_is_enough(profile: str) -> None:
    found = PROFILES[profile]
    assert sizing(profile, found.minimum_memory * 9 // 10 + MB, found.minimum_cpus).profile == profile


def test_academy_fits_two_cpus_with_nothing_to_spare() -> None:
    assert plan("academy")["host_budget"]["reserved_cpus"] == 2.0
    assert plan("academy")["app"]["max_replicas"] == 1
    assert plan("academy", memory="16GB", cpus=4)["app"]["max_replicas"] == 3


def test_stories_scales_to_three_where_the_host_carries_three() -> None:
    result = plan("stories", memory="8GB", cpus=4)
    assert result["app"]["max_replicas"] == 3  # S50
    assert result["connection_budget"]["clients"] == 3 * 2 * 15 + 7


def test_the_autoscaler_is_counted_where_it_runs() -> None:
    without, with_it = plan("small"), plan("small", autoscaling=True)
    assert "autoscaler" not in without["services"]
    assert with_it["services"]["autoscaler"]["limits"]["memory"] == 64 * MB
    assert with_it["host_budget"]["others_memory"] == without["host_budget"]["others_memory"] + 64 * MB
    more = plan("small", autoscaling=True, overrides={"services": {"autoscaler": {"limits": {"memory": "96MB"}}}})
    assert more["host_budget"]["others_memory"] == without["host_budget"]["others_memory"] + 96 * MB


def test_hosts_share_the_replicas() -> None:
    assert plan("stories", hosts=3)["app"]["max_replicas"] == 3
    assert plan("medium", hosts=3, replicas=6)["host_budget"]["tasks"] == 2


@pytest.mark.parametrize(
    ("overrides", "path", "value"),
    [
        ({"postgres": {"settings": {"work_mem": "8 MB"}}}, "postgres/settings/work_mem", "8MB"),
        ({"postgres": {"settings": {"jit": True}}}, "postgres/settings/jit", "on"),
        ({"postgres": {"settings": {"pgaudit.log": "ddl"}}}, "postgres/settings/pgaudit.log", "ddl"),
        ({"postgres": {"settings": {"wal_buffers": -1}}}, "memory_proof/wal_buffers", 16 * MB),
        ({"postgres": {"settings": {"autovacuum_work_mem": "32MB"}}}, "memory_proof/maintenance", 96 * MB),
        ({"postgres": {"settings": {"shared_buffers": "512MB"}}}, "postgres/settings/work_mem", "13MB"),
        ({"postgres": {"settings": {"hash_mem_multiplier": 4}}}, "postgres/settings/work_mem", "7MB"),
        ({"postgres": {"shm": "1GB"}}, "postgres/shm", GB),
        ({"services": {"postgres": {"limits": {"memory": "2GB"}}}}, "postgres/settings/shared_buffers", "512MB"),
        ({"services": {"app": {"limits": {"memory": "640MB"}}}}, "app/heap_mb", 480),
        ({"services": {"redis": {"limits": {"memory": "512MB"}}}}, "redis/settings/maxmemory", 358 * MB),
        ({"services": {"app": {"limits": {"cpus": "3"}}}}, "app/uv_threadpool_size", 6),
        ({"pgbouncer": {"settings": {"default_pool_size": 4}}}, "pgbouncer/settings/max_db_connections", 9),
        ({"pgbouncer": {"settings": {"default_pool_size": 4}}}, "pgbouncer/settings/min_pool_size", 4),
        ({"pgbouncer": {"settings": {"so_reuseport": True}}}, "pgbouncer/settings/so_reuseport", 1),
        ({"redis": {"settings": {"save": "3600 1"}}}, "redis/settings/save", "3600 1"),
        ({"redis": {"settings": {"save": ""}}}, "redis/settings/save", '""'),
        ({"redis": {"settings": {"maxmemory": "100MB"}}}, "redis/settings/maxmemory", 100 * MB),
        ({"app": {"replicas": 1}}, "app/replicas", 1),
        ({"app": {"connection_limit": 5}}, "connection_budget/connection_limit", 5),
        ({"app": {"surge": 0}}, "connection_budget/clients", 47),
        ({"health": {"app": {"interval": "90s"}}}, "health/app/interval", "1m30s"),
        ({"edge": {"sticky": True}}, "edge/sticky", True),
    ],
)
def test_overrides_come_last_and_the_rest_follows_them(overrides: dict[str, Any], path: str, value: object) -> None:
    assert at(plan("medium", overrides=overrides), path) == value


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"postgress": {}}, r"overrides: there is no 'postgress'; did you mean postgres\?"),
        ({"postgres": {"settings": {"work_memm": "8MB"}}}, r"did you mean work_mem\?"),
        ({"postgres": {"settings": {"listen_addresses": "*"}}}, "is set by the role postgres"),
        ({"postgres": {"settings": {"ssl_cert_file": "/x"}}}, "is set by the role postgres"),
        ({"postgres": {"settings": {"work_mem": 8192}}}, 'has no unit; write a text such as "16MB"'),
        ({"postgres": {"settings": {"work_mem": "1kB"}}}, "out of range"),
        ({"postgres": {"settings": {"max_connections": 0}}}, "between 1 and 262143"),
        ({"postgres": {"settings": {"hash_mem_multiplier": 0.5}}}, "factor between 1 and 1000"),
        ({"postgres": {"settings": {"jit": "a\nb"}}}, "one line of text"),
        ({"postgres": {"settings": {"evil.setting": 1}}}, "has no setting"),
        ({"postgres": {"settings": []}}, "no dictionary"),
        ({"pgbouncer": {"settings": {"auth_file": "/x"}}}, "is set by the role pgbouncer"),
        ({"pgbouncer": {"settings": {"max_db_connections": 0}}}, "between 1 and"),
        ({"redis": {"settings": {"requirepass": "x"}}}, "is set by the role redis"),
        ({"services": {"app": {"limits": {"mem": "1GB"}}}}, r"there is no 'mem'; did you mean memory\?"),
        ({"services": {"app": {"limits": {"memory": "1MB"}}}}, "too little"),
        ({"services": {"app": {"limits": {"cpus": 0}}}}, "no number of CPUs"),
        ({"services": {"grafana": {}}}, "there is no 'grafana'"),
        ({"app": {"replicas": 0}}, "between 1 and 1000"),
        ({"app": {"replicas": True}}, "between 1 and 1000"),
        ({"health": {"app": {"interval": "0s"}}}, "no time at all"),
        ({"edge": {"sticky": "yes"}}, "neither true nor false"),
        ({5: 6}, "there is no 5"),
        ([], "overrides: .* is no dictionary"),
    ],
)
def test_overrides_that_mean_nothing(overrides: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan("medium", overrides=overrides)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile": "mediun"}, r"profile: there is no 'mediun'; did you mean medium\?"),
        ({"profile": None}, "take one of auto, small, medium, large, academy, stories"),
        ({"memory": "8"}, "memory: '8' is no size"),
        ({"memory": 2**62}, "memory: .* is more than a host has"),
        ({"cpus": "two"}, "cpus: 'two' is no number of CPUs"),
        ({"cpus": float("nan")}, "cpus: nan is no number of CPUs"),
        ({"cpus": 0}, "cpus: 0 is no number of CPUs"),
        ({"replicas": 0}, "replicas: 0 is no number between 1 and 1000"),
        ({"replicas": "many"}, "replicas: 'many' is no number"),
        ({"replicas": 2, "overrides": {"app": {"replicas": 3}}}, "leave one of them out"),
        ({"hosts": 0}, "hosts: 0 is no number"),
    ],
)
def test_arguments_that_mean_nothing(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sizing(**{"profile": "medium", "memory": "8GB", "cpus": 4, **arguments})


def test_numbers_may_come_as_text() -> None:
    assert plan("medium", cpus="4", replicas="2") == plan("medium", cpus=4, replicas=2)


@pytest.mark.parametrize(
    ("given", "there"), [(True, True), ("true", True), ("no", False), ("False", False), (0, False)]
)
def test_the_monitoring_is_switched_as_ansible_does(given: object, there: bool) -> None:
    assert ("prometheus" in plan("small", monitoring=given)["services"]) is there


def test_a_switch_that_says_neither_is_refused() -> None:
    with pytest.raises(InputError, match="monitoring: 'perhaps' is neither true nor false"):
        plan("small", monitoring="perhaps")
