# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits that the kernel enforces, in both versions of its control groups."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io import system
from ansible_collections.firstbell.stack.plugins.module_utils._io.operations import containers

UNIFIED = {"/proc/7/cgroup": "0::/x\n"}
LEGACY = {"/proc/7/cgroup": "4:memory:/x\n2:pids:/x\n1:cpu,cpuacct:/x\n0::/x\n"}
TWO, ONE = "/sys/fs/cgroup/x", "/sys/fs/cgroup"


@pytest.mark.parametrize(
    ("files", "cpus", "memory", "pids"),
    [
        (
            {**UNIFIED, f"{TWO}/cpu.max": "9000 100000\n", f"{TWO}/memory.max": "4096\n", f"{TWO}/pids.max": "8\n"},
            *(90_000_000, 4096, 8),
        ),
        (
            {**UNIFIED, f"{TWO}/cpu.max": "max 100000\n", f"{TWO}/memory.max": "max\n", f"{TWO}/pids.max": "max\n"},
            *(0, 0, 0),
        ),
        (
            {
                **LEGACY,
                f"{ONE}/cpu/x/cpu.cfs_quota_us": "9000\n",
                f"{ONE}/memory/x/memory.limit_in_bytes": "4096\n",
                f"{ONE}/pids/x/pids.max": "max\n",
            },
            *(90_000_000, 4096, 0),
        ),
        ({**LEGACY, f"{ONE}/cpu/x/cpu.cfs_quota_us": "-1\n"}, 0, None, None),
        ({}, None, None, None),
    ],
)
def test_limits_are_read_where_the_kernel_has_them(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cpus: int | None, memory: int | None, pids: int | None
) -> None:
    monkeypatch.setattr(system, "read_text", files.get)
    assert containers.cpu_limit(7) == cpus
    assert containers.memory_limit(7) == memory
    assert containers.pids_limit(7) == pids
