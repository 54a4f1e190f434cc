# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a host that may be bare: standard library only, nothing is changed."""

from __future__ import annotations

import glob
import grp
import os
import pwd
import re
import shutil
from pathlib import Path
from typing import Any

from .._core.host import parse_listeners
from . import engine_api


def _ask_engine(path: str) -> Any:
    """The engine's answer; None on a host that has no engine yet."""
    try:
        return engine_api.call("GET", path, timeout=10)
    except engine_api.EngineError:
        return None


def _os_release() -> tuple[str, str]:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return "", ""
    fields = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, flags=re.MULTILINE))
    return fields.get("ID", ""), fields.get("VERSION_ID", "")


def _name_of(database: Any, number: int, field: str) -> str:
    try:
        return str(getattr(database(number), field))
    except KeyError:
        return ""


def _program_of_inodes() -> dict[str, str]:
    """Map the inodes of sockets to the names of the programs that hold them."""
    programs = {}
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            target = os.readlink(link)
            if target.startswith("socket:["):
                programs[target[8:-1]] = Path(link).parents[1].joinpath("comm").read_text().strip()
        except OSError:
            continue  # the process has ended
    return programs


def _listeners() -> dict[int, str]:
    listeners = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            listeners += parse_listeners(Path(table).read_text(encoding="ascii"))
        except OSError:
            continue  # no IPv6
    programs = _program_of_inodes()
    return {one.port: programs.get(one.inode, "an unknown program") for one in listeners}


def _published() -> dict[int, str]:
    published = {}
    for container in _ask_engine("/containers/json") or []:
        labels = container.get("Labels") or {}
        owner = labels.get("com.docker.swarm.service.name") or container["Names"][0].lstrip("/")
        for port in container.get("Ports") or []:
            if port.get("PublicPort"):
                published[port["PublicPort"]] = owner
    return published


def probe_host(stack: str, postgres_major: str, uid: int) -> dict[str, Any]:
    """See what ``_core.host.HostProbe`` wants to know."""
    data = Path("/opt") / stack / "data" / "postgres"
    cluster = data / postgres_major / "data"
    version = cluster / "PG_VERSION"
    distribution, release = _os_release()
    engine = _ask_engine("/version")
    return {
        "distribution": distribution,
        "release": release,
        "init": Path("/proc/1/comm").read_text(encoding="utf-8").strip(),
        "user_of_uid": _name_of(pwd.getpwuid, uid, "pw_name"),
        "group_of_gid": _name_of(grp.getgrgid, uid, "gr_name"),
        "listeners": _listeners(),
        "published": _published(),
        "data_entries": sorted(os.listdir(data)) if data.is_dir() else [],
        "data_owner": data.stat().st_uid if data.is_dir() else None,
        "data_version": version.read_text(encoding="ascii").strip() if version.is_file() else "",
        "engine": engine.get("Version", "") if isinstance(engine, dict) else "",
        "free_bytes": min(shutil.disk_usage(path).free for path in ("/opt", "/var/lib")),
    }
