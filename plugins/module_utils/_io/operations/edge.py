# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy, over its sockets: its own table, commands, and requests at the door that nginx uses."""

from __future__ import annotations

import csv
import http.client
import io
import os
import re
from collections.abc import Iterable
from typing import Any

from ..._core.errors import FirstbellError
from .. import system
from . import containers, inside

_SOCKET = "/run/haproxy/admin.sock"
_DOOR = "/run/edge/haproxy.sock"
_TIMEOUT = 10.0
#: The list of haproxy.cfg by which paths are answered with an error.
_REFUSED, _NO_PATH = 503, "rehearsed-error"
_NO_SERVERS = ("FRONTEND", "BACKEND")
_GONE = "Key not found."
#: How much a second it takes at most; 0 for no limit.
_RATES = ("ConnRateLimit", "SessRateLimit", "SslRateLimit")


def gather(stack: str) -> dict[str, Any]:
    """One row for each frontend, backend and server; raises UnreachableError."""
    text = _said(_process(stack), "show stat")
    rows = list(csv.DictReader(io.StringIO(text.lstrip("# "))))
    if not rows:
        raise inside.UnreachableError("HAProxy shows no statistics")
    return {"rows": [{name: value for name, value in row.items() if name} for row in rows]}


def gather_servers(stack: str) -> list[dict[str, Any]]:
    """What was ordered of each server, for every HAProxy of this host; raises UnreachableError."""
    found = []
    for container in containers.find_all(stack, "haproxy"):
        said = _said(container["pid"], "show servers state").strip().splitlines()
        if not said:
            raise inside.UnreachableError("HAProxy does not tell the state of its servers")
        _version, names, *lines = said
        for line in lines:
            row = dict(zip(names.lstrip("# ").split(), line.split()))
            found.append(
                {
                    "server": f"{row['be_name']}/{row['srv_name']}",
                    "administration": int(row["srv_admin_state"]),
                    "weight": int(row["srv_uweight"]),
                    "planned_weight": int(row["srv_iweight"]),
                    "check": int(row["srv_check_state"]),
                    "address": row["srv_addr"],
                    "leads": f"{row['srv_fqdn']}:{row['srv_port']}",
                }
            )
    return found


def gather_doors(stack: str) -> list[dict[str, Any]]:
    """What each HAProxy of this host takes at once, where, and what it was told to refuse; raises UnreachableError."""
    found = []
    for container in containers.find_all(stack, "haproxy"):
        pid = container["pid"]
        rows = list(csv.DictReader(io.StringIO(_said(pid, "show stat").lstrip("# "))))
        info = dict(line.split(": ", 1) for line in _said(pid, "show info").splitlines() if ": " in line)
        listed = [line.split() for line in _said(pid, f"show acl #{_REFUSED}").splitlines()]
        servers = {f"{row['pxname']}/{row['svname']}": row for row in rows if row["svname"] not in _NO_SERVERS}
        found.append(
            {
                "doors": {row["pxname"]: row["status"] for row in rows if row["svname"] == "FRONTEND"},
                "most": {
                    "all doors": int(info["Maxconn"]),
                    **{row["pxname"]: int(row["slim"]) for row in rows if row["svname"] == "FRONTEND"},
                },
                "rates": {name: int(info.get(name, 0)) for name in _RATES},
                "most_of_servers": {name: int(row["slim"] or 0) for name, row in servers.items()},
                "refused": [words[1] for words in listed if len(words) > 1 and words[1] != _NO_PATH],
            }
        )
    return found


def gather_unread(stack: str, paths: Iterable[str]) -> list[str]:
    """What of the files of nginx and HAProxy on this host was written after they have read it."""
    found = []
    for service in ("nginx", "haproxy"):
        folder = f"/opt/{stack}/{service}/"
        own = [path for path in paths if path.startswith(folder)]
        for container in containers.find_all(stack, service):
            read = _read_at(container["pid"])
            found += [
                f"{path} was written after {service} has read it" for path in own if system.changed_after(path, read)
            ]
    return found


def _read_at(pid: int) -> float:
    """When the youngest process below this one was started: by a reload, both start new ones."""
    parents: dict[int, list[tuple[int, float]]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        # After the program's name, which may have blanks: state, parent, ..., and as the 20th the start.
        words = (system.read_text(f"/proc/{name}/stat") or "").rpartition(")")[2].split()
        if words:
            parents.setdefault(int(words[1]), []).append((int(name), float(words[19])))
    waiting, youngest = [pid], 0.0
    while waiting:
        for child, ticks in parents.get(waiting.pop(), []):
            waiting.append(child)
            youngest = max(youngest, ticks)
    boot = re.search(r"(?m)^btime (\d+)$", system.read_text("/proc/stat") or "")
    return (int(boot[1]) if boot else 0) + youngest / os.sysconf("SC_CLK_TCK")


def command(stack: str, text: str) -> None:
    """A command that says nothing when it has worked, or that what it removes is gone; raises FirstbellError."""
    said = _said(_process(stack), text).strip()
    if said and said != _GONE:
        raise FirstbellError(f"HAProxy refuses {text}: {said}")


def connect(stack: str) -> http.client.HTTPConnection:
    """A connection to where nginx sends its requests, which is not opened again; raises UnreachableError."""
    connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT)
    connection.auto_open = 0
    connection.sock = inside.unix(_process(stack), _DOOR, _TIMEOUT)
    return connection


def _process(stack: str) -> int:
    return int(containers.find(stack, "haproxy")["pid"])


def _said(process: int, text: str) -> str:
    with inside.unix(process, _SOCKET, _TIMEOUT) as connection:
        connection.sendall(f"{text}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")
