# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done every month (S84, S98): growth and when it ends, peaks against limits, right sizes, images, thresholds.

All figures are measured. A forecast is a straight line through what was measured, and is not made from less than a day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..units import MB
from .config import Config
from .maintenance import Part, Section, table
from .words import count, duration, size

DAY = 86400.0
#: Less than that is no basis for a forecast; less than the second one is a weak basis, and is called so.
LEAST_SPAN = DAY
GOOD_SPAN = 7 * DAY
LEAST_POINTS = 12
#: A disk that is full within that time is to be seen to now: there is one such report a month.
SOON_DAYS = 60.0

MEMORY_TIGHT = 0.85
MEMORY_IDLE = 0.40
MEMORY_AIM = 0.65
MEMORY_STEP = 16 * MB
MEMORY_LEAST = 32 * MB
CPU_TIGHT = 0.85
CPU_IDLE = 0.15
CPU_AIM = 0.5
THROTTLED = 0.25
#: The limit of these is their cache as well (shared_buffers, maxmemory): they are planned to fill it.
CACHES = ("postgres", "redis")
#: Their sum is what was asked for (S19); what they use follows the questions, not the visitors.
OF_MONITORING = (
    "prometheus",
    "alertmanager",
    "node_exporter",
    "data_exporters",
    "blackbox_exporter",
    "container_exporter",
    "grafana",
)
IMAGE_AGE = 45 * DAY
_UPDATE = "run the playbook update_images at a quiet time"
OFTEN = 0.05
_SHOWN = 8


@dataclass(frozen=True)
class Line:
    """A straight line: value of now, growth a day, over so many seconds."""

    value: float
    per_day: float
    span: float
    points: int

    @property
    def usable(self) -> bool:
        return self.span >= LEAST_SPAN and self.points >= LEAST_POINTS


def fit(points: Sequence[tuple[float, float]]) -> Line | None:
    """Least squares through moments (seconds) and values; None without points."""
    known = [(at, value) for at, value in points if math.isfinite(value)]
    if not known:
        return None
    middle_at = sum(at for at, _value in known) / len(known)
    middle = sum(value for _at, value in known) / len(known)
    spread = sum((at - middle_at) ** 2 for at, _value in known)
    slope = sum((at - middle_at) * (value - middle) for at, value in known) / spread if spread else 0.0
    return Line(known[-1][1], slope * DAY, known[-1][0] - known[0][0], len(known))


def days_until_full(free: Line) -> float | None:
    """Days until nothing is free; None where it does not shrink."""
    return free.value / -free.per_day if free.per_day < 0 else None


def growth(facts: Mapping[str, Any]) -> Section:
    lines, findings, measured = [], [], {}
    soonest = math.inf
    for name, points in sorted(facts["capacity"]["disks"].items()):
        free = fit(points)
        if free is None:
            continue
        if not free.usable:
            lines.append(
                f"{name}: {size(free.value)} free; measured over {duration(free.span)} only, too short for a forecast"
            )
            continue
        days = days_until_full(free)
        weak = "" if free.span >= GOOD_SPAN else ", a weak basis"
        told = f"full in {days:.0f} days" if days is not None and days < 3650 else "not filling"  # noqa: PLR2004
        lines.append(
            f"{name}: {size(free.value)} free, {_signed(-free.per_day)} a day over {duration(free.span)}{weak}: {told}"
        )
        if days is not None:
            soonest = min(soonest, days)
            if days < SOON_DAYS:
                findings.append(
                    f"{name} is full in {days:.0f} days at this rate;"
                    f" type du -xhd 2 {name} | sort -h | tail, or enlarge it"
                )
    for name, points in sorted(facts["capacity"]["grows"].items()):
        line = fit(points)
        if line is None:
            continue
        rate = (
            f"{_signed(line.per_day)} a day over {duration(line.span)}"
            if line.usable
            else f"measured over {duration(line.span)} only"
        )
        lines.append(f"{name}: {size(line.value)}, {rate}")
        measured[f"{name.replace(' ', '_')}_bytes"] = line.value
        if line.usable:
            measured[f"{name.replace(' ', '_')}_bytes_per_day"] = line.per_day
    if math.isfinite(soonest):
        measured["full_in_days"] = soonest
    return Section("growth", "Growth, and when it ends", tuple(lines), measured, tuple(findings))


def _signed(count_of_bytes: float) -> str:
    return ("+" if count_of_bytes >= 0 else "-") + size(abs(count_of_bytes))


