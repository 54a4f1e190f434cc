# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and file systems: room, health, and what the next start makes of them."""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

from .. import system

_FIELDS = 4
_FSTAB, _MOUNTS, _ARRAYS = "/etc/fstab", "/proc/self/mounts", "/proc/mdstat"
#: By that ext4 counts what it found damaged since the last check (fs/ext4/sysfs.c).
_ERRORS = "/sys/fs/ext4/*/errors_count"
_UNITS = ("/etc/systemd/system/*.mount", "/usr/local/lib/systemd/system/*.mount", "/usr/lib/systemd/system/*.mount")
_WHERE = re.compile(r"(?m)^\s*Where\s*=\s*(\S+)")
#: An array and the state of its disks, such as [U_] with one that is missing.
_ARRAY = re.compile(r"(?m)^(\w+) : .*\n.*\[([U_]+)\]")


def gather(root: str, *, own: bool, virtual: bool) -> dict[str, Any]:
    """Of the host; ``own`` is whether the disks are its own, and not those of a machine whose container it is.

    A virtual machine's kernel often takes its disks for ones that turn, whatever they are.
    """
    table, mounts = system.read_text(_FSTAB) or "", system.read_text(_MOUNTS) or ""
    turns = _rotational(root)
    units = [_WHERE.findall(system.read_text(path) or "") for pattern in _UNITS for path in glob.glob(pattern)]
    listed = {place for places in units for place in places}
    return {
        "disks": {**_disks("/", root, "/var/lib/docker"), **_disks_apart("/var", "/var/log")},
        "rotational": None if turns and virtual else turns,
        "lost_disks": lost(table),
        "in_memory": in_memory(root, mounts),
        "unlisted": unlisted(table, mounts, listed, (root, "/var/lib/docker")) if own else [],
        "unmounted": unmounted(table, mounts) if own else [],
        "damaged": [*_errors(), *degraded(system.read_text(_ARRAYS) or "")] if own else [],
    }


def _disks(*paths: str) -> dict[str, dict[str, int]]:
    return {path: {**_disk(path), "main": 1} for path in paths if os.path.exists(path)}


def _disks_apart(*paths: str) -> dict[str, dict[str, int]]:
    """What is a file system of its own, and may be a small one."""
    return {path: {**_disk(path), "main": 0} for path in paths if os.path.ismount(path)}


def _disk(path: str) -> dict[str, int]:
    usage, inodes = shutil.disk_usage(path), os.statvfs(path)
    read_only = int(bool(inodes.f_flag & os.ST_RDONLY))
    found = {"total": usage.total, "free": usage.free, "inodes": inodes.f_files, "inodes_free": inodes.f_favail}
    return {**found, "read_only": read_only}


def _rotational(path: str) -> bool | None:
    """Whether the disk below a path turns; None where the kernel does not say."""
    device = os.stat(path).st_dev
    link = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    for place in (f"{link}/queue/rotational", f"{link}/../queue/rotational"):
        text = system.read_text(place)
        if text is not None:
            return text.strip() == "1"
    return None


def _entries(table: str) -> Iterator[tuple[str, str, str, set[str]]]:
    """Device, place, kind and options of each line of /etc/fstab."""
    for words in (line.split() for line in table.splitlines()):
        if len(words) >= _FIELDS and not words[0].startswith("#"):
            yield words[0], words[1].rstrip("/") or "/", words[2], {*words[3].split(",")}


def lost(table: str) -> list[str]:
    """Of /etc/fstab, what the next start waits for in vain, and then goes no further."""
    found = []
    for device, _place, _kind, options in _entries(table):
        if not {"noauto", "nofail"} & options and _is_away(device):
            found.append(device)
    return found


def _is_away(device: str) -> bool:
    """Whether a disk of /etc/fstab is not there."""
    kind, equals, name = device.partition("=")
    path = f"/dev/disk/by-{kind.lower()}/{name.strip(chr(34))}" if equals else kind
    return path.startswith("/dev/") and not os.path.exists(path)


def unlisted(table: str, mounts: str, units: set[str], needed: tuple[str, ...]) -> list[str]:
    """Disks that what is needed lies on, or has below it, and that nothing mounts at the next start."""
    planned = units | {place for _device, place, _kind, _options in _entries(table)}
    found = set()
    for device, place, *_more in (line.split() for line in mounts.splitlines()):
        touches = any(f"{one}/".startswith(f"{place}/") or f"{place}/".startswith(f"{one}/") for one in needed)
        # Of images and of containers the engine takes care itself, and of its own file system the kernel.
        if device.startswith("/dev/") and touches and place not in planned and place != "/":
            found.add(place)
    return sorted(found)


def unmounted(table: str, mounts: str) -> list[str]:
    """Of /etc/fstab, what is to be mounted with the host and is not, but disks that may be away and are."""
    has = {line.split()[1] for line in mounts.splitlines()}
    return [
        place
        for device, place, kind, options in _entries(table)
        if place.startswith("/") and kind != "swap" and "noauto" not in options and place not in has
        if not ("nofail" in options and _is_away(device))
    ]


def in_memory(root: str, mounts: str) -> list[str]:
    """Folders of the stack on which memory lies instead of the disk."""
    fields = [line.split() for line in mounts.splitlines()]
    return sorted({one[1] for one in fields if one[2] in ("tmpfs", "ramfs") and f"{one[1]}/".startswith(f"{root}/")})


def _errors() -> list[str]:
    """File systems in which the kernel has found damage."""
    counts = {path.split("/")[-2]: (system.read_text(path) or "").strip() for path in glob.glob(_ERRORS)}
    return [
        f"the file system on {name} is damaged: {count} errors since it was checked"
        for name, count in sorted(counts.items())
        if count not in ("", "0")
    ]


def degraded(arrays: str) -> list[str]:
    """Arrays of disks, as Linux' own RAID tells of them, that lack one."""
    return [f"the array {name} lacks a disk: [{state}]" for name, state in _ARRAY.findall(arrays) if "_" in state]
