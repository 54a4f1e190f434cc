# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host: its files, kernel, clock, disks and packet filter."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from .. import directories, sysctls
from ..units import GB, format_size, parse_size
from .model import Facts, Outcome, check, failed, none_of, skipped, warned
from .services import SAID, SITE

_LEAST_FREE, _LOW_FREE = 0.10, 0.20
_LEAST_BYTES = 2 * GB
_LEAST_MEMORY = 0.05
_PERCENT = 100
#: Seconds; the module's own way to the host is a part of what is seen.
_MOST_AHEAD = 60
_COMPARE = "date --utc on both; timedatectl timesync-status or chronyc sources names the time server"
_OWNER = 1001
#: Of folders in that everybody writes.
_FOR_ALL = 0o1777
#: Secrets that services read for themselves.
_READ_BY_CONTAINERS = (
    "*/backup/offsite/*.conf",
    "*/backup/pgbackrest/pgbackrest.conf",
    "*/monitoring/web/web.yml",
    "*/nginx/certificate/*.pem",
    "*/pgbouncer/userlist.txt",
    "*/pki/edge/tls.key",
    "*/pki/pgbouncer/tls.key",
    "*/pki/postgres/tls.key",
    "*/redis/users.acl",
)
_REMOUNT = "dmesg says why; only if it was no error of the disk: mount -o remount,rw {}"
_DAMAGED = (
    "see that a newer backup is off this host, then dmesg; replace the disk, or have the file system checked by "
    "a start with fsck.mode=force"
)
SYSCTLS_FILE = "/etc/sysctl.d/99-firstbell.conf"
JOURNAL_FILE = "/etc/systemd/journald.conf.d/firstbell.conf"
#: By which packets find their ways to containers.
FORWARDING = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
#: As Debian has them.
_HELPERS = {"kernel.core_pattern": "core", "kernel.modprobe": "/sbin/modprobe"}
#: The playbook adds it on hosts whose router tells them their way out.
_ADVERTISEMENTS = "net/ipv6/conf/*/accept_ra = 2"


@check(
    "directories",
    "S11 S12",
    "host",
    "The stack's directories are there and belong to the right user",
    target="owner and mode of each directory as the playbook makes it",
    command="stat -c '%a %u:%g %n' /opt/{stack} /opt/{stack}/*",
    fix=SAID,
    needs="host",
    everywhere=True,
)
def host_directories(facts: Facts) -> Outcome:
    problems, lines = [], []
    for wanted in facts.expected["host"]["directories"]:
        path, found = wanted["path"], facts.seen["host"]["directories"].get(wanted["path"])
        mode = directories.parse_mode(str(wanted.get("mode", "0755")), path)
        owner, group = int(wanted.get("owner", _OWNER)), int(wanted.get("group", _OWNER))
        if found is None:
            problems.append(f"{path} is missing")
            continue
        lines.append(f"{found['mode']:04o} {found['uid']}:{found['gid']} {path}")
        if (found["mode"], found["uid"], found["gid"]) != (mode, owner, group):
            problems.append(f"{path} is {lines[-1].rpartition(' ')[0]}, not {mode:04o} {owner}:{group}")
    in_memory = tuple(facts.seen["host"]["in_memory"])
    problems += [
        f"{path} lies in memory, hides what the disk has there, and is empty after the next start: umount {path}"
        for path in in_memory
    ]
    opened = [one for one in facts.seen["host"]["open"] if "can be written" in one and not one.startswith(in_memory)]
    problems += [f"{one}: chmod o-w {one.partition(' can be ')[0]}" for one in opened]
    problems += [
        f"{path} belongs to user {found['uid']}, who may change it: chown root {path}"
        for path, found in facts.seen["host"]["configuration"].items()
        if found and found["uid"] not in (0, _OWNER)
    ]
    problems += [
        f"{path} cannot be read by user {_OWNER}, as whom the containers run: chown {_OWNER}:{_OWNER} {path}"
        for path, found in facts.seen["host"]["configuration"].items()
        if found and not _readable(found)
    ]
    problems += [
        f"{path} does not belong to user {_OWNER}, as whom its service runs: chown -R {_OWNER}:{_OWNER} {path}"
        for path in facts.seen["host"]["not_owned"]
    ]
    problems += [
        f"the modes of {path} keep out user {_OWNER}, as whom its service runs: chmod u+rwX {path}"
        for path in facts.seen["host"]["barred"]
    ]
    problems += [
        f"{path} has mode {found['mode']:04o}, and everybody has to write there, but only their own: chmod 1777 {path}"
        for path, found in facts.seen["host"]["temporary"].items()
        if found and found["mode"] != _FOR_ALL
    ]
    return none_of(problems, f"{len(lines)} directories", "\n".join(lines))


