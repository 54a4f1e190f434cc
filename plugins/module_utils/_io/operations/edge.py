# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy, over its sockets: its own table, commands, and requests at the door that nginx uses."""

from __future__ import annotations

import csv
import http.client
import io
from typing import Any

from ..._core.errors import FirstbellError
from . import containers, inside

_SOCKET = "/run/haproxy/admin.sock"
_DOOR = "/run/edge/haproxy.sock"
_TIMEOUT = 10.0
_GONE = "Key not found."


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
                }
            )
    return found


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
