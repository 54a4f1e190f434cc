# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel counts for a container, from the files of its control groups, version 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Version 1 has no word for "no limit": it is a number near the largest, of whole pages.
_UNLIMITED = 1 << 62

V1 = {
    "usage": "cpuacct/{group}/cpuacct.usage",
    "cpu": "cpu/{group}/cpu.stat",
    "quota": "cpu/{group}/cpu.cfs_quota_us",
    "period": "cpu/{group}/cpu.cfs_period_us",
    "memory": "memory/{group}/memory.usage_in_bytes",
    "limit": "memory/{group}/memory.limit_in_bytes",
    "detail": "memory/{group}/memory.stat",
    "oom": "memory/{group}/memory.oom_control",
}
V2 = {
    "cpu": "{group}/cpu.stat",
    "quota": "{group}/cpu.max",
    "memory": "{group}/memory.current",
    "limit": "{group}/memory.max",
    "detail": "{group}/memory.stat",
    "oom": "{group}/memory.events",
}


def group_of(text: str) -> str:
    """The group of a process, from /proc/<pid>/cgroup: of the memory controller, or the only one of version 2."""
    found = ""
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") or (number == "0" and not found):
            found = path.strip("/")
    return found


def reading(texts: Mapping[str, str]) -> dict[str, Any]:
    """Counters by the names of a sample; ``texts`` by the names of V1 or V2."""
    cpu, detail, limit = _table(texts["cpu"]), _table(texts["detail"]), texts["limit"].strip()
    first = "usage" in texts
    quota, period = (texts["quota"], texts["period"]) if first else texts["quota"].split()
    unlimited = quota.strip() in ("max", "-1")
    most = 0 if limit == "max" or int(limit) >= _UNLIMITED else int(limit)
    files = sum(detail.get(f"total_{kind}" if first else kind, 0) for kind in ("inactive_file", "active_file"))
    return {
        "cpu": int(texts["usage"]) / 1e9 if first else cpu.get("usage_usec", 0) / 1e6,
        "cpus": 0.0 if unlimited else round(int(quota) / int(period), 3),
        "periods": cpu.get("nr_periods", 0),
        "throttled": cpu.get("nr_throttled", 0),
        # Without files: the kernel drops them before it kills.
        "memory": max(0, int(texts["memory"]) - files),
        "memory_limit": most,
        "oom": _table(texts["oom"]).get("oom_kill", 0),
    }


def _table(text: str) -> dict[str, int]:
    """The lines "name number" of a file."""
    pairs = (line.partition(" ")[::2] for line in text.splitlines())
    return {name: int(value) for name, value in pairs if value.strip().isdigit()}


def host_times(text: str) -> dict[str, int]:
    """Ticks of all CPUs, and those in which nobody wanted them, from /proc/stat."""
    ticks = [int(word) for word in text.splitlines()[0].split()[1:9]]
    return {"total": sum(ticks), "idle": ticks[3] + ticks[4]}
