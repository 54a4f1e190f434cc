# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that do not hold: the sums shown, the way out that is offered, and that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError, PlanError
from ansible_collections.firstbell.stack.plugins.module_utils._core.plan import Plan
from ansible_collections.firstbell.stack.plugins.module_utils._core.profiles import CHOICES
from ansible_collections.firstbell.stack.plugins.module_utils._core.sizing import sizing
from ansible_collections.firstbell.stack.plugins.module_utils._core.units import GB, MB, parse_size
from hypothesis import given, settings
from hypothesis import strategies as st

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)

PROFILE = st.sampled_from(CHOICES)
MEMORY = st.one_of(st.integers(0, 40 * GB), st.integers(0, 2**63), st.sampled_from(["3.8GB", "7.6GB", "16GB"]))
CPUS = st.one_of(st.sampled_from([1, 2, 4, 8, 16]), st.floats(0.1, 64))
OVERRIDES = st.fixed_dictionaries(
    {},
    optional={
        "postgres": st.fixed_dictionaries(
            {},
            optional={
                "settings": st.fixed_dictionaries(
                    {},
                    optional={
                        "work_mem": st.integers(1, 2000).map("{}MB".format),
                        "shared_buffers": st.integers(1, 9000).map("{}MB".format),
                        "maintenance_work_mem": st.integers(1, 3000).map("{}MB".format),
                        "max_connections": st.integers(1, 500),
                        "hash_mem_multiplier": st.floats(1, 10),
                        "autovacuum_max_workers": st.integers(1, 20),
                    },
                )
            },
        ),
        "pgbouncer": st.fixed_dictionaries(
            {},
            optional={
                "settings": st.fixed_dictionaries(
                    {},
                    optional={
                        "default_pool_size": st.integers(1, 400),
                        "reserve_pool_size": st.integers(0, 50),
                        "max_db_connections": st.integers(1, 400),
                        "max_client_conn": st.integers(1, 6000),
                    },
                )
            },
        ),
        "app": st.fixed_dictionaries(
            {},
            optional={
                "connection_limit": st.integers(1, 200),
                "max_replicas": st.integers(1, 30),
                "surge": st.integers(0, 3),
                "heap_mb": st.integers(16, 4000),
            },
        ),
        "services": st.dictionaries(
            st.sampled_from(["app", "postgres", "redis", "nginx"]),
            st.fixed_dictionaries(
                {},
                optional={
                    "limits": st.fixed_dictionaries(
                        {},
                        optional={"memory": st.integers(16 * MB, 12 * GB), "cpus": st.floats(0.01, 12)},
                    ),
                    "reservations": st.fixed_dictionaries(
                        {},
                        optional={"memory": st.integers(0, 4 * GB), "cpus": st.floats(0, 4)},
                    ),
                },
            ),
        ),
    },
)


def refused(**arguments: Any) -> PlanError:
    with pytest.raises(PlanError) as error:
        sizing(**arguments)
    return error.value


def error_of(request: Mapping[str, Any]) -> FirstbellError | None:
    """The error that a request ends in, if it is one of ours; any other fails the test."""
    try:
        sizing(**request)
    except FirstbellError as error:
        return error
    return None


