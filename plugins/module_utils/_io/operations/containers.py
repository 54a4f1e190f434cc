# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack's services and containers: what runs, what failed, what each one uses."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from ..._core.errors import FirstbellError
from .. import engine_api, system

_SERVICE = "com.docker.swarm.service.name"
_SECOND = 1_000_000_000
_AT_ONCE = 4
#: Microseconds: the kernel's own, and the engine's.
_PERIOD = 100_000
_FILES = ("inactive_file", "active_file")
_FAILED = ("failed", "rejected")
_KILLED = "(137)"


def gather(stack: str) -> dict[str, Any]:
    """Services with their tasks, containers with their figures."""
    return {"services": _services(stack), "containers": _containers(stack)}


def find(stack: str, service: str) -> dict[str, Any]:
    """Id and first process of the newest running container of a service on this host; raises FirstbellError."""
    found = [one for one in _listed(stack) if one["Labels"][_SERVICE] == f"{stack}_{service}"]
    if not found:
        raise FirstbellError(f"no container of {stack}_{service} runs on this host")
    newest = max(found, key=lambda one: one["Created"])
    return {"id": str(newest["Id"]), "pid": int(_inspect(newest["Id"])["State"]["Pid"])}


def find_all(stack: str, service: str) -> list[dict[str, Any]]:
    """The same of all its containers, with their names."""
    found = []
    for one in _listed(stack):
        if one["Labels"][_SERVICE] == f"{stack}_{service}":
            shown = _inspect(one["Id"])
            found.append({"id": str(one["Id"]), "pid": int(shown["State"]["Pid"]), "name": _name(shown)})
    return found


def _listed(stack: str) -> list[Mapping[str, Any]]:
    listed = engine_api.call("GET", "/containers/json", filters=f'{{"label": ["{_SERVICE}"]}}', timeout=15)
    return [one for one in listed if one["Labels"][_SERVICE].startswith(f"{stack}_")]


def _inspect(identity: str) -> dict[str, Any]:
    shown: dict[str, Any] = engine_api.call("GET", f"/containers/{identity}/json", timeout=15)
    return shown


def _name(shown: Mapping[str, Any]) -> str:
    """<service>.<slot>, without the task's id."""
    return str(shown["Name"]).lstrip("/").rpartition(".")[0]


def _services(stack: str) -> dict[str, Any]:
    tasks: dict[str, list[Mapping[str, Any]]] = {}
    for task in engine_api.call("GET", "/tasks", timeout=15):
        tasks.setdefault(task["ServiceID"], []).append(task)
    found = {}
    for service in engine_api.call("GET", "/services", timeout=15):
        spec = service["Spec"]
        prefix, _underscore, short = spec["Name"].partition("_")
        if prefix != stack:
            continue
        own = tasks.get(service["ID"], [])
        found[short] = {
            "wanted": (spec["Mode"].get("Replicated") or {}).get("Replicas", 1),
            "running": sum(task["Status"]["State"] == "running" for task in own),
            "reserved": _reserved(spec["TaskTemplate"]),
            "update": (service.get("UpdateStatus") or {}).get("State", ""),
            "image": spec["TaskTemplate"]["ContainerSpec"]["Image"].partition("@")[0],
            "failed": sorted(
                (
                    {
                        "at": moment(task["Status"]["Timestamp"]),
                        "error": task["Status"].get("Err", ""),
                        "out_of_memory": _out_of_memory(task["Status"]),
                    }
                    for task in own
                    if task["Status"]["State"] in _FAILED
                ),
                key=lambda one: float(one["at"]),
            ),
            "waiting": sorted(
                {
                    task["Status"].get("Err") or task["Status"].get("Message", "")
                    for task in own
                    if task["DesiredState"] == "running" and task["Status"]["State"] in ("pending", "assigned")
                }
            ),
        }
    return found


def _reserved(template: Mapping[str, Any]) -> dict[str, float]:
    """What the engine keeps for each task."""
    found = (template.get("Resources") or {}).get("Reservations") or {}
    return {"reserved_memory": found.get("MemoryBytes", 0), "reserved_cpus": found.get("NanoCPUs", 0) / _SECOND}


def _out_of_memory(status: Mapping[str, Any]) -> bool:
    """Whether it was for lack of memory that a task ended by SIGKILL, as far as its container is still there."""
    identity = (status.get("ContainerStatus") or {}).get("ContainerID", "")
    if _KILLED not in status.get("Err", "") or not identity:
        return False
    with contextlib.suppress(engine_api.EngineError):  # removed meanwhile, or on another host
        return bool(_inspect(identity)["State"]["OOMKilled"])
    return False


