# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a run is, as its controller sees it, and whether another process of this machine lives."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from pathlib import Path

from .._core.runlock import Owner

PROC = Path("/proc")
MACHINE_ID = Path("/etc/machine-id")
_STATE, _STARTED = 0, 19  # after the name in /proc/<pid>/stat, which proc(5) counts as 3 and 22


def identity(pid: int, playbook: str) -> Owner:
    """The run whose main process is ``pid``."""
    host = socket.gethostname()
    return Owner(
        machine=_machine(host),
        boot=_read(PROC / "sys/kernel/random/boot_id"),
        namespace=_namespace(),
        pid=pid,
        started=started(pid),
        user=os.environ.get("SUDO_USER") or _user(),
        host=host,
        playbook=playbook,
    )


def lives(owner: Owner) -> bool:
    """Whether the process is there and the same one; only asked of one in our own process table."""
    return owner.started != 0 and started(owner.pid) == owner.started


def started(pid: int) -> int:
    """When the process began, in clock ticks since the boot; 0 for one that is gone or unknown."""
    # The name in brackets may itself hold brackets and spaces.
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return int(fields[_STARTED]) if len(fields) > _STARTED and fields[_STATE] not in ("Z", "X") else 0


def _machine(host: str) -> str:
    # machine-id(5) asks not to show the id itself to others; images that were
    # copied with their id differ at least by name.
    number = _read(MACHINE_ID)
    return hashlib.sha256(f"firstbell {number} {host}".encode()).hexdigest()[:16] if number else ""


def _namespace() -> str:
    try:
        return os.readlink(PROC / "self/ns/pid")
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