def check_holds(plan: Plan) -> None:
    """The three sums once more, from the plan's figures alone."""
    result: dict[str, Any] = plan.as_dict()
    settings_, pools = result["postgres"]["settings"], result["pgbouncer"]["settings"]
    proof, budget, host, app = (result[key] for key in ("memory_proof", "connection_budget", "host_budget", "app"))
    limit = result["services"]["postgres"]["limits"]["memory"]
    servers = pools["max_db_connections"]
    workers = settings_["autovacuum_max_workers"] * parse_size(settings_["maintenance_work_mem"])
    fixed = parse_size(settings_["shared_buffers"]) + parse_size(settings_["wal_buffers"]) + workers
    backends = 6 * MB * (servers + 10) + (servers + 3) * parse_size(settings_["work_mem"]) * proof["factor"]
    assert fixed + backends <= limit
    assert proof["total"] <= proof["limit"] == limit
    most = app["max_replicas"] * (2 if app["surge"] else 1)
    assert most * app["connection_limit"] + budget["jobs"] + budget["exporters"] <= pools["max_client_conn"]
    assert servers + 3 < settings_["max_connections"]
    assert 1 <= app["replicas"] <= app["max_replicas"]
    services = result["services"]
    tasks = -(-app["max_replicas"] // result["host"]["hosts"])
    limits = sum(service["limits"]["memory"] for service in services.values())
    limits += (tasks - 1) * services["app"]["limits"]["memory"]
    limits += app["surge"] * services["app"]["reservations"]["memory"]
    assert limits + host["reserve"] <= result["host"]["memory"]
    reserved = sum(service["reservations"]["cpus"] for service in services.values())
    reserved += (tasks - 1 + app["surge"]) * services["app"]["reservations"]["cpus"]
    assert reserved <= result["host"]["cpus"] + 0.01
    for service in services.values():
        assert service["limits"]["cpus"] <= result["host"]["cpus"]
    assert app["heap_mb"] * MB < services["app"]["limits"]["memory"]
    assert 0 < result["redis"]["settings"]["maxmemory"] < services["redis"]["limits"]["memory"]


REQUEST = st.fixed_dictionaries(
    {"profile": PROFILE, "memory": MEMORY, "cpus": CPUS},
    optional={"replicas": st.integers(1, 12), "overrides": OVERRIDES, "hosts": st.integers(1, 3)},
)


@REPEATABLE
@given(REQUEST)
def test_what_is_accepted_holds_and_so_does_what_is_suggested(request: dict[str, Any]) -> None:
    error = error_of(request)
    if error is None:
        check_holds(sizing(**request))
    elif not isinstance(error, PlanError):
        assert str(error)
    elif error.suggestion is None:
        assert "No plan holds on this host" in str(error)
        for name in ("small", "stories"):
            assert error_of({**request, "profile": name, "replicas": None, "overrides": None})
    else:
        assert "The nearest plan that would hold:" in str(error)
        suggestion: dict[str, Any] = error.suggestion
        check_holds(sizing(**suggestion))
        assert (suggestion["cpus"], suggestion["hosts"]) == (round(request["cpus"], 3), request.get("hosts", 1))


@REPEATABLE
@given(st.sampled_from(["small", "medium", "large", "academy", "stories"]), st.integers(0, 2000), st.integers(0, 2000))
def test_more_memory_never_gives_less(profile: str, steps: int, more: int) -> None:
    base = {"small": 4 * GB, "medium": 8 * GB, "large": 16 * GB, "academy": 8 * GB, "stories": 4 * GB}[profile]
    before = sizing(profile, base + steps * 16 * MB, 8)
    after = sizing(profile, base + (steps + more) * 16 * MB, 8)
    assert after.app.max_replicas >= before.app.max_replicas
    assert after.memory_proof.server_connections >= before.memory_proof.server_connections
    for name in ("shared_buffers", "work_mem", "maintenance_work_mem", "effective_cache_size"):
        assert parse_size(after.postgres_settings[name]) >= parse_size(before.postgres_settings[name])
    for name, service in after.services.items():
        assert service.limits.memory >= before.services[name].limits.memory


@REPEATABLE
@given(st.integers(4 * GB, 64 * GB), st.integers(0, 8 * GB), st.sampled_from([2, 4, 8, 16]))
def test_auto_never_gives_less_to_more_memory(memory: int, more: int, cpus: int) -> None:
    before, after = sizing("auto", memory, cpus), sizing("auto", memory + more, cpus)
    assert after.memory_proof.limit >= before.memory_proof.limit
    assert after.memory_proof.server_connections >= before.memory_proof.server_connections


_RUBBISH = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.text(),
                st.integers(),
                st.sampled_from(["services", "postgres", "settings", "app", "limits", "memory", "work_mem", "health"]),
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)


@REPEATABLE
@given(st.one_of(PROFILE, _RUBBISH), st.one_of(MEMORY, _RUBBISH), st.one_of(CPUS, _RUBBISH), _RUBBISH, _RUBBISH)
def test_rubbish_raises_only_our_own_errors(
    profile: object, memory: object, cpus: object, replicas: object, overrides: object
) -> None:
    for more in ({"replicas": replicas, "overrides": overrides}, {"overrides": overrides}, {}):
        assert str(error_of({"profile": profile, "memory": memory, "cpus": cpus, **more}))


def test_the_seeds_own_contradiction_is_shown_with_its_sum() -> None:
    """C2: 200 connections that all may query, with 16MB of work_mem, in 2 GB."""
    error = refused(
        profile="academy",
        memory="8GB",
        cpus=2,
        overrides={"pgbouncer": {"settings": {"default_pool_size": 180, "reserve_pool_size": 10}}},
    )
    message = str(error)
    for line in (
        "shared_buffers                                                       256MB",
        "queries: 193 backends x 16MB work_mem x 4                          12352MB",
        "limit of the container (services.postgres.limits.memory)               2GB",
        "overrides.pgbouncer.settings.default_pool_size: 4",
    ):
        assert line in message