def moment(text: str) -> float:
    """Seconds since 1970 from the engine's times, with nanoseconds and sometimes a time zone; 0 where it has none."""
    offset = re.search(r"[+-]\d\d:\d\d$", text)
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(text[:19] + (offset[0] if offset else "+00:00")).timestamp()
    return 0.0


def _containers(stack: str) -> list[dict[str, Any]]:
    listed = [one["Id"] for one in _listed(stack)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [one for one in pool.map(_container, listed) if one]


def _container(identity: str) -> dict[str, Any] | None:
    try:
        shown = _inspect(identity)
        stats = engine_api.call(
            "GET", f"/containers/{identity}/stats", stream="false", timeout=15, **{"one-shot": "true"}
        )
    except engine_api.EngineError as error:
        if error.status == 404:  # noqa: PLR2004 - it has ended meanwhile
            return None
        raise
    state, host = shown["State"], shown["HostConfig"]
    cpu, memory = stats["cpu_stats"], stats["memory_stats"]
    detail = memory.get("stats", {})
    total = "total_" if "total_inactive_file" in detail else ""
    throttling = cpu.get("throttling_data", {})
    return {
        "id": identity,
        "name": _name(shown),
        "service": shown["Config"]["Labels"][_SERVICE].partition("_")[2],
        "pid": int(state["Pid"]),
        "health": (state.get("Health") or {}).get("Status", ""),
        "started": moment(state["StartedAt"]),
        "cpus": host["NanoCpus"] / _SECOND,
        "cpu_seconds": cpu["cpu_usage"]["total_usage"] / _SECOND,
        "periods": throttling.get("periods", 0),
        "throttled_periods": throttling.get("throttled_periods", 0),
        "memory_limit": host["Memory"],
        # Without files: the kernel drops them before it kills. Version 1 of the control groups has both kinds of names.
        "memory": max(memory.get("usage", 0) - sum(detail.get(f"{total}{kind}", 0) for kind in _FILES), 0),
        "processes": stats.get("pids_stats", {}).get("current", 0),
        "processes_limit": host.get("PidsLimit") or 0,
        "kills": kills(int(state["Pid"])),
        "image": shown["Config"]["Image"].partition("@")[0],
        "image_id": shown["Image"],
    }


def kills(pid: int) -> int | None:
    """Processes that the kernel killed for memory in the container; None where it does not say."""
    for entry in (_of_group(pid, "memory.events", "memory.oom_control") or "").splitlines():
        name, _space, value = entry.partition(" ")
        if name == "oom_kill":
            return int(value)
    return None


def memory_limit(pid: int) -> int | None:
    """The limit in bytes that the kernel enforces on the container, 0 for none; None where it does not say."""
    return _number(_of_group(pid, "memory.max", "memory.limit_in_bytes"))


def pids_limit(pid: int) -> int | None:
    """How many processes the kernel lets the container have, 0 for any number; None where it does not say."""
    return _number(_of_group(pid, "pids.max", "pids.max", "pids"))


def cpu_limit(pid: int) -> int | None:
    """The billionths of a CPU that the kernel gives the container, 0 for all; None where it does not say."""
    # Version 1 has the period in another file, and -1 for no limit.
    quota, _space, period = (_of_group(pid, "cpu.max", "cpu.cfs_quota_us", "cpu") or "").strip().partition(" ")
    amount = _number("max" if quota == "-1" else quota)
    return amount and amount * _SECOND // int(period or _PERIOD)


def _number(text: str | None) -> int | None:
    value = (text or "").strip()
    return int(value) if value.isdigit() else 0 if value == "max" else None


def _of_group(pid: int, unified: str, legacy: str, controller: str = "memory") -> str | None:
    """A file of the control group of a process that counts its memory or the like, by its name in version 2 and 1."""
    for line in (system.read_text(f"/proc/{pid}/cgroup") or "").splitlines():
        _number, controllers, group = line.split(":", 2)
        if controllers == "":
            path = f"/sys/fs/cgroup{group}/{unified}"
        elif controller in controllers.split(","):
            path = f"/sys/fs/cgroup/{controller}{group}/{legacy}"
        else:
            continue
        with contextlib.suppress(OSError):  # it has ended meanwhile
            text = system.read_text(os.path.normpath(path))
            if text is not None:
                return text
    return None