def _readable(found: Mapping[str, int]) -> bool:
    """Whether the containers' user may read a file of this mode and owner."""
    bits = 0o400 if found["uid"] == _OWNER else 0o040 if found["gid"] == _OWNER else 0o004
    return bool(found["mode"] & bits)


@check(
    "secret-files",
    "S12 S91 S99",
    "secrets",
    "Files with passwords or keys can be read by their owner only",
    target="no rights for others or the group on any of them",
    command="stat -c '%a %u %n' /opt/{stack}/pki/ca.key /opt/{stack}/*/users.acl /opt/{stack}/*/userlist.txt",
    fix=f"chmod o=,g= FILE. {SITE}",
    needs="host",
)
def secret_files(facts: Facts) -> Outcome:
    found = {path: one for path, one in facts.seen["host"]["files"].items() if one}
    lines = [f"{one['mode']:04o} {one['uid']} {path}" for path, one in sorted(found.items())]
    problems = [f"{path} has mode {one['mode']:04o}" for path, one in sorted(found.items()) if one["mode"] & 0o077]
    problems += [
        f"{path} belongs to user {one['uid']}"
        for path, one in found.items()
        if one["uid"] != _OWNER and (one["uid"] or any(fnmatchcase(path, pattern) for pattern in _READ_BY_CONTAINERS))
    ]
    problems += [
        f"{path} gives {who} rights by an access control list: setfacl --remove-all {path}"
        for path, one in found.items()
        for who in one.get("given", {})
    ]
    problems += [one for one in facts.seen["host"]["open"] if "is open" in one]
    if not any(path.endswith("/pki/ca.key") for path in found):
        problems.append("there is no pki/ca.key")
    return none_of(problems, f"{len(lines)} files, all private", "\n".join(lines))


@check(
    "kernel",
    "S92",
    "host",
    "The kernel is set for many connections, and hardened",
    target="every setting that the inventory has, in the kernel and at every boot",
    command=f"sysctl --all; systemd-analyze cat-config sysctl.d; cat {SYSCTLS_FILE}",
    fix=SAID,
    needs="host",
    everywhere=True,
)
def kernel(facts: Facts) -> Outcome:
    expected = facts.expected["host"]
    wanted = sysctls.parse(expected["sysctls"])
    changes = sysctls.plan(wanted, facts.seen["host"]["kernel"])
    patterns = expected["sysctls_optional"]
    optional = {one.name for one in changes if one.before is None and any(fnmatchcase(one.name, p) for p in patterns)}
    problems = [f"{one.name} is {one.before}, not {one.after}" for one in changes if one.name not in optional]
    if wanted:
        problems += of_file(SYSCTLS_FILE, sysctls.render(wanted), facts.seen["host"]["sysctls_file"], _ADVERTISEMENTS)
        problems += _set_later(wanted, facts.seen["host"]["sysctls_later"])
    lines = [f"{name} = {facts.seen['host']['kernel'].get(name)}" for name in wanted]
    needed = FORWARDING if facts.expected["docker"]["settings"].get("ip6tables") else FORWARDING[:1]
    # The engine sets them when it starts.
    problems += [
        f"{name} is 0, which cuts containers off: sysctl --write {name}=1"
        for name in needed
        if facts.seen["host"]["forwarding"][name] == "0"
    ]
    problems += [
        f"modprobe does not load what containers need, {one}: grep -r {one.partition(':')[0]} /etc/modprobe.d, "
        "and take the line out"
        for one in facts.seen["host"]["replaced_modules"]
    ]
    problems += [
        f"the kernel starts a program of no package ({name}={path}): sysctl --write {name}={_HELPERS[name]}; "
        f"grep -rs {name} /etc/sysctl.conf /etc/sysctl.d, and take it out there"
        for name, path in facts.seen["host"]["helpers"].items()
    ]
    return none_of(problems, f"{len(wanted)} settings", "\n".join(lines))


