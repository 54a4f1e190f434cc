# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host suffers from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .diagnosis import BROKEN, SERVED, SLOW, WAITING, WATCH, Facts, Finding, grown, joined, rule
from .words import duration, size

MB = 1024 * 1024
DISK_FULL = 0.03
DISK_LOW = 0.10
#: Less than that is full, however small the disk.
DISK_LEAST = 64 * MB
INODES_LOW = 0.05
CPU = 0.9
STEAL = 0.1
IOWAIT = 0.3
MEMORY_LOW = 0.1
MEMORY_OUT = 0.05
PRESSURE = 20.0
SWAPPED_PAGES = 500
LEAST_CPUS = 0.05
#: What cannot write stops, or does not start.
_STOPPED = ("services-missing", "restarts", "unhealthy", "silent-database")


@rule("disk-full", "host")
def disk_full(facts: Facts) -> Iterator[Finding]:
    for disk in facts.seen["host"]["disks"]:
        free = disk["free"] / disk["total"]
        full = free < DISK_FULL or disk["free"] < min(DISK_LEAST, DISK_LOW * disk["total"])
        own, stops = _carries(disk)
        if free < DISK_LOW:
            yield Finding(
                BROKEN if full and own else WATCH,
                f"The disk at {disk['mount']} is {'full' if full else 'nearly full'}",
                f"{size(disk['free'])} of {size(disk['total'])} are free ({100 * free:.1f} %)",
                f"du -xhd 2 {disk['mount']} | sort -h | tail",
                "host#hostdiskspacelow",
                (*_STOPPED, "app-silent", "edge-down", "edge-errors", "site-answer") if full and stops else (),
            )
        inodes = disk["inodes_free"] / disk["inodes"] if disk["inodes"] else 1.0
        if inodes < INODES_LOW:
            yield Finding(
                WATCH if not own else BROKEN if not disk["inodes_free"] else SLOW,
                f"The disk at {disk['mount']} can hold hardly any more files",
                f"{disk['inodes_free']} of {disk['inodes']} inodes are free",
                f"du --inodes -xd 2 {disk['mount']} | sort -n | tail",
                "host#hostinodeslow",
                _STOPPED if stops and not disk["inodes_free"] else (),
            )
        if disk["read_only"] and disk["own"]:
            yield Finding(
                BROKEN if own else WATCH,
                f"The disk at {disk['mount']} is mounted read-only",
                "the kernel does that after errors of the disk, else somebody has",
                "journalctl --dmesg --priority err --since -1day",
                "host#hostfilesystemreadonly",
                _STOPPED if stops else (),
            )


