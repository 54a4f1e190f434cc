# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's own table, over its socket."""

from __future__ import annotations

import csv
import io
from typing import Any

from . import containers, inside

_SOCKET = "/run/haproxy/admin.sock"
_TIMEOUT = 10.0


def gather(stack: str) -> dict[str, Any]:
    """One row for each frontend, backend and server; raises UnreachableError."""
    pid = containers.find(stack, "haproxy")["pid"]
    with inside.unix(pid, _SOCKET, _TIMEOUT) as connection:
        connection.sendall(b"show stat\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")
    rows = list(csv.DictReader(io.StringIO(text.lstrip("# "))))
    if not rows:
        raise inside.UnreachableError("HAProxy shows no statistics")
    return {"rows": [{name: value for name, value in row.items() if name} for row in rows]}
