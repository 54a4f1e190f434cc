# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host: its files, kernel, clock, disks, updates, timers and packet filter."""

from __future__ import annotations

from fnmatch import fnmatchcase

from .. import directories, sysctls
from ..units import GB, format_size, parse_size
from .model import Facts, Outcome, check, failed, none_of, skipped, warned
from .services import SITE

_LEAST_FREE, _LOW_FREE = 0.10, 0.20
_LEAST_BYTES = 2 * GB
_LEAST_MEMORY = 0.05
_LISTS_AGE_DAYS = 3
_PERCENT = 100
_OWNER = 1001


@check(
    "directories",
    "S11 S12",
    "host",
    "The stack's directories are there and belong to the right user",
    target="owner and mode of each directory as the playbook makes it",
    command="stat -c '%a %u:%g %n' /opt/{stack} /opt/{stack}/*",
    fix=SITE,
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
    return none_of(problems, f"{len(lines)} directories", "\n".join(lines))


@check(
    "secret-files",
    "S12 S91 S99",
    "secrets",
    "Files with passwords or keys can be read by their owner only",
    target="no rights for others or the group on any of them",
    command="stat -c '%a %u %n' /opt/{stack}/pki/ca.key /opt/{stack}/*/users.acl /opt/{stack}/*/userlist.txt",
    fix=f"chmod 0400 FILE. {SITE}",
    needs="host",
)
def secret_files(facts: Facts) -> Outcome:
    found = {path: one for path, one in facts.seen["host"]["files"].items() if one}
    lines = [f"{one['mode']:04o} {one['uid']} {path}" for path, one in sorted(found.items())]
    problems = [f"{path} has mode {one['mode']:04o}" for path, one in sorted(found.items()) if one["mode"] & 0o077]
    problems += [f"{path} belongs to user {one['uid']}" for path, one in found.items() if one["uid"] not in (0, _OWNER)]
    if not any(path.endswith("/pki/ca.key") for path in found):
        problems.append("there is no pki/ca.key")
    return none_of(problems, f"{len(lines)} files, all private", "\n".join(lines))


@check(
    "kernel",
    "S92",
    "host",
    "The kernel is set for many connections, and hardened",
    target="every setting that the inventory has",
    command="sysctl --all; cat /etc/sysctl.d/99-firstbell.conf",
    fix=SITE,
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
    lines = [f"{name} = {facts.seen['host']['kernel'].get(name)}" for name in wanted]
    return none_of(problems, f"{len(wanted)} settings", "\n".join(lines))


@check(
    "clock",
    "S92",
    "host",
    "The host's clock is right",
    target="synchronised with a time server",
    command="timedatectl show",
    fix="systemctl enable --now systemd-timesyncd; then see: timedatectl timesync-status",
    needs="host",
    everywhere=True,
)
def clock(facts: Facts) -> Outcome:
    seen, wanted = facts.seen["host"]["clock"], facts.expected["host"]["timezone"]
    if seen["timezone"] != wanted:
        return failed(f"the time zone is {seen['timezone']}, not {wanted}", fix=SITE)
    if seen["container"]:
        return skipped(f"this host is a container ({seen['container']}): its clock is its machine's")
    problems = [] if seen["synchronised"] else ["it is not synchronised"]
    return none_of(problems, f"synchronised, time zone {seen['timezone']}")


@check(
    "disk-space",
    "S70",
    "host",
    "The disks have room",
    target=f"more than {_LEAST_FREE:.0%} and {format_size(_LEAST_BYTES)} free, warned below {_LOW_FREE:.0%}",
    command="df -h / /opt/{stack} /var/lib/docker; df -i /",
    fix="docker image prune (without --all), then look what takes it: du -xh --max-depth 2 / | sort -h | tail",
    needs="host",
    everywhere=True,
)
def disk_space(facts: Facts) -> Outcome:
    problems, low, lines = [], [], []
    for path, disk in facts.seen["host"]["disks"].items():
        share = disk["free"] / disk["total"]
        inodes = disk["inodes_free"] / disk["inodes"] if disk["inodes"] else 1.0
        lines.append(f"{path}: {disk['free'] / GB:.1f} GB free, {share:.0%}; inodes {inodes:.0%}")
        if share < _LEAST_FREE or disk["free"] < _LEAST_BYTES or inodes < _LEAST_FREE:
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


@check(
    "failed-units",
    "S82",
    "host",
    "No service of the host's system has failed",
    target="none in systemctl --failed",
    command="systemctl --failed",
    fix="Read why: journalctl --unit UNIT; then: systemctl reset-failed UNIT",
    needs="host",
    everywhere=True,
)
def failed_units(facts: Facts) -> Outcome:
    lines = facts.seen["host"]["failed_units"]
    names = [line.split()[0].lstrip("●* ") or line for line in lines]
    return none_of([name for name in names if name not in _made_anew(facts)], "none", "\n".join(lines))


def _made_anew(facts: Facts) -> tuple[str, ...]:
    """Units whose last run says nothing, since ``backup-check`` does the same now."""
    return (f"{facts.stack}-backup-check.service",)


@check(
    "timers",
    "S82 S83 S86 S102",
    "host",
    "What has to happen by itself is planned, and went well the last time",
    target="every timer enabled and active, the last run of each without an error",
    command="systemctl list-timers --all 'firstbell-*' '{stack}-*'",
    fix=f"systemctl enable --now TIMER; after a failed run: journalctl --unit SERVICE. {SITE}",
    needs="units",
)
def timers(facts: Facts) -> Outcome:
    wanted = [name for role in ("backup", "docker", "edge") for name in facts.expected.get(role, {}).get("timers", [])]
    if not wanted:
        return failed("no timer is planned at all")
    problems, lines = [], []
    for name in wanted:
        unit = facts.seen["units"].get(name, {})
        started = facts.seen["units"].get(unit.get("Triggers", ""), {})
        lines.append(
            f"{name}: {unit.get('ActiveState')}, {unit.get('UnitFileState')}, last run {started.get('Result')}"
        )
        if unit.get("LoadState") != "loaded":
            problems.append(f"{name} is missing")
        elif unit.get("ActiveState") != "active":
            problems.append(f"{name} does not run")
        elif unit.get("UnitFileState") != "enabled":
            problems.append(f"{name} will not run after a reboot")
        elif started.get("Result", "success") != "success" and unit["Triggers"] not in _made_anew(facts):
            problems.append(f"the last run of {unit['Triggers']} failed: {started['Result']}")
    return none_of(problems, f"{len(wanted)} timers run", "\n".join(lines))


@check(
    "security-updates",
    "S92",
    "host",
    "Security updates of the host are installed every day, and none waits",
    target=f"unattended upgrades on, lists younger than {_LISTS_AGE_DAYS} days, no security update pending",
    command="apt-get --simulate dist-upgrade; systemctl list-timers 'apt-daily*'",
    fix="apt-get update && apt-get upgrade at a quiet time (an update of the engine restarts all containers)",
    needs="updates host",
    everywhere=True,
)
def security_updates(facts: Facts) -> Outcome:
    seen = facts.seen["updates"]
    problems = [] if seen["installed"] else ["unattended-upgrades is not installed"]
    problems += [
        f"{name} does not run"
        for name, one in seen["timers"].items()
        if name.endswith(".timer") and one["ActiveState"] != "active"
    ]
    options = "\n".join(seen["options"])
    problems += [
        f"{name} is off"
        for name in ("APT::Periodic::Update-Package-Lists", "APT::Periodic::Unattended-Upgrade")
        if f'{name} "1"' not in options
    ]
    days = (facts.seen["host"]["now"] - seen["listed"]) / 86400
    if days > _LISTS_AGE_DAYS:
        problems.append(f"the lists of packages are {days:.0f} days old")
    evidence = "\n".join([f"pending: {', '.join(seen['pending']) or 'none'}", options])
    if problems:
        return none_of(problems, "", evidence)
    if seen["security"]:
        return warned(f"{len(seen['security'])} security updates wait: {', '.join(seen['security'][:6])}", evidence)
    if seen["reboot"]:
        return warned("an update waits for a reboot", evidence, fix="reboot at a quiet time")
    return none_of([], f"none waits ({len(seen['pending'])} other updates)", evidence)


@check(
    "firewall-rules",
    "S54 S107",
    "network",
    "The host's firewall has exactly the rules that were planned",
    target="the rules of the inventory, in the kernel and at every boot",
    command="nft --stateless list table inet firstbell; systemctl is-enabled firstbell-firewall",
    fix=f"systemctl restart firstbell-firewall. {SITE}",
    needs="firewall",
    everywhere=True,
)
def firewall_rules(facts: Facts) -> Outcome:
    seen = facts.seen["firewall"]
    if not facts.expected["firewall"]["enabled"]:
        return warned("it is switched off (firewall_enabled)", fix="Remove firewall_enabled: false, then make site")
    problems = []
    if not seen["live"]:
        problems.append("no rules are loaded")
    elif seen["live"] != seen["wanted"]:
        live, wanted = ([line.strip() for line in text.splitlines()] for text in (seen["live"], seen["wanted"]))
        problems += [f"missing: {line}" for line in wanted if line not in live]
        problems += [f"added: {line}" for line in live if line not in wanted]
        problems = problems or ["the rules stand in another order"]
    if seen["unit"].get("UnitFileState") != "enabled":
        problems.append("the rules would not be loaded at the next boot")
    if seen["unit"].get("ActiveState") != "active":
        problems.append("firstbell-firewall does not run")
    return none_of(problems, f"{len(seen['live'].splitlines())} lines, as planned", seen["live"])
