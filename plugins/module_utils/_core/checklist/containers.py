# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers: what they can do, and what they cost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from ..units import MB, parse_size
from .model import Facts, Outcome, check, failed, none_of, passed, warned, warned_of
from .services import INSPECT, SAID, SITE, containers_of, removal, services_of, strangers

_CRASH_HOURS = 1
_MOST_CRASHES = 3
_CALM_MINUTES = 5
#: Seconds before and after the engine has started, in which tasks end with it or wait for others.
_STARTING = 120
#: Seconds; the engine notes the end of a task a little later.
_DRILL_ROOM = 30
_DRILLS = ("failover_drill", "alert_drill", "rollout_drill")
#: Who can write there is the host's administrator.
_OF_HOST = (
    "/",
    "/boot",
    "/dev",
    "/etc",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/usr",
    "/var",
    "/var/lib/docker",
    "/var/run",
)
#: What limits a container's log; the labels in its lines do not.
_ROTATION = ("max-size", "max-file")
#: What lets the journal grow further.
_OF_JOURNAL = re.compile(r"^\s*(SystemMaxUse\s*=.*)", re.MULTILINE)
#: With others nothing is kept, or not until after the next start, or not what is no error.
_KEPT = {"Storage": ("auto", "persistent"), "MaxLevelStore": ("debug", "7", "info", "6")}
#: The engine loads its profile only where there is none of that name.
_NEW_PROFILE = (
    "echo -n docker-default >/sys/kernel/security/apparmor/.remove; systemctl restart docker, at a quiet time"
)


@check(
    "users",
    "S6",
    "containers",
    "No container runs as root",
    target="user 1001 in every container, as the kernel sees it; nobody, 65534, in what reads all of the host",
    command=INSPECT + " --format '{{.Name}} {{.Config.User}}'; grep Uid /proc/PID/status",
    fix=f"{SITE}. What was started inside a container ends with: docker service update --force {{stack}}_SERVICE",
    needs="engine",
    everywhere=True,
)
def users(facts: Facts) -> Outcome:
    problems, lines = [], []
    for one in containers_of(facts):
        uids = sorted({*one["process"].get("Uid", "").split(), *one["uids"]})
        lines.append(f"{one['name']}: {one['user'] or 'root'}, kernel {' '.join(uids)}")
        wanted = facts.expected["monitoring"]["users"].get(one["service"], "1001:1001")
        others = sorted(set(uids) - {wanted.partition(":")[0]})
        if one["user"] != wanted:
            problems.append(f"{one['service']} runs as {one['user'] or 'root'}")
        elif others:
            problems.append(f"a process in {one['service']} runs as user {', '.join(others)}: docker top {one['name']}")
    return none_of(problems, f"{len(lines)} containers, none as root", "\n".join(lines))


@check(
    "read-only-root",
    "S7",
    "containers",
    "No container can write to its own programs",
    target="a read-only root file system in every container",
    command=INSPECT + " --format '{{.Name}} {{.HostConfig.ReadonlyRootfs}}'",
    fix=SITE,
    needs="engine",
    everywhere=True,
)
def read_only_root(facts: Facts) -> Outcome:
    own = containers_of(facts)
    problems = [f"{one['service']} can write to its root" for one in own if not one["read_only"]]
    return none_of(
        problems, f"{len(own)} containers read-only", "\n".join(f"{c['name']} {c['read_only']}" for c in own)
    )


@check(
    "capabilities",
    "S92",
    "containers",
    "No container has rights of the system's administrator, or can gain them",
    target="no capabilities, no-new-privileges, seccomp and AppArmor in force (CIS Docker 5.2, 5.4, 5.22, 5.26)",
    command=INSPECT + " --format '{{.Name}} {{.HostConfig.CapAdd}} {{.HostConfig.SecurityOpt}}'; "
    "grep -e CapEff -e NoNewPrivs -e Seccomp /proc/PID/status; docker info --format '{{.SecurityOptions}}'",
    fix=SAID,
    needs="engine",
    everywhere=True,
)
def capabilities(facts: Facts) -> Outcome:
    options = " ".join(facts.seen["engine"]["info"]["SecurityOptions"] or [])
    problems, lines = [], []
    if "name=seccomp" not in options:
        problems.append("the engine cannot filter system calls: use a kernel with seccomp, see docker info")
    elif "profile=unconfined" in options:
        problems.append("the engine filters no system calls: take out seccomp-profile, see systemctl cat docker")
    for one in containers_of(facts):
        process = one["process"]
        lines.append(f"{one['name']}: CapEff {process.get('CapEff')}, NoNewPrivs {process.get('NoNewPrivs')}")
        if int(process.get("CapEff") or "0", 16) or one["cap_add"] or one["cap_drop"] != ["ALL"]:
            added = ", ".join(one["cap_add"] or []) or ("" if one["cap_drop"] == ["ALL"] else "the engine's own")
            problems.append(f"{one['service']} has capabilities ({added or process.get('CapEff')})")
        if process.get("NoNewPrivs") != "1":
            problems.append(f"{one['service']} could gain privileges")
        if process.get("Seccomp") == "0" or _unconfined(one, "seccomp"):
            problems.append(f"{one['service']} may make every system call (seccomp=unconfined)")
        # Not every kernel has it.
        if "name=apparmor" in options and (one["apparmor"] == "unconfined" or _unconfined(one, "apparmor")):
            problems.append(f"{one['service']} runs without AppArmor (apparmor=unconfined)")
        elif "name=apparmor" in options and one["confined"] and not one["confined"].endswith("(enforce)"):
            problems.append(
                f"{one['service']} is held back by no AppArmor profile, it is {one['confined']}: {_NEW_PROFILE}"
            )
    return none_of(problems, f"{len(lines)} containers without", "\n".join(lines))


