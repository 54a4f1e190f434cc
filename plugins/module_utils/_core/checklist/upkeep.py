# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host does by itself: its units, timers and updates."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .model import Facts, Outcome, check, failed, none_of, warned, warned_of
from .services import SITE

_LISTS_AGE_DAYS = 3
_UNITS = "/etc/systemd/system/"
_FIND = "grep -l {} /etc/apt/apt.conf /etc/apt/apt.conf.d/*, and remove what comes after 52firstbell"
_FIND_ORIGINS = _FIND.format("-e Origins-Pattern -e Allowed-Origins")
_ENABLE = (
    "sed -i '/APT::Periodic::Enable/d' $(grep -ls APT::Periodic::Enable /etc/apt/apt.conf /etc/apt/apt.conf.d/*), "
    "and by hand what apt-config dump APT::Periodic::Enable still shows"
)
#: Times as systemd writes them.
_SPAN = re.compile(r"([\d.]+)\s*([a-z]*)")
_SECONDS = {"ms": 0.001, "m": 60, "min": 60, "h": 3600, "hr": 3600}
_CONFIGURE = "dpkg --configure -a; apt-get --fix-broken install"
#: The engine's own.
_ENGINE_UNITS = ("docker.service", "docker.socket")
#: Any of them lets the administrator in.
SSH_UNITS = ("ssh.service", "ssh.socket")
#: Cuts the logs of packages, where it is installed.
LOG_TIMER = "logrotate.timer"
#: Seconds that a service needs to stop; the engine stops the database meanwhile.
_LEAST_STOP = 30


@check(
    "failed-units",
    "S82",
    "host",
    "No service of the host's system has failed",
    target="none in systemctl --failed, and the journal is written",
    command="systemctl --failed; systemctl is-active systemd-journald",
    fix="Read why: journalctl --unit UNIT; then: systemctl reset-failed UNIT",
    needs="host",
    everywhere=True,
)
def failed_units(facts: Facts) -> Outcome:
    lines = facts.seen["host"]["failed_units"]
    names = [line.split()[0].lstrip("●* ") or line for line in lines]
    problems = [name for name in names if name not in _made_anew(facts)]
    if facts.seen["host"]["journal"] != "active":
        problems.append("systemd-journald does not run, so that nobody can read why something failed")
    return none_of(problems, "none", "\n".join(lines))


def _made_anew(facts: Facts) -> tuple[str, ...]:
    """Units whose last run says nothing, since ``backup-check`` does the same now."""
    return (f"{facts.stack}-backup-check.service",)


@check(
    "timers",
    "S82 S83 S84 S86 S102",
    "host",
    "What has to happen by itself is planned and starts with the host, and went well the last time",
    target="timers enabled and active, the last run of each without error; what runs all the time enabled and active",
    command="systemctl list-timers --all 'firstbell-*' '{stack}-*'; systemctl is-enabled docker",
    fix=f"What the finding says; systemctl enable --now TIMER; after a failed run: journalctl --unit SERVICE. {SITE}",
    needs="units host",
    everywhere=True,
)
def timers(facts: Facts) -> Outcome:
    roles = ("backup", "docker", "edge", "night_work", "operations") if facts.expected["first"] else ("docker",)
    wanted = [name for role in roles for name in facts.expected.get(role, {}).get("timers", [])]
    if not wanted and facts.expected["first"]:
        return failed("no timer is planned at all")
    problems = [
        one for name in starting(facts.expected["files"]) if name not in wanted for one in _running(facts, name)
    ]
    problems += [*_of_boot(facts), *_of_logs(facts), *_of_stopping(facts)]
    lines, shells = [], [facts.seen["units"].get(name, {}) for name in SSH_UNITS]
    installed = [unit for unit in shells if unit.get("LoadState", "not-found") != "not-found"]
    if installed and not any(unit.get("UnitFileState") == "enabled" for unit in installed):
        problems.append("nobody can sign in over ssh after the next start: systemctl unmask ssh; systemctl enable ssh")
    for name in wanted:
        unit = facts.seen["units"].get(name, {})
        started = facts.seen["units"].get(unit.get("Triggers", ""), {})
        lines.append(
            f"{name}: {unit.get('ActiveState')}, {unit.get('UnitFileState')}, last run {started.get('Result')}"
        )
        for one in (name, unit.get("Triggers", "")):
            problems += _overrides(facts, one)
        if unit.get("LoadState") != "loaded":
            problems.append(f"{name} is missing")
        elif unit.get("ActiveState") != "active":
            problems.append(f"{name} does not run")
        elif unit.get("UnitFileState") != "enabled":
            problems.append(f"{name} will not run after a reboot")
        elif unit.get("Unread"):
            problems.append(
                f"{name} goes by what its file said before it was changed: "
                f"systemctl daemon-reload; systemctl restart {name}"
            )
        elif started.get("Result", "success") != "success" and unit["Triggers"] not in _made_anew(facts):
            problems.append(f"the last run of {unit['Triggers']} failed: {started['Result']}")
    return none_of(problems, f"{len(wanted)} timers run", "\n".join(lines))


