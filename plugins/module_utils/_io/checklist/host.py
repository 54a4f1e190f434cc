# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host, as the checks judge it: files, kernel, units, packages, clock, disks."""

from __future__ import annotations

import contextlib
import glob
import grp
import json
import os
import re
import stat
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ..._core.alert_drill.model import is_over
from ..._core.checklist.firewall import FIREWALL_FILE
from ..._core.checklist.host import FORWARDING, JOURNAL_FILE, SYSCTLS_FILE
from ..._core.firewall import parse_policy, render, render_file
from ..._core.sysctls import proc_path
from ..._core.systemd_units import parse_timestamp
from .. import nftables, probe, system
from . import disks, jobs
from .logins import OWNER, members_of, status_of

#: By a pattern of nginx.conf, and by one of prometheus.yml for the alert drill.
_READ_WHEN_THERE = ("nginx/conf/*.conf", "monitoring/prometheus/drill/*.json")
#: What belongs to the user of the containers.
_WORKED_WITH = (
    *("data/*", "data/*/*", "data/*/*/*", "data/postgres/*/data/*", "nginx/cache", "nginx/cache/*", "run/*"),
)
_UNIT = "Id,LoadState,ActiveState,UnitFileState,Result,Triggers,DropInPaths,FragmentPath,InactiveExitTimestamp"
_OTHERS_WRITE, _OTHERS = 0o002, 0o007
#: Where systemd-sysctl looks: of files of one name the first is read, and of values for one setting the last counts.
_SYSCTL_DIRECTORIES = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
_JOURNAL_DIRECTORIES = tuple(
    f"/{place}/systemd/journald.conf.d" for place in ("etc", "run", "usr/local/lib", "usr/lib")
)
#: Settings of the kernel that name a program, and how one begins there.
_HELPERS = {"kernel.core_pattern": "|", "kernel.modprobe": "/"}
#: What containers, their networks and the packet filter need of the kernel.
_MODULES = ("overlay", "bridge", "br_netfilter", "veth", "vxlan", "nf_tables")
#: Queues that lose packets or hold them back, and routes that end packets, on purpose (tc and ip route of iproute2).
_HINDERING = {"netem", "tbf"}
_NOWHERE = ("blackhole", "prohibit", "unreachable")
#: The kernel's own, for what has no route of IPv6.
_LAST = "metric 4294967295"
#: Settings of root's command docker.
_CLIENT = "/root/.docker/config.json"
_SOCKETS = ("/var/run/docker.sock", "/run/containerd/containerd.sock")
_COMMAND = re.compile(r"argv\[\]=(.*?) ;")
_DOCKER_OPTS = re.compile(r"^\s*(?:export\s+)?DOCKER_OPTS=(.*)$", re.MULTILINE)


def gather(stack: str, expected: Mapping[str, Any], written: Iterable[str] = ()) -> dict[str, Any]:
    """What is cheap to see."""
    root, clock = f"/opt/{stack}", _clock()
    return {
        "now": time.time(),
        **disks.gather(root, own=not clock["container"], virtual=clock["virtual"]),
        "memory": _memory(),
        "cpus": os.cpu_count() or 1,
        "load": os.getloadavg()[0],
        "directories": {item["path"]: status_of(item["path"]) for item in expected["directories"]},
        "files": {path: status_of(path) for path in secret_files(root)},
        "configuration": {path: status_of(path) for path in written if path.startswith(f"{root}/")},
        "kernel": {name: system.read_kernel_value(proc_path(name)) for name in expected["sysctls"]},
        "sysctls_file": system.read_text(SYSCTLS_FILE),
        "sysctls_later": _later(SYSCTLS_FILE, _SYSCTL_DIRECTORIES),
        "forwarding": {name: system.read_kernel_value(proc_path(name)) for name in FORWARDING},
        "hostname": os.uname().nodename,
        "boot_hostname": (system.read_text("/etc/hostname") or "").strip(),
        "boot_target": os.path.basename(os.path.realpath("/etc/systemd/system/default.target")),
        "journal_later": _later(JOURNAL_FILE, _JOURNAL_DIRECTORIES),
        "journal_settings": _settings("systemd/journald.conf", ("Storage", "MaxLevelStore")),
        "manager_settings": _settings("systemd/system.conf", ("DefaultTimeoutStopSec",)),
        "helpers": {} if clock["container"] else strange_helpers(),
        "replaced_modules": [] if clock["container"] else _replaced_modules(),
        "clock": clock,
        "open": open_paths(root),
        "not_owned": not_owned(root),
        "barred": barred(root),
        "temporary": {path: status_of(path) for path in ("/tmp", "/var/tmp")},  # noqa: S108 - to look
        "failed_units": system.lines(["systemctl", "--failed", "--plain", "--no-legend", "--full"]),
        "journal": _unit("systemd-journald.service").get("ActiveState", ""),
        "listeners": sorted(probe.probe_host(stack, "17", 1001)["listeners"]),
    }


