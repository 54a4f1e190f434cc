# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host itself, from the kernel's files: processors, memory, pressure, disks, units, packages."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import time
from typing import Any

from .. import system

#: Kinds of file systems that nobody fills, or that are nothing but memory.
_IGNORED = re.compile(
    r"tmpfs|devtmpfs|ramfs|overlay|squashfs|iso9660|fuse\..*|fuse|nsfs|proc|sysfs|cgroup2?|mqueue|devpts|bpf|tracefs|debugfs"
    r"|configfs|securityfs|pstore|hugetlbfs|autofs|binfmt_misc|rpc_pipefs|efivarfs|selinuxfs|fusectl"
)
_TICKS = os.sysconf("SC_CLK_TCK")
_CONTAINER = re.compile(r"[0-9a-f]{64}")
_MOST_PROCESSES = 5000


def gather(directory: str) -> dict[str, Any]:
    """What the kernel says now."""
    return {
        "at": time.time(),
        "cpus": os.cpu_count() or 1,
        "load": list(os.getloadavg()),
        "cpu": _cpu(),
        "memory": _memory(),
        "events": _events(),
        "pressure": {name: _pressure(name) for name in ("cpu", "memory", "io")},
        "disks": disks(directory),
        "processes": _processes(),
        "up_seconds": float((system.read_text("/proc/uptime") or "0").split()[0]),
    }


def _cpu() -> dict[str, float]:
    """Seconds of all processors together since the start; the kernel counts a guest's within user."""
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    first = (system.read_text("/proc/stat") or "cpu 0").splitlines()[0].split()[1:]
    return {name: int(value) / _TICKS for name, value in zip(names, first)}


def _memory() -> dict[str, int]:
    pairs = (line.split() for line in (system.read_text("/proc/meminfo") or "").splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in pairs}


def _events() -> dict[str, int]:
    """Pages swapped in and out, and processes killed for memory, since the start."""
    pairs = (line.split() for line in (system.read_text("/proc/vmstat") or "").splitlines())
    return {words[0]: int(words[1]) for words in pairs if words[0] in ("pswpin", "pswpout", "oom_kill")}


def _pressure(name: str) -> dict[str, float] | None:
    """Share of the last ten seconds in which somebody, or everybody, waited; None where the kernel does not say."""
    try:
        text = system.read_text(f"/proc/pressure/{name}")
    except OSError:
        return None  # there, but switched off
    if text is None:
        return None
    found = {line.split()[0]: line for line in text.splitlines()}
    return {kind: float(match[1]) for kind, line in found.items() if (match := re.search(r"avg10=([0-9.]+)", line))}


def disks(directory: str) -> list[dict[str, Any]]:
    """Every disk once; ``own`` are the root's, and those where the stack or the engine keeps something."""
    own = (directory, "/var/lib/docker")
    mounts = {}
    for line in (system.read_text("/proc/self/mounts") or "").splitlines():
        _source, target, kind, options = line.split()[:4]
        target = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), target)
        inside = any(target.startswith(f"{path}/") for path in own) and "/var/lib/docker/" not in f"{target}/"
        if not _IGNORED.fullmatch(kind) or target in ("/", *own) or inside:
            mounts[target] = "ro" in options.split(",")
    found: dict[int, dict[str, Any]] = {}
    devices = {os.stat(path).st_dev for path in ("/", *own) if os.path.exists(path)}
    for path in sorted({*mounts, *(path for path in ("/", *own) if os.path.exists(path))}, key=len):
        with contextlib.suppress(OSError):
            if os.path.isdir(path) and (usage := os.statvfs(path)).f_blocks:
                device = os.stat(path).st_dev
                found.setdefault(
                    device,
                    {
                        "mount": path,
                        "total": usage.f_blocks * usage.f_frsize,
                        "free": usage.f_bavail * usage.f_frsize,
                        "inodes": usage.f_files,
                        "inodes_free": usage.f_favail,
                        "read_only": mounts.get(path, False),
                        "own": device in devices or path.startswith(tuple(f"{one}/" for one in own)),
                    },
                )
    return list(found.values())


def _processes() -> dict[int, dict[str, Any]]:
    """CPU seconds of every process, with its name and container; never its command line, which may hold secrets."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/stat")[:_MOST_PROCESSES]:
        with (
            contextlib.suppress(OSError, ValueError, IndexError),
            open(path, encoding="utf-8", errors="replace") as file,
        ):
            text = file.read()
            fields = text.rpartition(")")[2].split()
            name = text.partition("(")[2].rpartition(")")[0]
            found[int(path.split("/")[2])] = {
                "name": name,
                "seconds": (int(fields[11]) + int(fields[12])) / _TICKS,
                "memory": int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
            }
    return found


def container_of(pid: int) -> str:
    """The id of the container that a process belongs to, empty for one of the host."""
    try:
        match = _CONTAINER.search(system.read_text(f"/proc/{pid}/cgroup") or "")
    except OSError:
        return ""
    return match[0] if match else ""


def failed_units() -> list[str]:
    """Units that failed."""
    shown = system.run(["systemctl", "--failed", "--plain", "--no-legend", "--full"], stdin="", check=False, timeout=20)
    return [line.split()[0] for line in shown.out.splitlines() if line.split()]


def unit(name: str) -> dict[str, str]:
    """How the last run of a unit ended, and when."""
    properties = (
        "LoadState,ActiveState,Result,ExecMainStatus,ExecMainExitTimestampMonotonic,ExecMainStartTimestampMonotonic"
    )
    shown = system.run(["systemctl", "show", "--property", properties, name], stdin="", check=False, timeout=20)
    return dict(line.split("=", 1) for line in shown.out.splitlines() if "=" in line)


def updates() -> dict[str, Any]:
    """What apt would update, from the lists that it has."""
    said = system.run(["apt-get", "--simulate", "--quiet", "dist-upgrade"], stdin="", timeout=60).out
    pending = [line.split()[1:] for line in said.splitlines() if line.startswith("Inst ")]
    stamps = ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists")
    return {
        "pending": [words[0] for words in pending],
        "security": [words[0] for words in pending if "security" in " ".join(words).lower()],
        "listed": max(system.modified_at(path) for path in stamps),
        "reboot": os.path.exists("/run/reboot-required"),
    }