def _unconfined(container: Mapping[str, Any], what: str) -> bool:
    return any(option in (f"{what}=unconfined", f"{what}:unconfined") for option in container["security"])


@check(
    "isolation",
    "S53 S92",
    "containers",
    "No container sees the host's processes, network or engine",
    target="not privileged, no namespace of the host, no engine socket (CIS Docker 5.5, 5.10, 5.16, 5.17, 5.21, 5.32)",
    command=INSPECT + " --format '{{.Name}} {{.HostConfig.Privileged}} {{.HostConfig.NetworkMode}} {{.Mounts}}'",
    fix="docker rm --force CONTAINER, or, for a service of the stack, make site",
    needs="engine",
    everywhere=True,
)
def isolation(facts: Facts) -> Outcome:
    problems = []
    everything = [*facts.seen["engine"]["containers"], *facts.seen["engine"]["stopped"]]
    for one in everything:
        reasons = [f"shares {kind[:-4].lower()} with the host" for kind in one["shares"]]
        reasons += ["is privileged"] if one["privileged"] else []
        reasons += ["holds the engine's socket"] if any("docker.sock" in path for path in one["mounts"]) else []
        reasons += [f"holds the host's {path}" for path in one["mounts"] if path in _OF_HOST and not one["service"]]
        mend = SITE if one["service"] else removal(one)
        problems += [f"{one['name']} {reason}: {mend}" for reason in reasons]
    return none_of(problems, f"{len(everything)} containers looked at", "\n".join(c["name"] for c in everything))


@check(
    "foreign-containers",
    "S92",
    "containers",
    "Nothing else runs in containers on this host",
    target="only the stack's containers, also among those that start with the engine",
    command="docker ps --all",
    fix="Look what it is: docker inspect CONTAINER; then: docker rm --force CONTAINER",
    needs="engine",
    everywhere=True,
)
def foreign_containers(facts: Facts) -> Outcome:
    running, stopped = strangers(facts), facts.seen["engine"]["stopped"]
    idle = set(facts.seen["engine"]["other_services"]) - {one["service_name"] for one in running}
    running += [{"name": f"the service {name}", "service_name": name} for name in sorted(idle)]
    ended = [f"{one['name']} (stopped, restart={one['restart']})" for one in stopped]
    foreign = [*(one["name"] for one in running), *ended]
    if not foreign:
        return passed(f"{len(facts.seen['engine']['containers'])} containers, all of the stack")
    found = [*running, *stopped]
    first = found[0]["service_name"] or found[0]["name"]
    fix = f"Look what it is: docker inspect {first}; then: {'; '.join(map(removal, found))}"
    # A name that looks like one of the stack's own is to be taken for one.
    if any(re.match(rf"{re.escape(facts.stack)}[-_.]", one) for one in foreign):
        return failed(f"not of the stack: {', '.join(foreign[:5])}", "\n".join(foreign), fix=fix)
    return warned_of((f"{one} is not of the stack" for one in foreign), "\n".join(foreign), fix=fix)