def _later(own: str, directories: Iterable[str]) -> dict[str, str]:
    """The files that are read after the stack's own, by their paths, in their order. Of one name the first is read."""
    found: dict[str, str] = {}
    for directory in directories:
        for path in glob.glob(f"{directory}/*.conf"):
            found.setdefault(os.path.basename(path), path)
    later = [found[name] for name in sorted(found) if name > os.path.basename(own)]
    return {path: system.read_text(path) or "" for path in later}


def _settings(file: str, options: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """What of systemd's settings counts, and the file that says so."""
    found, path = {}, ""
    for line in system.lines(["systemd-analyze", "cat-config", file]):
        name, equals, value = line.partition("=")
        if line.startswith("# /"):
            path = line[2:]
        elif equals and name.strip() in options:
            found[name.strip()] = (value.strip(), path)
    return found


def strange_helpers() -> dict[str, str]:
    """Programs of no package that the kernel itself starts: for whatever crashes, and for parts of it that lack."""
    values = {name: (system.read_kernel_value(proc_path(name)) or "").strip() for name in _HELPERS}
    programs = {
        name: value.lstrip("|").split()[0] for name, value in values.items() if value.startswith(_HELPERS[name])
    }
    # Older packages call a program by /sbin.
    names = {path: {path, f"/usr{path}", path.removeprefix("/usr")} for path in programs.values()}
    known = jobs.packaged(sorted({one for others in names.values() for one in others})) if names else set()
    return {name: path for name, path in programs.items() if not names[path] & known}


def _replaced_modules() -> list[str]:
    """Parts of the kernel in whose place a file of modprobe.d has something else run."""
    if not system.find_program("modprobe"):
        return []
    found = []
    for name in _MODULES:
        said = system.run(["modprobe", "--show-depends", name], stdin="", check=False).out
        runs = [line.partition("install ")[2] for line in said.splitlines() if line.startswith("install ")]
        found += [f"{name}: {line.strip()}" for line in runs if "modprobe" not in line]
    return found


def secret_files(root: str) -> list[str]:
    """The files of the stack that hold a secret or a key."""
    patterns = (
        *("pki/ca.key", "pki/*/tls.key", "redis/users.acl", "pgbouncer/userlist.txt", "nginx/certificate/*.pem"),
        *("backup/pgbackrest/pgbackrest.conf", "backup/dumps/.key", "backup/files/key", "backup/files/redis-password"),
        *("backup/files/s3/credentials", "night/redis-password", "logs/tls.key", "backup/offsite/*.conf"),
        *("certbot/config/archive/*/privkey*.pem", "monitoring/web/web.yml"),
    )
    return sorted(path for pattern in patterns for path in glob.glob(f"{root}/{pattern}"))


def open_paths(root: str) -> list[str]:
    """What others than its owner may write, below the stack's folder but in its data; and open folders of backups."""
    found = []
    for folder, names, files in os.walk(root):
        depth = folder[len(root) :].count("/")
        names[:] = [name for name in names if depth < 3 and f"{folder}/{name}" not in (f"{root}/data", f"{root}/run")]  # noqa: PLR2004
        for name in (*names, *files):
            path = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                if not stat.S_ISLNK(status.st_mode) and status.st_mode & _OTHERS_WRITE:
                    found.append(f"{path} can be written by everybody ({stat.S_IMODE(status.st_mode):04o})")
    # Sockets aside, which ask who comes.
    for path in (one for pattern in ("data/*", "data/*/*", "data/*/*/*") for one in glob.glob(f"{root}/{pattern}")):
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(path)
            if (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)) and status.st_mode & _OTHERS_WRITE:
                found.append(f"{path} can be written by everybody ({stat.S_IMODE(status.st_mode):04o})")
    for name in ("backup/dumps", "backup/repository", "backup/files", "data/postgres/*/data"):
        for path in glob.glob(f"{root}/{name}"):
            mode = stat.S_IMODE(os.stat(path).st_mode)
            if mode & _OTHERS:
                found.append(f"{path} is open to everybody ({mode:04o})")
    return sorted(found)


def not_owned(root: str) -> list[str]:
    """What services work with, in the first levels of their folders, and what is not theirs."""
    found = []
    for path in sorted(path for pattern in _WORKED_WITH for path in glob.glob(f"{root}/{pattern}")):
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(path)
            if str(status.st_uid) != OWNER and os.path.dirname(path) not in found:
                found.append(path)
    return found


def barred(root: str) -> list[str]:
    """Of the same, what the modes keep its owner from."""
    found = []
    for path in sorted(path for pattern in _WORKED_WITH for path in glob.glob(f"{root}/{pattern}")):
        with contextlib.suppress(FileNotFoundError):
            mode = os.lstat(path).st_mode
            needed = stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR
            if not stat.S_ISLNK(mode) and mode & needed != needed:
                found.append(path)
    return found


def _memory() -> dict[str, int]:
    lines = (system.read_text("/proc/meminfo") or "").splitlines()
    pairs = (line.split() for line in lines)
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in pairs}


