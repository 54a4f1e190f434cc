# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine's HTTP interface over its socket, with the standard library alone.

Needed where the docker library may be missing still: a bare host in check mode.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import quote

from .._core.errors import FirstbellError

SOCKET = "/var/run/docker.sock"
_OK = 400
#: Its words where a majority of the swarm's managers is away.
_LEADERLESS = "does not have a leader"
_NO_LEADER = (
    "the swarm has no leader, as most of its managers do not answer: what runs goes on, and nothing is started again. "
    "Start the other managers' hosts and engines; where they are gone for good: docs/operations.md, more hosts"
)
#: Nobody listens there.
_STOPPED = (ConnectionRefusedError, FileNotFoundError)


class EngineError(FirstbellError):
    """The engine refused a request, or does not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def call(method: str, path: str, body: Any = None, timeout: float = 60, **query: object) -> Any:
    """One request; the decoded answer, or EngineError with the engine's own words."""
    if query:
        path += "?" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
    connection = _Connection("localhost", timeout=timeout)
    headers = {"Content-Type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        start = ". Start it: systemctl start docker" if isinstance(error, _STOPPED) else ""
        raise EngineError(f"the Docker engine does not answer on {SOCKET}: {error}{start}") from error
    finally:
        connection.close()
    try:
        data = json.loads(text) if text else None
    except ValueError:
        data = {"message": text.strip()}
    if answer.status >= _OK:
        said = str(data.get("message", text) if isinstance(data, Mapping) else text)
        if _LEADERLESS in said:
            raise EngineError(_NO_LEADER, answer.status)
        raise EngineError(f"the Docker engine refuses {method} {path.split('?')[0]}: {said}", answer.status)
    return data


def answers() -> bool:
    """Whether an engine is there."""
    try:
        call("GET", "/_ping", timeout=5)
    except EngineError:
        return False
    return True


def wait_until(predicate: Callable[[], bool], what: str, timeout: float = 60, pause: float = 0.25) -> None:
    """Ask until it is so; errors of the engine on the way count as "not yet"."""
    end = time.monotonic() + timeout
    last = ""
    while time.monotonic() < end:
        try:
            if predicate():
                return
        except EngineError as error:
            last = f": {error}"
        time.sleep(pause)
    raise EngineError(f"{what} did not happen within {timeout:g} s{last}")


def settled() -> bool:
    """Whether the engine answers and has found its swarm again, if it is in one."""
    swarm = call("GET", "/info")["Swarm"]
    if swarm["LocalNodeState"] == "pending":
        return False
    return not swarm["ControlAvailable"] or bool((swarm.get("Cluster") or {}).get("ID"))
