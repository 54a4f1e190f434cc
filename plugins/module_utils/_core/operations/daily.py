# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at every day (S82): services, limits, backups, sessions, connections, disks, units, updates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .config import Config
from .diagnosis import SERVED
from .maintenance import Part, Section, table
from .words import count, duration, size

DAY = 86400.0
IDLE = 30.0
MEMORY = 0.9
CPU = 0.9
CONNECTIONS = 0.8
DISK_LOW = 0.10
INODES_LOW = 0.05
CHECKED = 900.0
DRILLED = 2 * DAY
LISTED = 7 * DAY
_SHOWN = 12


def services(facts: Mapping[str, Any]) -> Section:
    config: Config = facts["config"]
    now, found = facts["now"], facts["engine"]["services"]
    lines, findings, restarts = [], [], 0
    for name, one in sorted(found.items()):
        failed = [task for task in one["failed"] if now - task["at"] < DAY]
        restarts += len(failed)
        if one["running"] < one["wanted"] or not one["wanted"]:
            findings.append(
                f"{name} has {one['running']} of {one['wanted']} tasks;"
                f" type docker service ps --no-trunc {config.stack}_{name}"
            )
        if failed:
            lines.append(
                f"{name}: {count(len(failed), 'task')} failed within a day,"
                f" the last {duration(now - failed[-1]['at'])} ago: {failed[-1]['error'] or 'no reason given'}"
            )
    unhealthy = [one["name"] for one in facts["engine"]["containers"] if one["health"] == "unhealthy"]
    findings += [
        f"{name} is unhealthy; type docker inspect --format '{{{{json .State.Health}}}}' $(docker ps -q -f name={name})"
        for name in unhealthy
    ]
    kills = [one for one in facts["engine"]["containers"] if one["kills"] and _is_of_today(one, facts)]
    findings += [
        f"{one['name']} had {count(one['kills'], 'process', 'processes')} killed for lack of memory since its start"
        f" {duration(now - one['started'])} ago; raise its limit in firstbell_plan_overrides"
        for one in kills
    ]
    tasks = sum(one["running"] for one in found.values())
    return Section(
        "services",
        "Services",
        (f"{count(len(found), 'service')}, {count(tasks, 'task')} running, {restarts} failed within a day", *lines),
        {
            "running": tasks,
            "wanted": sum(one["wanted"] for one in found.values()),
            "failed_tasks": restarts,
            "kills": sum(one["kills"] for one in kills),
        },
        tuple(findings),
    )