def _clock() -> dict[str, Any]:
    shown = dict(line.partition("=")[::2] for line in system.lines(["timedatectl", "show"]))
    container = system.run(["systemd-detect-virt", "--container"], stdin="", check=False)
    machine = system.run(["systemd-detect-virt", "--vm"], stdin="", check=False)
    return {
        "synchronised": shown.get("NTPSynchronized") == "yes",
        "active": shown.get("NTP") == "yes",
        "timezone": shown.get("Timezone", ""),
        "virtual": machine.code == 0,
        "container": container.out.strip() if container.code == 0 else "",
    }


def gather_units(names: Iterable[str]) -> dict[str, Any]:
    """The units, and of a timer also what it starts."""
    found = _shown(names)
    return {**found, **_shown(started for shown in found.values() for started in shown.get("Triggers", "").split())}


def _shown(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """What systemd knows of units, which need not exist, asked for in one go."""
    asked = sorted(set(names))
    if not asked:
        return {}
    said = system.run(
        ["systemctl", "show", "--timestamp=us+utc", "--property", _UNIT, *asked], stdin="", check=False
    ).out
    parts = [dict(line.split("=", 1) for line in part.splitlines() if "=" in line) for part in said.split("\n\n")]
    for part in parts:
        # A timer goes by what its file said when it was started, and its file may have its old time again.
        started = parse_timestamp(part.pop("InactiveExitTimestamp", ""))
        path = part.pop("FragmentPath", "")
        part["Unread"] = path if started and system.changed_after(path, started) else ""
    return dict(zip(asked, parts))


def _unit(name: str) -> dict[str, str]:
    return _shown([name])[name]


def gather_logs(expected: Mapping[str, Any]) -> dict[str, Any]:
    """What ships the logs, and how much waits for the server; nothing where logs are not shipped."""
    if not expected["enabled"]:
        return {}
    name = expected["unit"]
    lines = system.lines(["systemctl", "show", "--property", "ActiveState,ActiveEnterTimestamp,MainPID", name])
    unit = dict(line.split("=", 1) for line in lines if "=" in line)
    peers = system.lines(["ss", "--no-header", "--tcp", "--processes", "--numeric", "state", "established"])
    return {
        "active": unit.get("ActiveState", ""),
        "connected": any(f"pid={unit.get('MainPID')}," in line for line in peers),
        "waiting_bytes": sum(os.path.getsize(path) for path in glob.glob(f"{expected['queue']}/ship.0*")),
    }


def gather_firewall(expected: Mapping[str, Any]) -> dict[str, Any]:
    """The rules as the kernel holds them, and as it would hold those that were asked for."""
    policy = parse_policy("firstbell", expected["rules"], expected["peers"], expected["container_interfaces"])
    return {
        "wanted": nftables.rehearse(render(policy), "firstbell") if nftables.installed() else "",
        "live": nftables.listing("firstbell") if nftables.installed() else "",
        "written": render_file(policy),
        "file": system.read_text(FIREWALL_FILE),
        "ruleset": nftables.ruleset() if nftables.installed() else None,
        "hindered": [line for line in _tool("tc", "qdisc", "show") if {*line.split()} & _HINDERING],
        "nowhere": [route for kind in _NOWHERE for route in _routes(kind) if _LAST not in route],
        "unit": _unit("firstbell-firewall.service"),
    }


def _routes(kind: str) -> list[str]:
    return _tool("ip", "route", "show", "table", "all", "type", kind)


def _tool(*command: str) -> list[str]:
    """What a program of iproute2 says; nothing where the host has none."""
    return system.lines([*command]) if system.find_program(command[0]) else []


def gather_files(paths: Iterable[str]) -> dict[str, str | None]:
    """The configuration files as they are."""
    return {path: system.read_text(path) for path in paths}


def gather_left_over(stack: str, written: Iterable[str]) -> list[str]:
    """Files that a service reads because they lie there, and that nobody has written or somebody has forgotten."""
    paths = [path for pattern in _READ_WHEN_THERE for path in glob.glob(f"/opt/{stack}/{pattern}")]
    return [path for path in sorted(set(paths) - set(written)) if not is_over(system.read_text(path) or "")]


def gather_access() -> dict[str, Any]:
    """Who may speak to the engine, and so is the host's administrator; and with what it is started."""
    shown = dict(
        line.partition("=")[::2]
        for line in system.lines(["systemctl", "show", "--property=ExecStart,MainPID", "docker"])
    )
    start = _COMMAND.search(shown.get("ExecStart", ""))
    options = _DOCKER_OPTS.findall(system.read_text("/etc/default/docker") or "")
    running = (system.read_text(f"/proc/{shown.get('MainPID')}/cmdline") or "").split("\0")
    planned = [*(start[1].split() if start else []), *" ".join(options).replace('"', " ").replace("'", " ").split()]
    return {
        "sockets": [_socket(path) for path in _SOCKETS if os.path.exists(path)],
        "arguments": sorted({one for one in (*running[1:], *planned[1:]) if one}),
        "context": _context(system.read_text(_CLIENT) or ""),
    }


def _context(settings: str) -> str:
    """Which engine the command docker speaks to; empty for this host's."""
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(settings).get("currentContext", ""))
    return ""


def _socket(path: str) -> dict[str, Any]:
    found = os.stat(path)
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    members = members_of(found.st_gid) if found.st_gid else []
    return {"path": path, "mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "group": group, "members": members}
