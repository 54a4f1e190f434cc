# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel counts for a container: the files of its control groups, of version 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CONTAINER = re.compile(r"(?:docker-)?([0-9a-f]{64})(?:\.scope)?")
#: Where the engine puts its containers, by its two drivers: cgroupfs and systemd.
PARENTS = ("docker", "system.slice")
#: Version 1 has no word for "no limit": it is a number near the largest, of whole pages.
UNLIMITED = 1 << 62


@dataclass(frozen=True)
class Reading:
    """Sizes in bytes, times in seconds; a limit of 0 is none."""

    cpu_seconds: float
    cpu_quota: int
    cpu_period: int
    periods: int
    throttled_periods: int
    throttled_seconds: float
    memory_usage: int
    memory_working_set: int
    memory_active_file: int
    memory_limit: int
    oom_kills: int


@dataclass(frozen=True)
class Layout:
    """One version of the control groups: the files that are read, and what they are called by."""

    version: int
    files: Mapping[str, str]
    """Name of a content, and its file: below the container's group, or controller/file in version 1."""

    @property
    def counted_in(self) -> str:
        """Where the kernel counts the processes that it killed for memory."""
        return self.files["oom"]


V1 = Layout(
    1,
    {
        "usage": "cpuacct/cpuacct.usage",
        "cpu": "cpu/cpu.stat",
        "quota": "cpu/cpu.cfs_quota_us",
        "period": "cpu/cpu.cfs_period_us",
        "memory": "memory/memory.usage_in_bytes",
        "limit": "memory/memory.limit_in_bytes",
        "detail": "memory/memory.stat",
        "oom": "memory/memory.oom_control",
    },
)
V2 = Layout(
    2,
    {
        "cpu": "cpu.stat",
        "quota": "cpu.max",
        "memory": "memory.current",
        "limit": "memory.max",
        "detail": "memory.stat",
        "oom": "memory.events",
    },
)


def layout_of(root: Path) -> Layout:
    """Version 2 has a file in its root that version 1 lacks."""
    return V2 if (root / "cgroup.controllers").exists() else V1


def containers(root: Path, layout: Layout) -> Iterator[tuple[str, str]]:
    """Id and group of every container that runs now."""
    top = root / "memory" if layout.version == 1 else root
    for parent in PARENTS:
        try:
            names = [entry.name for entry in (top / parent).iterdir()]
        except OSError:
            continue
        for name in names:
            found = CONTAINER.fullmatch(name)
            if found:
                yield found[1], f"{parent}/{name}"


def file_of(root: Path, layout: Layout, group: str, content: str) -> Path:
    """The file that holds a content of a group."""
    path = layout.files[content]
    if layout.version == 1:
        controller, name = path.split("/", 1)
        return root / controller / group / name
    return root / group / path


def read(root: Path, layout: Layout, group: str) -> Reading | None:
    """What a container uses; None when it has just ended."""
    try:
        texts = {name: file_of(root, layout, group, name).read_text(encoding="ascii") for name in layout.files}
    except OSError:
        return None
    return parse_v1(texts) if layout.version == 1 else parse_v2(texts)


def oom_kills(text: str) -> int:
    """The count in memory.oom_control or memory.events; kernels before 4.13 have none."""
    return _table(text).get("oom_kill", 0)


def parse_v1(texts: Mapping[str, str]) -> Reading:
    """Contents by the names of V1.files."""
    cpu = _table(texts["cpu"])
    usage = int(texts["memory"])
    limit = int(texts["limit"])
    detail = _table(texts["detail"])
    return Reading(
        cpu_seconds=int(texts["usage"]) / 1e9,
        cpu_quota=max(int(texts["quota"]), 0),
        cpu_period=int(texts["period"]),
        periods=cpu.get("nr_periods", 0),
        throttled_periods=cpu.get("nr_throttled", 0),
        throttled_seconds=cpu.get("throttled_time", 0) / 1e9,
        memory_usage=usage,
        memory_working_set=_working_set(usage, detail.get("total_inactive_file", 0)),
        memory_active_file=detail.get("total_active_file", 0),
        memory_limit=0 if limit >= UNLIMITED else limit,
        oom_kills=oom_kills(texts["oom"]),
    )


def parse_v2(texts: Mapping[str, str]) -> Reading:
    """Contents by the names of V2.files."""
    cpu = _table(texts["cpu"])
    quota, period = texts["quota"].split()
    usage = int(texts["memory"])
    limit = texts["limit"].strip()
    detail = _table(texts["detail"])
    return Reading(
        cpu_seconds=cpu.get("usage_usec", 0) / 1e6,
        cpu_quota=0 if quota == "max" else int(quota),
        cpu_period=int(period),
        periods=cpu.get("nr_periods", 0),
        throttled_periods=cpu.get("nr_throttled", 0),
        throttled_seconds=cpu.get("throttled_usec", 0) / 1e6,
        memory_usage=usage,
        memory_working_set=_working_set(usage, detail.get("inactive_file", 0)),
        memory_active_file=detail.get("active_file", 0),
        memory_limit=0 if limit == "max" else int(limit),
        oom_kills=oom_kills(texts["oom"]),
    )


def _working_set(usage: int, inactive_file: int) -> int:
    """As cAdvisor counts it: what the kernel cannot take back by dropping files that nobody has read lately."""
    return max(usage - inactive_file, 0)


def _table(text: str) -> dict[str, int]:
    """The lines "name number" of a file."""
    pairs = (line.partition(" ")[::2] for line in text.splitlines())
    return {name: int(value) for name, value in pairs if value.isdigit()}