def peaks(facts: Mapping[str, Any]) -> Section:
    """The most of the time that Prometheus remembers."""
    config: Config = facts["config"]
    found, budget = facts["capacity"]["peaks"], config.connections
    most = {
        "connections of the database": budget.get("max_connections", 0) - budget.get("reserved_connections", 0),
        "connections of the pool": budget.get("server_connections", 0),
        "clients of the pool": budget.get("max_client_conn", 0),
    }
    advice = {
        "connections of the database": "the pool takes no more than was planned for it, so see who else does while it"
        f" lasts: type {config.stack}-diagnose, and docs/runbooks, DatabaseConnectionsHigh",
        "connections of the pool": "and clients waited: mend slow statements (the report of the week),"
        " or take the next larger profile",
        "clients of the pool": "see docs/runbooks, PoolClientsHigh",
    }
    lines, findings, measured = [_measured(facts["capacity"])], [], {}
    lines.append("connections and clients: in all but 1 % of a day")
    for name, value in found.items():
        if value is None:
            lines.append(f"{name}: nothing measured it")
            continue
        limit = most.get(name, 0)
        measured[name.replace(" ", "_")] = value
        lines.append(f"{name}: {value:.4g}" + (f" of {limit} ({100 * value / limit:.0f} %)" if limit > 0 else ""))
        # A pool that is used to the full is well used, unless somebody had to wait for it.
        well_used = name == "connections of the pool" and not found.get("clients that waited for the pool")
        if limit > 0 and value > MEMORY_TIGHT * limit and not well_used:
            findings.append(f"{name} reached {value:.0f} of {limit}; {advice[name]}")
    return Section("peaks", "Peaks", tuple(lines), measured, tuple(findings))


def _measured(capacity: Mapping[str, Any]) -> str:
    left_out = capacity["span"] - capacity["measured"]
    told = f", without {duration(left_out)} of rehearsals and load tests" if left_out >= DAY / 24 else ""
    return f"within {duration(capacity['span'])}{told}"


@dataclass(frozen=True)
class Advice:
    """What a limit could be. ``memory`` in bytes, 0 where it is to stay; ``fits``: whether the host has room for it."""

    service: str
    why: str
    cpus: float = 0.0
    memory: int = 0
    fits: bool = True


def right_size(
    uses: Mapping[str, Mapping[str, float]],
    limits: Mapping[str, Mapping[str, float]],
    long_enough: bool,
    room: Mapping[str, float],
) -> list[Advice]:
    """Limits that are too large or too small for what was used (S98), those that are too small first.

    ``uses``: the most of one container by service (``cpu`` in CPUs over five minutes, ``memory`` in bytes in all but
    one per cent of the day, ``throttled`` as a share of the day's periods). ``limits``: with what is reserved, which a
    limit may not be below, and the number of ``tasks``. ``room``: the ``cpus`` of the host, which no limit may exceed,
    and the ``memory`` that its plan leaves; 0 where that is not known. That something is too large is only said of a
    whole week.
    """
    small, large = [], []
    for service, limit in sorted(limits.items()):
        use = uses.get(service, {})
        memory, cpu = use.get("memory", 0.0), use.get("cpu", 0.0)
        of_monitoring = service in OF_MONITORING
        if memory and limit["memory"] and service not in CACHES:
            share = memory / limit["memory"]
            better = max(_stepped(memory / MEMORY_AIM), MEMORY_LEAST)
            spare = max(better, int(limit.get("reserved_memory", 0)))
            if share > MEMORY_TIGHT:
                why = f"memory limit too small: used {size(memory)} of {size(limit['memory'])} ({100 * share:.0f} %)"
                fits = (better - limit["memory"]) * limit.get("tasks", 1) <= room["memory"] or not room["cpus"]
                small.append(Advice(service, why, memory=better, fits=fits))
            elif share < MEMORY_IDLE and spare < limit["memory"] and long_enough and not of_monitoring:
                why = f"memory limit too large: used {size(memory)} of {size(limit['memory'])} ({100 * share:.0f} %)"
                large.append(Advice(service, why, memory=spare))
        if cpu and limit["cpus"] and not of_monitoring:
            share = cpu / limit["cpus"]
            better_cpus = math.ceil(cpu / CPU_AIM * 4) / 4
            spare_cpus = max(better_cpus, limit.get("reserved_cpus", 0.0))
            if share > CPU_TIGHT or (use.get("throttled", 0.0) > THROTTLED and share > CPU_AIM):
                why = (
                    f"CPU limit too small: used {cpu:.2f} of {limit['cpus']:g}, held back in"
                    f" {100 * use.get('throttled', 0.0):.0f} % of the periods"
                )
                wanted = max(better_cpus, limit["cpus"] + 0.25)
                most = room["cpus"] or wanted
                small.append(Advice(service, why, cpus=min(wanted, most), fits=limit["cpus"] < most))
            elif share < CPU_IDLE and spare_cpus < limit["cpus"] and long_enough:
                why = f"CPU limit too large: used {cpu:.2f} of {limit['cpus']:g} ({100 * share:.0f} %)"
                large.append(Advice(service, why, cpus=spare_cpus))
    return small + large


def _stepped(wanted: float) -> int:
    return math.ceil(wanted / MEMORY_STEP) * MEMORY_STEP