def _set_later(wanted: Mapping[str, str], files: Mapping[str, str]) -> list[str]:
    """Settings that another file, which is read after the stack's, sets otherwise at the next boot."""
    last = {name: (path, value) for path, text in files.items() for name, value in sysctls.read(text).items()}
    problems = []
    for name, value in wanted.items():
        path, other = last.get(sysctls.proc_path(name), ("", value))
        if other != value:
            problems.append(f"{path} sets {name} to {other} at the next boot, not {value}: take the line out of it")
    return problems


def of_file(path: str, wanted: str, has: str | None, passed_over: str = "") -> list[str]:
    """How what is read at the next boot differs from what is in force now."""
    if has is None:
        return [f"{path}, which is read at every boot, is missing"]
    lines, written = wanted.splitlines(), has.splitlines()
    differing = [f"-{line}" for line in lines if line not in written]
    differing += [f"+{line}" for line in written if line not in lines and not fnmatchcase(line, passed_over)]
    return [f"{path}, which is read at every boot, differs: {differing[0]}"] if differing else []


@check(
    "clock",
    "S92",
    "host",
    "The host's clock is right",
    target=f"synchronised with a time server, and kept so; at most {_MOST_AHEAD} s from the controller's",
    command="timedatectl show; date --utc",
    fix="What the finding says; else systemctl enable --now systemd-timesyncd, and see: timedatectl timesync-status",
    needs="host",
    everywhere=True,
)
def clock(facts: Facts) -> Outcome:
    seen, wanted = facts.seen["host"]["clock"], facts.expected["host"]["timezone"]
    if seen["timezone"] != wanted:
        return failed(f"the time zone is {seen['timezone']}, not {wanted}", fix=SITE)
    problems, ahead = [], facts.expected["clock_ahead"]
    if abs(ahead) > _MOST_AHEAD:
        side = "ahead of" if ahead > 0 else "behind"
        problems.append(f"it is {abs(ahead):.0f} s {side} the controller's; one of them is wrong: {_COMPARE}")
    elif seen["container"]:
        return skipped(f"this host is a container ({seen['container']}): its clock is its machine's")
    if not seen["synchronised"] and not seen["container"]:
        problems.append("it is not synchronised")
    if facts.expected["host"]["time_service"] and not seen["active"] and not seen["container"]:
        problems.append("nothing keeps it right: timedatectl set-ntp true")
    return none_of(problems, f"synchronised, time zone {seen['timezone']}")


@check(
    "disk-space",
    "S70",
    "host",
    "The disks have room",
    target=f"more than {_LEAST_FREE:.0%} and {format_size(_LEAST_BYTES)} free, warned below {_LOW_FREE:.0%}; none "
    "read-only or damaged",
    command="df -h / /opt/{stack} /var/lib/docker /var/log; df -i /; cat /sys/fs/ext4/*/errors_count /proc/mdstat",
    fix="Look what takes it: du -xh --max-depth 2 PATH | sort -h | tail; of / also: docker image prune (without --all)",
    needs="host",
    everywhere=True,
)
def disk_space(facts: Facts) -> Outcome:
    problems, low, lines = [f"{one}: {_DAMAGED}" for one in facts.seen["host"]["damaged"]], [], []
    for path, disk in facts.seen["host"]["disks"].items():
        share = disk["free"] / disk["total"]
        inodes = disk["inodes_free"] / disk["inodes"] if disk["inodes"] else 1.0
        lines.append(f"{path}: {disk['free'] / GB:.1f} GB free, {share:.0%}; inodes {inodes:.0%}")
        if disk["read_only"]:
            problems.append(f"{path} takes no writes: {_REMOUNT.format(path)}")
        elif share < _LEAST_FREE or (disk["main"] and disk["free"] < _LEAST_BYTES) or inodes < _LEAST_FREE:
            problems.append(f"{lines[-1]}")
        elif min(share, inodes) < _LOW_FREE:
            low.append(lines[-1])
    if low and not problems:
        return warned("; ".join(low), "\n".join(lines))
    return none_of(problems, "; ".join(lines), "\n".join(lines))