def _carries(disk: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether visitors miss what cannot write there, and whether the database or everything does.

    Whatever else is mounted, such as /boot or an archive, holds nothing of the stack.
    """
    service = disk["mount"].partition("/data/")[2]
    return disk["own"] and (not service or service in SERVED), disk["own"] and service in ("", "postgres")


@rule("host-memory", "host")
def host_memory(facts: Facts) -> Iterator[Finding]:
    host, before = facts.seen["host"], facts.before.get("host", {})
    memory = host["memory"]
    free = memory["MemAvailable"] / memory["MemTotal"]
    events = before.get("events", {})
    swapped = grown(host["events"], events, "pswpin") if events else 0.0
    stall = (host["pressure"]["memory"] or {}).get("some", 0.0)
    if free < MEMORY_LOW or swapped > SWAPPED_PAGES or stall > PRESSURE:
        parts = [f"{size(memory['MemAvailable'])} of {size(memory['MemTotal'])} are available"]
        parts += (
            [f"{swapped:.0f} pages came back from swap within {duration(facts.seconds['host'])}"] if swapped else []
        )
        parts += [f"somebody waits for memory {stall:.0f} % of the time"] if stall > 1 else []
        largest = sorted(host["processes"].values(), key=lambda one: -int(one["memory"]))[:3]
        parts.append("largest: " + ", ".join(f"{one['name']} {size(one['memory'])}" for one in largest))
        yield Finding(
            SLOW,
            "The host is short of memory",
            "; ".join(parts),
            "docker stats --no-stream; ps -eo pid,rss,comm --sort -rss | head",
            "host#hostmemoryhigh",
            ("memory-kills",),
        )
    killed = grown(host["events"], events, "oom_kill") if events else 0
    if killed:
        # The kernel counts both: a process of a container that met its limit, and one that the host had no room for.
        short = min(free, before["memory"]["MemAvailable"] / before["memory"]["MemTotal"]) < MEMORY_LOW
        yield Finding(
            BROKEN if short else SLOW,
            "The kernel kills processes for lack of memory, right now"
            + (", as the host has none left" if short else "; most likely a container met its limit"),
            f"{killed:.0f} within {duration(facts.seconds['host'])};"
            f" {size(memory['MemAvailable'])} of {size(memory['MemTotal'])} of the host are available",
            "journalctl --dmesg --since -10min | grep -iE 'oom-kill|killed process'",
            "host#hostoutofmemorykill",
        )


@rule("host-cpu", "host")
def host_cpu(facts: Facts) -> Iterator[Finding]:
    host, before = facts.seen["host"], facts.before.get("host", {}).get("cpu")
    if not before:
        return
    spent = {name: grown(host["cpu"], before, name) for name in host["cpu"]}
    total = sum(spent.values())
    if not total:
        return
    idle, waiting, stolen = (spent.get(name, 0.0) / total for name in ("idle", "iowait", "steal"))
    busy = 1 - idle - waiting
    # Containers of a virtual host see the load of the machine; what they are kept from is their own.
    load = f"load {host['load'][0]:.1f} on {host['cpus']} CPUs"
    stall = (host["pressure"]["cpu"] or {}).get("some", 0.0)
    if busy > CPU and host["load"][0] > host["cpus"]:
        yield Finding(
            SLOW,
            "All processors of the host are busy",
            f"{100 * busy:.0f} % busy, {load}; {_busiest(host)}"
            + (f"; somebody waits for a processor {stall:.0f} % of the time" if stall else ""),
            "docker stats --no-stream; top -b -n 1 | head -n 15",
            "host#hostcpuhigh",
            ("app-loop", *WAITING),
        )
    if stolen > STEAL:
        yield Finding(
            SLOW,
            f"The provider's machine takes {100 * stolen:.0f} % of this host's processors away",
            f"steal time of the last {duration(facts.seconds['host'])}",
            "ask the provider, or take a host with processors of its own",
            "host#hostcpuhigh",
            ("host-cpu", "app-loop", *WAITING),
        )
    stall = (host["pressure"]["io"] or {}).get("some", 0.0)
    if waiting > IOWAIT or stall > 2 * PRESSURE:
        yield Finding(
            SLOW,
            "The host waits for its disks",
            f"{100 * waiting:.0f} % of the processors' time"
            + (f"; somebody waits {stall:.0f} % of the time" if stall else ""),
            "iostat -x 2 3, or: cat /proc/diskstats; docker stats --no-stream",
            "host#hostcpuhigh",
            WAITING,
        )


def _busiest(host: Mapping[str, Any]) -> str:
    found = [one for one in host.get("busiest", []) if one["cpus"] > LEAST_CPUS]
    shown = joined((f"{one['name']} ({one['pid']}) {one['cpus']:.1f} CPUs" for one in found), 3)
    return f"busiest: {shown}" if shown else "by many short processes, or by none that this host sees"


def busiest(after: Mapping[str, Any], before: Mapping[str, Any], seconds: float) -> list[dict[str, Any]]:
    """The processes that used most CPU between two looks, the busiest first."""
    spent = [
        {"pid": pid, "name": one["name"], "cpus": (one["seconds"] - before["processes"][pid]["seconds"]) / seconds}
        for pid, one in after["processes"].items()
        if pid in before["processes"] and one["seconds"] > before["processes"][pid]["seconds"]
    ]
    return sorted(spent, key=lambda one: -float(one["cpus"]))[:8]