def sizes(facts: Mapping[str, Any]) -> Section:
    capacity = facts["capacity"]
    config: Config = facts["config"]
    limits: dict[str, dict[str, float]] = {}
    for one in facts["engine"]["containers"]:
        reserved = facts["engine"]["services"].get(one["service"], {}).get("reserved", {})
        tasks = limits.get(one["service"], {}).get("tasks", 0) + 1
        limits[one["service"]] = {"memory": one["memory_limit"], "cpus": one["cpus"], "tasks": tasks, **reserved}
    long_enough = capacity["span"] >= GOOD_SPAN
    found = right_size(capacity["uses"], limits, long_enough, {"cpus": config.cpus, "memory": config.memory_left})
    rows = [
        (
            service,
            f"{use['cpu']:.2f}" if "cpu" in use else "-",
            f"{limit['cpus']:g}",
            size(use["memory"]) if "memory" in use else "-",
            size(limit["memory"]),
        )
        for service, limit in sorted(limits.items())
        for use in (capacity["uses"].get(service, {}),)
    ]
    lines = [*table(("service", "CPU at most", "limit", "memory, 99 %", "limit"), rows)]
    if not long_enough:
        lines.append(
            f"measured over {duration(capacity['span'])};"
            f" whether a limit is too large is said after {duration(GOOD_SPAN)}"
        )
    small = [one for one in found if "too small" in one.why]
    lines += [f"{one.service}: {one.why}; {_wanted(one)} would do" for one in found if one.fits]
    return Section(
        "sizes",
        "Right sizes of the limits",
        tuple(lines),
        {"too_small": len(small), "too_large": len(found) - len(small)},
        tuple(f"{one.service}: {one.why}; {_act(one)}" for one in small),
    )


def _wanted(one: Advice) -> str:
    return size(one.memory) if one.memory else f"{one.cpus:g} CPUs"


def _act(one: Advice) -> str:
    """What the plan takes: it refuses more than the host has."""
    if not one.fits and one.cpus:
        return "it may use all CPUs of the host already: take a host with more of them"
    if not one.fits:
        return f"the plan has no room for the {size(one.memory)} that would do: take a host with more memory"
    value = f"memory: {one.memory // MB}MB" if one.memory else f"cpus: {one.cpus:g}"
    return f"set firstbell_plan_overrides: {{services: {{{one.service}: {{limits: {{{value}}}}}}}}}"


def images(facts: Mapping[str, Any]) -> Section:
    """How old they are, and which of their packages Debian has newer."""
    now, lines, findings = facts["now"], [], []
    outdated: dict[str, tuple[str, str]] = {}
    oldest, packages = 0.0, 0
    for one in sorted(facts["images"], key=lambda item: str(item["name"])):
        age = now - one["created"]
        oldest = max(oldest, age)
        packages += one["packages"]
        outdated.update({name: tuple(versions) for name, versions in one["newer"].items()})
        newer = f"{count(len(one['newer']), 'package')} newer" if one["compared"] else one["why"]
        lines.append(f"{one['name']}: {duration(age)} old, {count(one['packages'], 'package')}, {newer}")
    if outdated:
        shown = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in sorted(outdated.items())[:_SHOWN])
        findings.append(
            f"Debian has newer versions of {count(len(outdated), 'package')} of the images ({shown}); {_UPDATE}"
        )
    elif oldest > IMAGE_AGE:
        findings.append(f"the oldest image is {duration(oldest)} old; {_UPDATE}")
    return Section(
        "images",
        "Images",
        tuple(lines),
        {"oldest_seconds": oldest, "outdated_packages": len(outdated), "packages": packages},
        tuple(findings),
    )


def thresholds(facts: Mapping[str, Any]) -> Section:
    """Alerts by the time that they fired: one that fires often is either to be mended or set otherwise."""
    capacity = facts["capacity"]
    span = max(capacity["measured"], 1.0)
    lines, findings = [], []
    for name, seconds in sorted(capacity["fired"].items(), key=lambda item: -float(item[1])):
        share = seconds / span
        lines.append(f"{name}: fired for {duration(seconds)} ({100 * share:.1f} % of the time)")
        if share > OFTEN and seconds > DAY / 24:
            findings.append(
                f"{name} fired for {duration(seconds)}: mend what it tells of (docs/runbooks),"
                " or set its threshold in monitoring_thresholds_extra"
            )
    if not lines:
        lines.append(f"no alert fired {_measured(capacity)}")
    return Section("thresholds", "Thresholds", tuple(lines), {"alerts": len(capacity["fired"])}, tuple(findings))


PARTS = (
    Part("growth", "Growth, and when it ends", ("capacity",), growth),
    Part("peaks", "Peaks", ("capacity",), peaks),
    Part("sizes", "Right sizes of the limits", ("capacity", "engine"), sizes),
    Part("images", "Images", ("images",), images),
    Part("thresholds", "Thresholds", ("capacity",), thresholds),
)