def _of_boot(facts: Facts) -> list[str]:
    """Why the host itself will not come up again as it is."""
    seen = facts.seen["host"]
    target = seen["boot_target"]
    problems = [
        f"the next start waits for {one}, which is not there: take it out of /etc/fstab, or write nofail there"
        for one in seen["lost_disks"]
    ]
    problems += [
        f"nothing mounts {one} at the next start: write it into /etc/fstab (findmnt {one} has device, type and options)"
        for one in seen["unlisted"]
    ]
    problems += [f"{one} is in /etc/fstab and not mounted: mount {one}" for one in seen["unmounted"]]
    name, boot = seen["hostname"], seen["boot_hostname"]
    # Some write it with its domain; some leave it to the network.
    if boot.partition(".")[0] not in ("", "localhost", name.partition(".")[0]):
        problems.append(
            f"the host would start as {boot}, and the services are bound to {name}: hostnamectl set-hostname {name}"
        )
    if target not in ("default.target", "graphical.target", "multi-user.target"):
        problems.append(f"the host would start as {target}: systemctl set-default multi-user.target")
    return problems


def _of_logs(facts: Facts) -> list[str]:
    """Why the logs of packages would not be cut."""
    unit = facts.seen["units"].get(LOG_TIMER, {})
    return _of_timer(LOG_TIMER, unit) if unit.get("LoadState", "not-found") != "not-found" else []


def _of_stopping(facts: Facts) -> list[str]:
    """Whether services are killed before they have stopped."""
    value, path = facts.seen["host"]["manager_settings"].get("DefaultTimeoutStopSec", ("", ""))
    seconds = sum(float(amount) * _SECONDS.get(unit, 1) for amount, unit in _SPAN.findall(value))
    if not value or value == "infinity" or not 0 < seconds < _LEAST_STOP:
        return []
    mend = f"take DefaultTimeoutStopSec out of {path}, then systemctl daemon-reexec"
    return [f"services are killed {value} after they are asked to stop, the database among them: {mend}"]


def starting(files: Mapping[str, str]) -> list[str]:
    """Units that start with the host: the engine's, and those that say so in what the playbook would write."""
    own = [
        path.rpartition("/")[2] for path, text in files.items() if path.startswith(_UNITS) and "\n[Install]\n" in text
    ]
    return [*_ENGINE_UNITS, *own]


def _running(facts: Facts, name: str) -> list[str]:
    """Why a unit that starts with the host does not run, or will not after the next start."""
    state = facts.seen["units"].get(name, {}).get("ActiveState")
    # Swap has a check of its own, and so have timers; the engine's socket is for who starts the engine later.
    stopped = name != "docker.socket" and name.endswith((".service", ".socket")) and state != "active"
    return [*([f"{name} does not run: systemctl start {name}"] if stopped else []), *_at_boot(facts, name)]


def _at_boot(facts: Facts, name: str) -> list[str]:
    """Why a unit will not start with the host, or start as another one."""
    state = facts.seen["units"].get(name, {}).get("UnitFileState") or "missing"
    verb = "unmask" if state.startswith("masked") else "enable"
    problem = f"{name} will not start with the host, it is {state}: systemctl {verb} {name}"
    # What files say beside the engine's own is its host's business.
    others = [] if name in _ENGINE_UNITS else _overrides(facts, name)
    return others if state == "enabled" else [problem, *others]


def _overrides(facts: Facts, name: str) -> list[str]:
    """What files beside a unit's own say of it."""
    paths = facts.seen["units"].get(name, {}).get("DropInPaths", "").split()
    return [f"{path} overrides it: rm {path} && systemctl daemon-reload" for path in paths if f"/{name}.d/" in path]


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
    # What is mended first must not take anything from another Debian.
    said = {**_other_releases(facts), **_broken(facts), **_daily(facts), **_sources(facts)}
    options = "\n".join(seen["options"])
    evidence = "\n".join([f"pending: {', '.join(seen['pending']) or 'none'}", options, *seen["origins"]])
    passed_over = [name for name in seen["passed_over"] if name not in facts.expected["host"]["upgrade_exclude"]]
    kept_back = [f"{name} is held (apt-mark unhold {name})" for name in seen["held"]]
    kept_back += [f"{name} is passed over (Unattended-Upgrade::Package-Blacklist)" for name in passed_over]
    kept_back += [f"packages are never installed, by {path}" for path in seen["pinned"]]
    if said:
        fixes = dict.fromkeys(fix or "What the finding says" for fix in said.values())
        return none_of([*said, *kept_back], "", evidence, fix=". Then: ".join(fixes))
    if kept_back:
        return warned_of(kept_back, evidence, fix="See who wanted it, and take it back")
    if seen["security"]:
        return warned(f"{len(seen['security'])} security updates wait: {', '.join(seen['security'][:6])}", evidence)
    if seen["reboot"]:
        return warned("an update waits for a reboot", evidence, fix="reboot at a quiet time")
    return none_of([], f"none waits ({len(seen['pending'])} other updates)", evidence)