@check(
    "crashes",
    "S88 S89",
    "containers",
    "No container was killed for its memory or crashes again and again",
    target=f"no process killed for memory, fewer than {_MOST_CRASHES} ended tasks of a replica in an hour; warned of "
    f"once none has ended for {_CALM_MINUTES} minutes",
    command="docker service ps --no-trunc {stack}_SERVICE; docker inspect --format '{{.State.OOMKilled}}' CONTAINER; "
    "grep oom_kill of memory.events or memory.oom_control in the control group of /proc/PID/cgroup",
    fix="Read why: docker service logs --since 1h {stack}_SERVICE. Killed for memory: raise its limit in the plan",
    needs="engine host records",
)
def crashes(facts: Facts) -> Outcome:
    now = datetime.fromtimestamp(facts.seen["host"]["now"], tz=timezone.utc)
    problems, earlier = _killed(facts)
    counts = []
    for name, service in sorted(services_of(facts).items()):
        recent = [
            task
            for task in service["failed"]
            if now - moment(task["at"]) < timedelta(hours=_CRASH_HOURS) and not _explained(facts, moment(task["at"]))
        ]
        counts.append(f"{name}: {len(recent)} ended in the last hour")
        if recent and max(Counter(task["slot"] for task in recent).values()) >= _MOST_CRASHES:
            last = max(recent, key=lambda task: moment(task["at"]))
            age = now - moment(last["at"])
            said = f"{name} ended {len(recent)} times in an hour: {last['error']}"
            # What has ended no more since then was mended.
            if age < timedelta(minutes=_CALM_MINUTES):
                problems.append(said)
            else:
                earlier.append(f"{said}, the last time {age.seconds // 60} min ago")
    if earlier and not problems:
        return warned("; ".join(earlier), "\n".join(counts))
    return none_of(problems, "none", "\n".join(counts))


def _killed(facts: Facts) -> tuple[list[str], list[str]]:
    """Kills for memory: by the engine's word or surely within the hour; and those whose time nobody knows.

    The engine misses processes that a container's first one has started. The kernel counts them, without a time.
    """
    now, sure, earlier = facts.seen["host"]["now"], [], []
    for one in containers_of(facts):
        kills = f"the kernel killed processes of {one['name']} for its memory ({one['kills']})"
        # The count stays with the container.
        anew = f": once that is mended, docker service update --force {facts.stack}_{one['service']}"
        if one["oom_killed"]:
            sure.append(f"{one['service']} was killed for its memory{anew}")
        elif one["kills"] and now - one["started"] < _CRASH_HOURS * 3600:
            sure.append(f"{kills}{anew}")
        elif one["kills"]:
            hours = (now - one["started"]) / 3600
            earlier.append(f"{kills}, some time since it was started {hours:.0f} h ago{anew}")
    return sure, earlier


def _explained(facts: Facts, at: datetime) -> bool:
    """Whether a rehearsal did it, or the start of the engine or of the host."""
    if abs(at.timestamp() - facts.seen["engine"]["daemon"]["found"]["start_time"]) <= _STARTING:
        return True
    return any(
        0 <= at.timestamp() - one["time"] <= one.get("seconds", 0) + _DRILL_ROOM
        for kind in _DRILLS
        for one in facts.seen["records"]["kept"].get(kind, [])
    )


def moment(text: str) -> datetime:
    """The engine's times have nine digits of a second; Python reads six."""
    return datetime.fromisoformat(text[:19]).replace(tzinfo=timezone.utc)


@check(
    "log-rotation",
    "S85 S106",
    "containers",
    "Logs cannot fill the disk",
    target="the configured size and number of files, for every container; the configured size of the journal",
    command=INSPECT + " --format '{{.Name}} {{.HostConfig.LogConfig}}'",
    fix=SAID + "; containers that were started before take the options when they are replaced",
    needs="engine host",
    everywhere=True,
)
def log_rotation(facts: Facts) -> Outcome:
    wanted = facts.expected["docker"]["settings"]
    options = wanted["log-opts"]
    most = parse_size(str(options["max-size"]).upper() + "B") * int(options["max-file"])
    problems, largest = [], 0
    for one in facts.seen["engine"]["containers"]:
        differs = any(one["log_options"].get(key) != options[key] for key in _ROTATION)
        if one["log_driver"] != wanted["log-driver"] or differs:
            problems.append(f"{one['name']} logs with {one['log_driver']} {one['log_options'] or 'without a limit'}")
        largest = max(largest, one["log_bytes"])
        if one["log_bytes"] > most + MB:
            problems.append(f"the log of {one['name']} takes {one['log_bytes'] / MB:.0f} MB")
    problems += [
        f"{path} sets {line} after the stack's own file: take that out of it, then systemctl restart systemd-journald"
        for path, text in facts.seen["host"]["journal_later"].items()
        for line in _OF_JOURNAL.findall(text)
    ]
    problems += [
        f"{name}={value} in {path} keeps nothing, or not all, of the journal: take that out, then systemctl restart "
        "systemd-journald"
        for name, (value, path) in facts.seen["host"]["journal_settings"].items()
        if value and value not in _KEPT[name]
    ]
    has_text = f"{options['max-file']} files of {options['max-size']}; the largest log takes {largest / MB:.1f} MB"
    return none_of(problems, has_text, has_text)
