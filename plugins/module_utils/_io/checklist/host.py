# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host, as the checks judge it: files, kernel, units, packages, clock, disks."""

from __future__ import annotations

import base64
import contextlib
import glob
import grp
import hashlib
import os
import pwd
import re
import shutil
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..._core.checklist.administrators import ACCOUNTS
from ..._core.checklist.host import FIREWALL_FILE, SYSCTLS_FILE
from ..._core.firewall import parse_policy, render, render_file
from ..._core.sysctls import proc_path
from .. import nftables, probe, system

#: By a pattern of nginx.conf, and by one of prometheus.yml for the alert drill.
_READ_WHEN_THERE = ("nginx/conf/*.conf", "monitoring/prometheus/drill/*.json")
_UNIT = "Id,LoadState,ActiveState,UnitFileState,Result,Triggers,DropInPaths"
_OTHERS_WRITE, _OTHERS = 0o002, 0o007
_CRON = (
    "/etc/crontab",
    "/etc/cron.d/*",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/var/spool/cron/crontabs/*",
)
_UNITS = "/etc/systemd/system/*.*"
_SSH_OPTIONS = (
    "authorizedkeyscommand",
    "authorizedkeysfile",
    "passwordauthentication",
    "permitemptypasswords",
    "permitrootlogin",
    "trustedusercakeys",
    "error",
)
#: From somewhere on the internet (RFC 5737): without a connection, blocks of Match would be passed over.
_SSH_FROM = "host=localhost,addr=203.0.113.1,laddr=127.0.0.1,lport=22"
#: Where systemd-sysctl looks: of files of one name the first is read, and of values for one setting the last counts.
_SYSCTL_DIRECTORIES = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
_NO_SHELLS = ("/nologin", "/false", "/sync")
#: Why it stops though its files are right: it does not run and has no folder or keys, or wants to know who asks.
_SSH_STOPPED = ("privilege separation directory", "no hostkeys available", "connection test specification")
_KEY = re.compile(r"(?:^|\s)(?:ssh|ecdsa|sk)-\S+ (AAAA[A-Za-z0-9+/]+)=*(.*)$")
#: Whoever belongs to one of these reads or writes everything. The engine's group has a check of its own.
_POWERFUL = ("adm", "disk", "lxd", "sudo")
_HOME, _SHELL = 5, 6


def gather(stack: str, expected: Mapping[str, Any], written: Iterable[str] = ()) -> dict[str, Any]:
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
        "configuration": {path: _path(path) for path in written if path.startswith(f"{root}/")},
        "kernel": {name: system.read_kernel_value(proc_path(name)) for name in expected["sysctls"]},
        "sysctls_file": system.read_text(SYSCTLS_FILE),
        "sysctls_later": _later_sysctls(_SYSCTL_DIRECTORIES),
        "clock": _clock(),
        "open": open_paths(root),
        "failed_units": _lines(["systemctl", "--failed", "--plain", "--no-legend", "--full"]),
        "journal": _unit("systemd-journald.service").get("ActiveState", ""),
        "listeners": sorted(probe.probe_host(stack, "17", 1001)["listeners"]),
    }


def _later_sysctls(directories: Iterable[str]) -> dict[str, str]:
    """The files that the next boot reads after the stack's own, by their paths, in their order."""
    found: dict[str, str] = {}
    for directory in directories:
        for path in glob.glob(f"{directory}/*.conf"):
            found.setdefault(os.path.basename(path), path)
    later = [found[name] for name in sorted(found) if name > os.path.basename(SYSCTLS_FILE)]
    return {path: system.read_text(path) or "" for path in later}


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
    for name in ("backup/dumps", "backup/repository", "backup/files", "data/postgres/*/data"):
        for path in glob.glob(f"{root}/{name}"):
            mode = stat.S_IMODE(os.stat(path).st_mode)
            if mode & _OTHERS:
                found.append(f"{path} is open to everybody ({mode:04o})")
    return sorted(found)


def gather_logins(stack: str) -> dict[str, Any]:
    """Who could log in as whom, who may write what decides on it, and what is loaded into every program."""
    accounts = [line.split(":") for line in (system.read_text("/etc/passwd") or "").splitlines()]
    shadow = [line.split(":") for line in (system.read_text("/etc/shadow") or "").splitlines()]
    passwords = [words[0] for words in shadow if len(words) > 1 and words[1].startswith("$")]
    own = os.environ.get("SUDO_USER", "") or "root"
    return {
        "roots": [words[0] for words in accounts if len(words) > 2 and words[2] == "0"],  # noqa: PLR2004
        "open": [words[0] for words in shadow if len(words) > 1 and not words[1]],
        "passwords": passwords,
        "ssh": {name: _ssh(name) for name in sorted({"root", own, *passwords, *_with_shell(accounts)})},
        "as": own,
        "keys": [key for words in accounts if len(words) > _HOME for key in _keys(words[0], words[_HOME])],
        "members": [{"who": who, "group": group} for group in _POWERFUL for who in _members(group)],
        "decisive": {path: _path(path) for path in decisive_files(stack)},
        "preload": (system.read_text("/etc/ld.so.preload") or "").split(),
        "sudo": _without_password(),
        "engine": _lines(["systemctl", "show", "--property", "ExecStart", "--value", "docker"]),
    }


def _with_shell(accounts: Iterable[Sequence[str]]) -> list[str]:
    """Whom it helps to sign in."""
    return [words[0] for words in accounts if len(words) > _SHELL and not words[_SHELL].endswith(_NO_SHELLS)]


def _ssh(account: str) -> dict[str, str]:
    """The options of sshd for who signs in as ``account``, and as ``error`` why it cannot read its files."""
    sshd = system.find_program("sshd")
    if sshd is None:
        return dict.fromkeys(_SSH_OPTIONS, "")
    said = system.run([sshd, "-T", "-C", f"user={account},{_SSH_FROM}"], stdin="", check=False)
    options = dict(line.partition(" ")[::2] for line in said.out.splitlines())
    refused = said.code != 0 and not any(reason in said.err for reason in _SSH_STOPPED)
    options["error"] = (said.err.strip() or "it does not say why").splitlines()[0] if refused else ""
    return {name: options.get(name, "") for name in _SSH_OPTIONS}


def _keys(account: str, home: str) -> list[dict[str, str]]:
    """The keys that open an account, by their fingerprints."""
    text = "\n".join(system.read_text(f"{home}/.ssh/{name}") or "" for name in ("authorized_keys", "authorized_keys2"))
    found = []
    for line in text.splitlines():
        key = _KEY.search(line)
        # That of a cloud's image only says who is to be taken instead.
        if key and not line.startswith("#") and "Please login as the user" not in line:
            # What is no key opens nothing.
            with contextlib.suppress(ValueError):
                digest = hashlib.sha256(base64.b64decode(key[1] + "==")).digest()
                fingerprint = "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
                found.append({"account": account, "key": fingerprint, "comment": key[2].strip()})
    return found


def _members(group: str | int) -> list[str]:
    """Who belongs to a group, by its list or as the group of the account."""
    try:
        entry = grp.getgrnam(group) if isinstance(group, str) else grp.getgrgid(group)
    except KeyError:
        return []
    primary = [one.pw_name for one in pwd.getpwall() if one.pw_gid == entry.gr_gid]
    return sorted({*entry.gr_mem, *primary})


def decisive_files(stack: str) -> list[str]:
    """What makes an administrator of whoever may write it: the accounts, and what root runs of the stack."""
    lib = "/usr/local/lib"
    patterns = (f"/usr/local/sbin/{stack}-*", f"{lib}/{stack}-*", f"{lib}/{stack}-*/**/*", f"{lib}/firstbell/*")
    own = [path for pattern in patterns for path in glob.glob(pattern, recursive=True)]
    return sorted(path for path in {*ACCOUNTS, *own} if os.path.exists(path))


def _without_password() -> list[dict[str, str]]:
    """Whom sudo asks for no password, but the user that this runs for: a playbook cannot type one."""
    found = []
    for path in filter(os.path.isfile, ("/etc/sudoers", *sorted(glob.glob("/etc/sudoers.d/*")))):
        lines = (system.read_text(path) or "").replace("\\\n", " ").splitlines()
        rules = [line.split() for line in lines if "NOPASSWD:" in line or "!authenticate" in line]
        # Of what begins with a #, a number is a user, and all else a comment.
        whom = {words[0] for words in rules if words[0][0] != "#" or words[0][1:].isdigit()}
        whom -= {os.environ.get("SUDO_USER", "")}
        found += [{"who": who, "path": path} for who in sorted(whom)]
    return found


def gather_jobs(written: Iterable[str]) -> dict[str, list[str]]:
    """Jobs and units that neither a package nor the playbook has written, and those of packages that were edited."""
    paths = [path for pattern in _CRON for path in glob.glob(pattern)]
    paths += [path for path in glob.glob(_UNITS) if os.path.isfile(path) and not os.path.islink(path)]
    paths = sorted(path for path in paths if not os.path.basename(path).startswith("."))
    paths = [path for path in paths if path not in set(written)]
    if not paths:
        return {"strange": [], "edited": []}
    said = system.run(["dpkg-query", "--search", *paths], stdin="", check=False)
    packaged = {line.partition(": ")[2] for line in said.out.splitlines()}
    known = [line.split() for line in _lines(["dpkg-query", "--show", "--showformat", "${Conffiles}\n"])]
    digests = {words[0]: words[1] for words in known if len(words) > 1}
    return {
        "strange": [path for path in paths if path not in packaged],
        "edited": [path for path in paths if path in digests and _md5(path) != digests[path]],
    }


def _md5(path: str) -> str:
    """The digest by which dpkg knows a file of a package."""
    with open(path, "rb") as file:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()


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
    found = _shown(names)
    return {**found, **_shown(started for shown in found.values() for started in shown.get("Triggers", "").split())}


def _shown(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """What systemd knows of units, which need not exist, asked for in one go."""
    asked = sorted(set(names))
    if not asked:
        return {}
    said = system.run(["systemctl", "show", "--property", _UNIT, *asked], stdin="", check=False).out
    parts = [dict(line.split("=", 1) for line in part.splitlines() if "=" in line) for part in said.split("\n\n")]
    return dict(zip(asked, parts))


def _unit(name: str) -> dict[str, str]:
    return _shown([name])[name]


def gather_logs(expected: Mapping[str, Any]) -> dict[str, Any]:
    """What ships the logs, and how much waits for the server; nothing where logs are not shipped."""
    if not expected["enabled"]:
        return {}
    name = expected["unit"]
    lines = _lines(["systemctl", "show", "--property", "ActiveState,ActiveEnterTimestamp,MainPID", name])
    unit = dict(line.split("=", 1) for line in lines if "=" in line)
    peers = _lines(["ss", "--no-header", "--tcp", "--processes", "--numeric", "state", "established"])
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
        "unit": _unit("firstbell-firewall.service"),
    }


def gather_files(paths: Iterable[str]) -> dict[str, str | None]:
    """The configuration files as they are."""
    return {path: system.read_text(path) for path in paths}


def gather_left_over(stack: str, written: Iterable[str]) -> list[str]:
    """Files that a service reads because they lie there, and that nobody has written or somebody has forgotten."""
    paths = [path for pattern in _READ_WHEN_THERE for path in glob.glob(f"/opt/{stack}/{pattern}")]
    return sorted(set(paths) - set(written))


def gather_access() -> dict[str, Any]:
    """Who may speak to the engine: whoever may is the host's administrator."""
    path = "/var/run/docker.sock"
    found = os.stat(path)
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    members = _members(found.st_gid) if found.st_gid else []
    return {"path": path, "mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "group": group, "members": members}


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
        "held": _lines(["apt-mark", "showhold"]),
        "passed_over": _apt_list("Unattended-Upgrade::Package-Blacklist"),
        "origins": [
            value
            for name in ("Origins-Pattern", "Allowed-Origins")
            for value in _apt_list(f"Unattended-Upgrade::{name}")
        ],
        "suites": sorted(set(_lines(["apt-get", "indextargets", "--format", "$(SUITE) $(SITE) $(RELEASE)"]))),
        "reboot": os.path.exists("/run/reboot-required"),
    }


def _apt_list(name: str) -> list[str]:
    """The values of a list in apt's configuration, as they are in force."""
    lines = _lines(["apt-config", "dump", name])
    return [line.partition('"')[2].rpartition('"')[0] for line in lines if line.startswith(f"{name}::")]