def _daily(facts: Facts) -> dict[str, str]:
    """Why updates are not installed day by day, and what mends it; nothing where the finding says so itself."""
    seen = facts.seen["updates"]
    said = dict.fromkeys([] if seen["installed"] else ["unattended-upgrades is not installed"], SITE)
    for name, unit in seen["timers"].items():
        said.update(dict.fromkeys(_of_timer(name, unit), ""))
    options = "\n".join(seen["options"])
    for name in ("APT::Periodic::Update-Package-Lists", "APT::Periodic::Unattended-Upgrade"):
        if f'{name} "1"' not in options:
            said[f"{name} is off"] = f"{_FIND.format(name)}. {SITE}"
    if any(re.fullmatch('APT::Periodic::Enable "0+";', line) for line in seen["options"]):
        said["APT::Periodic::Enable is 0, so that nothing is updated by itself, whatever else is on"] = _ENABLE
    if seen["reboots"] and not facts.expected["host"]["upgrade_reboots"]:
        said["updates start the host anew by themselves (Unattended-Upgrade::Automatic-Reboot)"] = (
            f"{_FIND.format('Automatic-Reboot')}; if you want that: host_upgrade_reboot_time"
        )
    days = (facts.seen["host"]["now"] - seen["listed"]) / 86400
    if days > _LISTS_AGE_DAYS:
        said[f"the lists of packages are {days:.0f} days old"] = "apt-get update, and see what it says"
    return said


def _sources(facts: Facts) -> dict[str, str]:
    """What is wrong with where updates come from."""
    seen, said = facts.seen["updates"], {}
    if not any("security" in origin.lower() or "*" in origin for origin in seen["origins"]):
        said[f"unattended upgrades take nothing from the source of security updates: {_FIND_ORIGINS}"] = SITE
    # Where apt cannot even read its sources, it knows of none.
    if not any("security" in suite.lower() for suite in seen["suites"]) and (seen["suites"] or not seen["refused"]):
        said["apt knows no source of security updates (/etc/apt/sources.list.d)"] = (
            "put it back (https://www.debian.org/security), then: apt-get update"
        )
    for one in seen["unsigned"]:
        said[f"packages are taken without a signature: {one}"] = "take that out, then: apt-get update"
    for one in seen["unresolved"]:
        said[f"the host cannot find {one}, where its updates come from"] = "see /etc/resolv.conf and /etc/hosts"
    return said


def _other_releases(facts: Facts) -> dict[str, str]:
    """Sources of another Debian than the host's: the next upgrade would make the host that one."""
    seen, said = facts.seen["updates"], {}
    if not seen["codename"]:
        return {}
    for one in seen["releases"]:
        # What is no Debian's has names of its own.
        if one["origin"].split()[:1] == ["Debian"] and not f"{one['codename']}-".startswith(f"{seen['codename']}-"):
            path, _colon, number = one["entry"].rpartition(":")
            mend = f"take {one['release']} out of the Suites of {path} (its entry {number})"
            if path.endswith(".list"):
                mend = f"sed -i '{number}s/^/#/' {path}"
            said[
                f"{one['release']} of {one['site']} is among the sources ({one['entry']}), and an upgrade may make "
                f"this host {one['codename'] or 'that'} instead of {seen['codename']}"
            ] = f"{mend}, then: apt-get update; no upgrade before that"
    return said


def _broken(facts: Facts) -> dict[str, str]:
    """Why apt can install nothing, and which packages are only half there."""
    seen = facts.seen["updates"]
    said = {}
    if seen["refused"]:
        mend = _CONFIGURE if "nmet dependencies" in seen["refused"] else "mend what it names, then: apt-get update"
        said[f"apt installs nothing any more: {seen['refused']}"] = mend
    header = ""
    for line in seen["audit"]:
        if not line.startswith(" "):
            # A sentence goes over several lines, and an empty one ends what it is said of.
            header = f"{header} {line}" if line else ""
            continue
        name = line.split()[0]
        by_itself = "configur" in header or "trigger" in header
        said[f"{name} is not wholly installed (dpkg --audit)"] = (
            _CONFIGURE if by_itself else f"apt-get install --reinstall {name}"
        )
    return said


def _of_timer(name: str, unit: Mapping[str, str]) -> list[str]:
    """Why a timer of the system's does not run, or will not after the next start; or why what it starts does not."""
    state = unit.get("UnitFileState") or "missing"
    unmask = f"systemctl unmask {name}; " if state.startswith("masked") else ""
    if not name.endswith(".timer"):
        return [f"{name} cannot be started, it is {state}: {unmask.rstrip('; ')}"] if unmask else []
    if state != "enabled":
        return [f"{name} will not start with the host, it is {state}: {unmask}systemctl enable --now {name}"]
    return [] if unit["ActiveState"] == "active" else [f"{name} does not run: systemctl start {name}"]