def _is_of_today(one: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether a process of it was killed within a day: the kernel counts since its start, Prometheus knows when."""
    peaks = facts.get("peaks")
    return peaks is None or facts["now"] - one["started"] < DAY or peaks.get(one["name"], {}).get("kills", 0) > 0


def containers(facts: Mapping[str, Any]) -> Section:
    """Use against the limits: now, and the most of the day where Prometheus knows it."""
    peaks = facts.get("peaks", {})
    before = {one["id"]: one for one in facts["engine_before"]["containers"]}
    seconds = facts["engine"]["at"] - facts["engine_before"]["at"]
    rows, findings, shares = [], [], []
    for one in sorted(facts["engine"]["containers"], key=lambda item: str(item["name"])):
        short = str(one["name"]).partition("_")[2]
        cpu = (one["cpu_seconds"] - before.get(one["id"], one)["cpu_seconds"]) / max(seconds, 0.001)
        peak = peaks.get(one["name"], {})
        memory = max(one["memory"], peak.get("memory", 0.0))
        share = memory / one["memory_limit"] if one["memory_limit"] else 0.0
        cpu_share = peak.get("cpu", cpu) / one["cpus"] if one["cpus"] else 0.0
        shares.append(share)
        rows.append(
            (
                short,
                f"{cpu:.2f}",
                f"{peak['cpu']:.2f}" if "cpu" in peak else "-",
                f"{one['cpus']:.2f}",
                size(one["memory"]),
                size(peak["memory"]) if "memory" in peak else "-",
                size(one["memory_limit"]),
                f"{100 * share:.0f} %",
            )
        )
        if share > MEMORY:
            findings.append(f"{short} used {100 * share:.0f} % of its memory; give it more in firstbell_plan_overrides")
        if cpu_share > CPU and one["service"] in SERVED:
            findings.append(
                f"{short} used {100 * cpu_share:.0f} % of its CPU for five minutes; more replicas or a larger limit"
            )
    head = ("container", "CPU now", "of the day", "limit", "memory now", "of the day", "limit", "at most")
    return Section(
        "containers",
        "CPU and memory against the limits",
        table(head, rows),
        {"memory_share_max": max(shares, default=0.0), "containers": len(rows)},
        tuple(findings),
    )


def backups(facts: Mapping[str, Any]) -> Section:
    """By what the commands of the backups have written down."""
    records, now, command = facts["backups"]["records"], facts["now"], f"{facts['config'].stack}-backup"
    parts = [_checked(records.get("check", {}), now, command)]
    parts += [
        _rehearsed(what, records[name], now, f"{command} {name}")
        for name, what in (("drill", "restore of the database"), ("files-drill", "restore of files"))
        if name in records
    ]
    if "drill" not in records:
        parts.append(("no restore was rehearsed yet", {}, ""))
    if "files-backup" in records:
        parts.append(_files(records["files-backup"], now, command))
    measured: dict[str, float] = {}
    for _line, figures, _finding in parts:
        measured.update(figures)
    return Section(
        "backups",
        "Backups",
        tuple(line for line, _figures, _finding in parts if line),
        measured,
        tuple(finding for _line, _figures, finding in parts if finding),
    )


_Said = tuple[str, dict[str, float], str]


def _checked(check: Mapping[str, Any], now: float, command: str) -> _Said:
    if not check.get("time"):
        return "", {}, f"the backups were never checked; type {command} check"
    age, problems = now - float(check["time"]), int(check.get("problems", 0))
    measured = {"check_age_seconds": age, "problems": float(problems)}
    line = f"checked {duration(age)} ago, {count(problems, 'problem')}"
    newest = float(check.get("newest_restorable") or 0)
    if newest:
        measured["restorable_age_seconds"] = float(check["time"]) - newest
        line += f"; could be restored up to {duration(float(check['time']) - newest)} before that"
    if problems:
        return line, measured, f"{count(problems, 'problem')} with the backups; type {command} check"
    if age > CHECKED:
        return line, measured, f"the last check of the backups is {duration(age)} old; type {command} check"
    return line, measured, ""


def _rehearsed(what: str, said: Mapping[str, Any], now: float, command: str) -> _Said:
    age, success = now - float(said.get("ended", 0)), bool(said.get("success", said.get("ok", False)))
    finding = ""
    if not success or age > DRILLED:
        finding = f"the last rehearsed {what} {'is old' if success else 'failed'}; type {command}"
    line = f"{what} rehearsed {duration(age)} ago, {'proved' if success else 'FAILED'}"
    return line, {f"{what.replace(' ', '_')}_age_seconds": age}, finding


def _files(said: Mapping[str, Any], now: float, command: str) -> _Said:
    age = now - float(said.get("ended", 0))
    finding = "" if said.get("ok") and age < DAY else f"files are not backed up well; type {command} files-backup"
    line = f"files backed up {duration(age)} ago, {'well' if said.get('ok') else 'with errors'}"
    return line, {"files_age_seconds": age}, finding


def sessions(facts: Mapping[str, Any]) -> Section:
    config: Config = facts["config"]
    number = facts["sessions"]
    return Section(
        "sessions",
        "Sessions",
        (f"{count(number, 'key')} {config.sessions} in Redis, counted by SCAN",),
        {"active": number},
    )


def connections(facts: Mapping[str, Any]) -> Section:
    """Against the budget of the plan (C4)."""
    config: Config = facts["config"]
    database, pool = facts["database"], facts["pool"]
    most = database["max_connections"] - database["reserved"]
    used = len(database["activity"])
    pools = [one for one in pool["pools"] if one["database"] != "pgbouncer"]
    servers = sum(int(one["sv_active"]) + int(one["sv_idle"]) + int(one["sv_used"]) for one in pools)
    clients = sum(int(one["cl_active"]) + int(one["cl_waiting"]) for one in pools)
    budget = config.connections
    allowed, accepted = budget.get("server_connections", 0), budget.get("max_client_conn", 0)
    findings = []
    if used > CONNECTIONS * most:
        findings.append(f"{used} of {most} connections of the database are taken; type {config.stack}-diagnose")
    if accepted and clients > CONNECTIONS * accepted:
        findings.append(f"{clients} of {accepted} clients of the pool are connected; type {config.stack}-diagnose")
    idle = sum(
        one["state"].startswith("idle in transaction") and one["state_seconds"] > IDLE for one in database["activity"]
    )
    if idle:
        findings.append(f"{count(idle, 'transaction is', 'transactions are')} left open; type {config.stack}-diagnose")
    return Section(
        "connections",
        "Connections against the budget",
        (
            f"database: {used} of {most} (max_connections less {database['reserved']} reserved)",
            f"pool: {servers} of {allowed or '?'} connections open, {clients} of {accepted or '?'} clients",
        ),
        {"database": used, "database_most": most, "pool": servers, "pool_most": allowed, "clients": clients},
        tuple(findings),
    )


def disks(facts: Mapping[str, Any]) -> Section:
    lines, findings, shares = [], [], []
    for disk in facts["disks"]:
        free = disk["free"] / disk["total"]
        inodes = disk["inodes_free"] / disk["inodes"] if disk["inodes"] else 1.0
        shares.append(free)
        lines.append(
            f"{disk['mount']}: {size(disk['free'])} of {size(disk['total'])} free ({100 * free:.0f} %),"
            f" {100 * inodes:.0f} % of the inodes"
        )
        if free < DISK_LOW or inodes < INODES_LOW:
            findings.append(f"{disk['mount']} is nearly full; type du -xhd 2 {disk['mount']} | sort -h | tail")
    return Section("disks", "Disks", tuple(lines), {"free_share_min": min(shares, default=0.0)}, tuple(findings))


def units(facts: Mapping[str, Any]) -> Section:
    failed = facts["units"]
    return Section(
        "units",
        "Units of systemd",
        (f"{count(len(failed), 'unit has', 'units have')} failed" + (": " + ", ".join(failed) if failed else ""),),
        {"failed": len(failed)},
        tuple(f"{name} failed; type systemctl status {name}" for name in failed[:_SHOWN]),
    )


def updates(facts: Mapping[str, Any]) -> Section:
    found, now = facts["updates"], facts["now"]
    security, pending = found["security"], found["pending"]
    age = now - found["listed"]
    line = f"{count(len(pending), 'package')} could be updated, {len(security)} of them for security"
    findings = []
    if security:
        shown = ", ".join(security[:_SHOWN])
        findings.append(f"{count(len(security), 'security update')} to do ({shown}); type unattended-upgrade")
    if age > LISTED:
        findings.append("the lists of packages are old, so nobody knows of updates; type apt-get update")
    if found["reboot"]:
        findings.append("an update needs a reboot; reboot at a quiet time")
    return Section(
        "updates",
        "Updates of the host",
        (line, f"the lists of packages are {duration(age)} old"),
        {"pending": len(pending), "security": len(security)},
        tuple(findings),
    )


def alerts(facts: Mapping[str, Any]) -> Section:
    firing = sorted({one["alertname"] for one in facts["prometheus"]["firing"]})
    down = [f"{one.get('job')} at {one.get('instance')}" for one in facts["prometheus"]["down"]]
    lines = [f"{len(firing)} firing" + (": " + ", ".join(firing) if firing else "")]
    lines += [f"no answer from {name}" for name in down]
    findings = [f"{name} fires; see its section in docs/runbooks" for name in firing]
    findings += [f"{name} is not measured; see /prometheus/classic/targets" for name in down]
    return Section(
        "alerts", "Alerts", tuple(lines), {"firing": len(firing), "targets_down": len(down)}, tuple(findings)
    )


PARTS = (
    Part("services", "Services", ("engine",), services),
    Part("containers", "CPU and memory against the limits", ("engine", "engine_before"), containers),
    Part("connections", "Connections against the budget", ("database", "pool"), connections),
    Part("sessions", "Sessions", ("sessions",), sessions),
    Part("backups", "Backups", ("backups",), backups),
    Part("disks", "Disks", ("disks",), disks),
    Part("units", "Units of systemd", ("units",), units),
    Part("updates", "Updates of the host", ("updates",), updates),
    Part("alerts", "Alerts", ("prometheus",), alerts),
)