@check(
    "memory",
    "S18 S70 S89",
    "host",
    "The host has memory left",
    target=f"more than {_LEAST_MEMORY:.0%} available",
    command="free -m",
    fix="docker stats --no-stream shows who has it; then a larger host, or a smaller profile",
    needs="host",
    everywhere=True,
)
def memory(facts: Facts) -> Outcome:
    seen = facts.seen["host"]["memory"]
    share = seen["MemAvailable"] / seen["MemTotal"]
    text = f"{share:.0%} of {seen['MemTotal'] / GB:.1f} GB available"
    return none_of([] if share > _LEAST_MEMORY else [text], text)


@check(
    "host-size",
    "S93 S94 S95",
    "host",
    "The host is as large as the plan counts on",
    target="at least the memory and the CPUs of the plan",
    command="free -m; nproc",
    fix="Set firstbell_profile to auto or to a smaller one, then make site",
    needs="host",
)
def host_size(facts: Facts) -> Outcome:
    host, seen = facts.plan["host"], facts.seen["host"]
    total, cpus = seen["memory"]["MemTotal"], seen["cpus"]
    # A machine of 4 GB shows a little less: firmware and kernel have taken theirs.
    problems = (
        [] if total >= host["memory"] * 0.9 else [f"{total / GB:.1f} GB, and {host['memory'] / GB:.1f} are planned"]
    )
    problems += [] if cpus >= host["cpus"] else [f"{cpus} CPUs, and {host['cpus']:g} are planned"]
    measured = f"{total / GB:.1f} GB, {cpus} CPUs"
    target = f"profile {facts.plan['profile']}: {host['memory'] / GB:.1f} GB, {host['cpus']:g} CPUs"
    return none_of(problems, measured, measured, target=target)


@check(
    "swap",
    "S18",
    "host",
    "The host has the swap that was planned",
    target="at least the plan's",
    command="swapon --show",
    fix=SITE,
    needs="host",
    everywhere=True,
)
def swap(facts: Facts) -> Outcome:
    wanted, has = parse_size(facts.expected["host"]["swap"]), facts.seen["host"]["memory"]["SwapTotal"]
    if facts.seen["host"]["clock"]["container"]:
        return skipped(f"this host is a container: swap is its machine's ({has / GB:.1f} GB)")
    # The first page of the file is the kernel's.
    problems = [] if has >= wanted - 1048576 else [f"{has / GB:.1f} GB of swap, not {wanted / GB:.1f} GB"]
    return none_of(problems, f"{has / GB:.1f} GB", target=f"{wanted / GB:.1f} GB")


@check(
    "disk-kind",
    "S87",
    "host",
    "The database lies on an SSD",
    target="a disk that does not turn",
    command="lsblk --output NAME,ROTA,MOUNTPOINT",
    fix="Move /opt/{stack} to an SSD, or set random_page_cost: 4 in postgres_settings_extra",
    needs="host",
)
def disk_kind(facts: Facts) -> Outcome:
    turns = facts.seen["host"]["rotational"]
    if turns is None:
        return skipped("the kernel does not say what kind of disk it is")
    return warned("the disk turns, says the kernel") if turns else none_of([], "an SSD")
