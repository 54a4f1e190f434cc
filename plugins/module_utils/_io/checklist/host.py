# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host, as the checks judge it: files, kernel, units, packages, clock, disks."""

from __future__ import annotations

import contextlib
import glob
import grp
import os
import shutil
import stat
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ..._core.firewall import parse_policy, render
from ..._core.sysctls import proc_path
from .. import nftables, probe, system

_UNIT = "Id,LoadState,ActiveState,UnitFileState,Result,Triggers"


def gather(stack: str, expected: Mapping[str, Any]) -> dict[str, Any]:
    """What is cheap to see."""
    root = f"/opt/{stack}"
    return {
        "now": time.time(),
        "disks": {path: _disk(path) for path in ("/", root, "/var/lib/docker") if os.path.exists(path)},
        "rotational": _rotational(root),
        "memory": _memory(),
        "cpus": os.cpu_count() or 1,
        "load": os.getloadavg()[0],
        "directories": {item["path"]: _path(item["path"]) for item in expected["directories"]},
        "files": {path: _path(path) for path in secret_files(root)},
        "kernel": {name: system.read_kernel_value(proc_path(name)) for name in expected["sysctls"]},
        "clock": _clock(),
        "failed_units": _lines(["systemctl", "--failed", "--plain", "--no-legend", "--full"]),
        "listeners": sorted(probe.probe_host(stack, "17", 1001)["listeners"]),
    }


def secret_files(root: str) -> list[str]:
    """The files of the stack that hold a secret or a key."""
    patterns = (
        *("pki/ca.key", "pki/*/tls.key", "redis/users.acl", "pgbouncer/userlist.txt", "nginx/certificate/*.pem"),
        *("backup/pgbackrest/pgbackrest.conf", "backup/dumps/.key", "backup/files/key", "backup/files/redis-password"),
        *("backup/offsite/*.conf", "certbot/config/archive/*/privkey*.pem"),
    )
    return sorted(path for pattern in patterns for path in glob.glob(f"{root}/{pattern}"))


def _path(path: str) -> dict[str, Any] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return {"mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid}


def _disk(path: str) -> dict[str, int]:
    usage, inodes = shutil.disk_usage(path), os.statvfs(path)
    return {"total": usage.total, "free": usage.free, "inodes": inodes.f_files, "inodes_free": inodes.f_favail}


def _rotational(path: str) -> bool | None:
    """Whether the disk below a path turns; None where the kernel does not say."""
    device = os.stat(path).st_dev
    link = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    for place in (f"{link}/queue/rotational", f"{link}/../queue/rotational"):
        text = system.read_text(place)
        if text is not None:
            return text.strip() == "1"
    return None


def _memory() -> dict[str, int]:
    lines = (system.read_text("/proc/meminfo") or "").splitlines()
    pairs = (line.split() for line in lines)
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in pairs}


def _clock() -> dict[str, Any]:
    shown = dict(line.partition("=")[::2] for line in _lines(["timedatectl", "show"]))
    container = system.run(["systemd-detect-virt", "--container"], stdin="", check=False)
    return {
        "synchronised": shown.get("NTPSynchronized") == "yes",
        "active": shown.get("NTP") == "yes",
        "timezone": shown.get("Timezone", ""),
        "container": container.out.strip() if container.code == 0 else "",
    }


def _lines(argv: list[str]) -> list[str]:
    return system.run(argv, stdin="", check=False).out.splitlines()


def gather_units(names: Iterable[str]) -> dict[str, Any]:
    """The units, and of a timer also what it starts."""
    found = {name: _unit(name) for name in names}
    started = {shown["Triggers"] for shown in found.values() if shown.get("Triggers")}
    return {**found, **{name: _unit(name) for name in sorted(started)}}


def _unit(name: str) -> dict[str, Any]:
    lines = _lines(["systemctl", "show", "--property", _UNIT, name])
    return dict(line.split("=", 1) for line in lines if "=" in line)


def gather_firewall(expected: Mapping[str, Any]) -> dict[str, Any]:
    """The rules as the kernel holds them, and as it would hold those that were asked for."""
    policy = parse_policy("firstbell", expected["rules"], expected["peers"], expected["container_interfaces"])
    return {
        "wanted": nftables.rehearse(render(policy), "firstbell") if nftables.installed() else "",
        "live": nftables.listing("firstbell") if nftables.installed() else "",
        "unit": _unit("firstbell-firewall.service"),
    }


def gather_files(paths: Iterable[str]) -> dict[str, str | None]:
    """The configuration files as they are."""
    return {path: system.read_text(path) for path in paths}


def gather_access() -> dict[str, Any]:
    """Who may speak to the engine: whoever may is the host's administrator."""
    path = "/var/run/docker.sock"
    found = os.stat(path)
    members: list[str] = []
    with contextlib.suppress(KeyError):
        members = list(grp.getgrgid(found.st_gid).gr_mem) if found.st_gid else []
    return {"path": path, "mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "members": members}


def gather_updates() -> dict[str, Any]:
    """What apt would update, from the lists that it has."""
    simulated = system.run(["apt-get", "--simulate", "--quiet", "dist-upgrade"], stdin="", check=False, timeout=60)
    pending = [line.split()[1:] for line in simulated.out.splitlines() if line.startswith("Inst ")]
    stamps = ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists")
    return {
        "pending": [words[0] for words in pending],
        "security": [words[0] for words in pending if "security" in " ".join(words).lower()],
        "listed": max(system.modified_at(path) for path in stamps),
        "timers": gather_units(["apt-daily.timer", "apt-daily-upgrade.timer"]),
        "installed": system.find_program("unattended-upgrade") is not None,
        "options": _lines(["apt-config", "dump", "APT::Periodic"]),
        "reboot": os.path.exists("/run/reboot-required"),
    }