@pytest.mark.parametrize(
    ("arguments", "hints"),
    [
        (
            {"profile": "small", "overrides": {"postgres": {"settings": {"work_mem": "64MB"}}}},
            ["overrides.postgres.settings.work_mem: 4MB"],
        ),
        (
            {"profile": "small", "memory": "8GB", "overrides": {"postgres": {"settings": {"work_mem": "16MB"}}}},
            ["overrides.postgres.settings.work_mem: 11MB", "overrides.pgbouncer.settings.default_pool_size: 7"],
        ),
        (
            {"profile": "small", "overrides": {"services": {"postgres": {"limits": {"memory": "256MB"}}}}},
            ["overrides.services.postgres.limits.memory: leave it out"],
        ),
        (
            {"profile": "stories", "memory": "16GB", "overrides": {"app": {"connection_limit": 50, "max_replicas": 3}}},
            ["overrides.app.connection_limit: 15", "overrides.pgbouncer.settings.max_client_conn: 310"],
        ),
        (
            {"profile": "small", "overrides": {"postgres": {"settings": {"max_connections": 20}}}},
            ["overrides.postgres.settings.max_connections: 25", "overrides.pgbouncer.settings.default_pool_size: 7"],
        ),
        ({"profile": "academy", "memory": "8GB", "replicas": 3}, ["\n  replicas: 1\n"]),
        ({"profile": "large", "memory": "8GB", "cpus": 4}, ["profile: medium"]),
        ({"profile": "large"}, ["large is meant for 8 CPUs and 16GB; this host has 2 and 4GB", "profile: small"]),
        ({"profile": "small", "overrides": {"app": {"max_replicas": 9}}}, ["overrides.app.max_replicas: 2"]),
        ({"profile": "small", "overrides": {"app": {"heap_mb": 2048}}}, ["overrides.app.heap_mb: 544"]),
        (
            {"profile": "small", "overrides": {"redis": {"settings": {"maxmemory": "1GB"}}}},
            ["overrides.redis.settings.maxmemory: 163MB"],
        ),
        (
            {"profile": "small", "overrides": {"services": {"app": {"limits": {"cpus": 4}}}}},
            ["The engine refuses such a container.", "overrides.services.app.limits.cpus: 2"],
        ),
        (
            {"profile": "small", "overrides": {"services": {"app": {"reservations": {"memory": "800MB"}}}}},
            ["overrides.services.app.reservations.memory: 640MB"],
        ),
        ({"profile": "academy", "cpus": 1}, ["services.app.limits.cpus is 2, more than the host's 1"]),
        (
            {"profile": "auto", "memory": "2GB"},
            ["No plan holds on this host. The smallest, small, needs 2 CPUs and 4GB"],
        ),
    ],
)
def test_the_ways_out(arguments: dict[str, Any], hints: list[str]) -> None:
    message = str(refused(**{"memory": "4GB", "cpus": 2, **arguments}))
    for hint in hints:
        assert hint in message


def test_the_suggested_work_mem_is_the_largest() -> None:
    arguments = {"profile": "medium", "memory": "8GB", "cpus": 4}
    error = refused(**arguments, overrides={"postgres": {"settings": {"work_mem": "100MB"}}})
    suggestion: Any = error.suggestion
    work_mem = suggestion["overrides"]["postgres"]["settings"]["work_mem"]
    larger = f"{parse_size(work_mem) // MB + 1}MB"
    assert sizing(**suggestion).postgres_settings["work_mem"] == work_mem
    refused(**arguments, overrides={"postgres": {"settings": {"work_mem": larger}}})


def test_the_suggested_pool_is_the_largest() -> None:
    arguments = {"profile": "medium", "memory": "8GB", "cpus": 4}

    def pool(size: int) -> dict[str, Any]:
        more = {"max_connections": 300, "work_mem": "4MB"}
        return {"postgres": {"settings": more}, "pgbouncer": {"settings": {"default_pool_size": size}}}

    message = str(refused(**arguments, overrides=pool(280)))
    assert "overrides.pgbouncer.settings.default_pool_size: 55" in message
    sizing(**arguments, overrides=pool(55))
    refused(**arguments, overrides=pool(56))
