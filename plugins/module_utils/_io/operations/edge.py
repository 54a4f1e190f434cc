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
    text = _said(stack, "show stat")
    rows = list(csv.DictReader(io.StringIO(text.lstrip("# "))))
    if not rows:
        raise inside.UnreachableError("HAProxy shows no statistics")
    return {"rows": [{name: value for name, value in row.items() if name} for row in rows]}


def command(stack: str, text: str) -> None:
    """A command that says nothing when it has worked, or that what it removes is gone; raises FirstbellError."""
    said = _said(stack, text).strip()
    if said and said != _GONE:
        raise FirstbellError(f"HAProxy refuses {text}: {said}")


def connect(stack: str) -> http.client.HTTPConnection:
    """A connection to where nginx sends its requests, which is not opened again; raises UnreachableError."""
    connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT)
    connection.auto_open = 0
    connection.sock = inside.unix(containers.find(stack, "haproxy")["pid"], _DOOR, _TIMEOUT)
    return connection


def _said(stack: str, text: str) -> str:
    with inside.unix(containers.find(stack, "haproxy")["pid"], _SOCKET, _TIMEOUT) as connection:
        connection.sendall(f"{text}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")
