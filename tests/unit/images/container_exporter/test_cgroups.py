# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups of both versions, as kernels write them."""

from __future__ import annotations

from pathlib import Path

import cgroups
import pytest

ID = "e404fa6d32bc6695d21f2d578ad3ff16a7110f0eaf73323cfc1a32fdf0552c60"
V1 = {
    "cpuacct/docker/{id}/cpuacct.usage": "26297950236\n",
    "cpu/docker/{id}/cpu.stat": "nr_periods 578\nnr_throttled 410\nthrottled_time 14669474031\nwait_sum 5\n",
    "cpu/docker/{id}/cpu.cfs_quota_us": "50000\n",
    "cpu/docker/{id}/cpu.cfs_period_us": "100000\n",
    "memory/docker/{id}/memory.usage_in_bytes": "55963648\n",
    "memory/docker/{id}/memory.limit_in_bytes": "104857600\n",
    "memory/docker/{id}/memory.stat": "cache 8192\ninactive_file 1\ntotal_inactive_file 4096\ntotal_active_file 7\n",
    "memory/docker/{id}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}
V2 = {
    "cgroup.controllers": "cpuset cpu io memory pids\n",
    "system.slice/docker-{id}.scope/cpu.stat": (
        "usage_usec 26297950\nuser_usec 26000000\nsystem_usec 297950\n"
        "nr_periods 578\nnr_throttled 410\nthrottled_usec 14669474\nnr_bursts 0\nburst_usec 0\n"
    ),
    "system.slice/docker-{id}.scope/cpu.max": "50000 100000\n",
    "system.slice/docker-{id}.scope/memory.current": "55963648\n",
    "system.slice/docker-{id}.scope/memory.max": "104857600\n",
    "system.slice/docker-{id}.scope/memory.stat": "anon 50000000\nfile 8192\ninactive_file 4096\nactive_file 7\n",
    "system.slice/docker-{id}.scope/memory.events": "low 0\nhigh 0\nmax 31\noom 3\noom_kill 2\noom_group_kill 0\n",
}
VERSIONS = pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])


def lay_out(root: Path, files: dict[str, str], **changed: str) -> Path:
    """Write the files; ``changed`` names a file by its last name, with _ for a dot."""
    for name, text in files.items():
        path = root / name.format(id=ID)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changed.get(path.name.replace(".", "_"), text), encoding="ascii")
    return root


def reading(root: Path) -> cgroups.Reading:
    layout = cgroups.layout_of(root)
    ((identity, group),) = cgroups.containers(root, layout)
    assert identity == ID
    found = cgroups.read(root, layout, group)
    assert found is not None
    return found


@VERSIONS
def test_both_versions_say_the_same(files: dict[str, str], tmp_path: Path) -> None:
    found = reading(lay_out(tmp_path, files))
    assert found.cpu_seconds == pytest.approx(26.29795, abs=1e-5)
    assert (found.cpu_quota, found.cpu_period) == (50000, 100000)
    assert (found.periods, found.throttled_periods) == (578, 410)
    assert found.throttled_seconds == pytest.approx(14.669474, abs=1e-6)
    assert found.memory_usage == 55963648
    assert found.memory_working_set == 55963648 - 4096
    assert found.memory_active_file == 7
    assert found.memory_limit == 104857600
    assert found.oom_kills == 2


@pytest.mark.parametrize(
    ("files", "changed"),
    [
        (V1, {"memory_limit_in_bytes": "9223372036854771712\n", "cpu_cfs_quota_us": "-1\n"}),
        (V2, {"memory_max": "max\n", "cpu_max": "max 100000\n"}),
    ],
    ids=["v1", "v2"],
)
def test_no_limit_is_zero(files: dict[str, str], changed: dict[str, str], tmp_path: Path) -> None:
    found = reading(lay_out(tmp_path, files, **changed))
    assert (found.memory_limit, found.cpu_quota, found.cpu_period) == (0, 0, 100000)


@pytest.mark.parametrize(
    ("files", "changed"),
    [(V1, {"memory_stat": "total_inactive_file 99999999\n"}), (V2, {"memory_stat": "inactive_file 99999999\n"})],
    ids=["v1", "v2"],
)
def test_a_working_set_is_never_negative(files: dict[str, str], changed: dict[str, str], tmp_path: Path) -> None:
    assert reading(lay_out(tmp_path, files, **changed)).memory_working_set == 0


def test_a_kernel_that_does_not_count_kills() -> None:
    assert cgroups.oom_kills("oom_kill_disable 0\nunder_oom 0\n") == 0


@VERSIONS
def test_a_container_that_has_just_ended(files: dict[str, str], tmp_path: Path) -> None:
    root = lay_out(tmp_path, files)
    layout = cgroups.layout_of(root)
    ((_, group),) = cgroups.containers(root, layout)
    cgroups.file_of(root, layout, group, "oom").unlink()
    assert cgroups.read(root, layout, group) is None


@pytest.mark.parametrize(
    ("group", "there"),
    [
        (f"docker/{ID}", True),
        (f"system.slice/docker-{ID}.scope", True),
        ("system.slice/docker.service", False),
        (f"docker/{ID[:63]}", False),
        ("docker/buildkit", False),
    ],
)
def test_groups_of_containers_by_both_drivers(group: str, there: bool, tmp_path: Path) -> None:
    (tmp_path / "memory" / group).mkdir(parents=True)
    assert len(list(cgroups.containers(tmp_path, cgroups.V1))) == int(there)
