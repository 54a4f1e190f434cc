# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.load import cgroups

V1 = {
    "usage": "2500000000\n",
    "cpu": "nr_periods 100\nnr_throttled 25\nthrottled_time 5\n",
    "quota": "150000\n",
    "period": "100000\n",
    "memory": "1000\n",
    "limit": "2000\n",
    "detail": "inactive_file 1\ntotal_inactive_file 250\nactive_file 1\ntotal_active_file 50\n",
    "oom": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}
V2 = {
    "cpu": "usage_usec 2500000\nnr_periods 100\nnr_throttled 25\nthrottled_usec 5\n",
    "quota": "150000 100000\n",
    "memory": "1000\n",
    "limit": "2000\n",
    "detail": "inactive_file 250\nactive_file 50\n",
    "oom": "low 0\noom 3\noom_kill 2\n",
}
BOTH = {
    "cpu": 2.5,
    "cpus": 1.5,
    "periods": 100,
    "throttled": 25,
    "memory": 700,
    "memory_limit": 2000,
    "oom": 2,
}


@pytest.mark.parametrize("texts", [V1, V2])
def test_both_versions_say_the_same(texts: dict[str, str]) -> None:
    assert cgroups.reading(texts) == BOTH


@pytest.mark.parametrize(
    "texts",
    [{**V1, "quota": "-1\n", "limit": f"{(1 << 63) - 4096}\n"}, {**V2, "quota": "max 100000\n", "limit": "max\n"}],
)
def test_no_limit_is_none(texts: dict[str, str]) -> None:
    found = cgroups.reading(texts)
    assert (found["cpus"], found["memory_limit"]) == (0.0, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12:cpu,cpuacct:/docker/aa\n4:memory:/docker/bb\n0::/\n", "docker/bb"),
        ("0::/system.slice/docker-cc.scope\n", "system.slice/docker-cc.scope"),
        ("4:memory:/docker/bb\n1:name=systemd:/x\n0::/docker/zz\n", "docker/bb"),
        ("", ""),
    ],
)
def test_the_group_of_a_process(text: str, expected: str) -> None:
    assert cgroups.group_of(text) == expected


def test_the_host() -> None:
    assert cgroups.host_times("cpu  10 1 5 80 4 0 0 0 0 0\ncpu0 1\n") == {"total": 100, "idle": 84}
