# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talks to what runs inside a container, from the host and without starting anything in it.

A container that is out of CPU, memory or processes cannot run a client beside what it serves. The kernel lets the
host's root connect into its network and through its file system instead.
"""

from __future__ import annotations

import base64
import ctypes
import http.client
import json
import os
import socket
import threading
import time
from dataclasses import dataclass

from ..._core.errors import FirstbellError
from .. import system

_CLONE_NEWNET = 0x40000000


class UnreachableError(FirstbellError):
    """Nothing in the container answers there."""


@dataclass(frozen=True)
class Answer:
    """What a server said, after so many seconds."""

    status: int
    text: str
    seconds: float


def read(pid: int, path: str) -> str:
    """A file as the process ``pid`` sees it; raises UnreachableError."""
    try:
        text = system.read_text(f"/proc/{pid}/root{path}")
    except OSError as error:
        raise UnreachableError(f"{path} in the container: {error.strerror}") from error
    if text is None:
        raise UnreachableError(f"{path} is not in the container")
    return text


def unix(pid: int, path: str, timeout: float) -> socket.socket:
    """A connection to a socket in the container's file system; raises UnreachableError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(f"/proc/{pid}/root{path}")
    except OSError as error:
        connection.close()
        raise UnreachableError(f"nothing answers at {path} in the container: {error}") from error
    return connection


def get(pid: int, port: int, path: str, timeout: float = 10, login: tuple[str, str] | None = None) -> Answer:
    """GET from a server that listens in the container's network; raises UnreachableError."""
    return ask("GET", pid, port, path, timeout=timeout, login=login)


def ask(
    method: str,
    pid: int,
    port: int,
    path: str,
    *,
    timeout: float = 10,
    login: tuple[str, str] | None = None,
    content: object = None,
) -> Answer:
    """The same with any method; ``content`` is sent as JSON."""
    headers = {"Host": "localhost", "X-Forwarded-Proto": "https", "Connection": "close"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    if content is not None:
        headers["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection("localhost", port, timeout=timeout)
    begin = time.monotonic()
    try:
        connection.sock = tcp(pid, port, timeout)
        connection.request(method, path, None if content is None else json.dumps(content), headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        said = str(error) or type(error).__name__
        raise UnreachableError(
            f"port {port} of the container does not answer to {path.split('?', maxsplit=1)[0]}: {said}"
        ) from error
    finally:
        connection.close()
    return Answer(answer.status, text, time.monotonic() - begin)


def tcp(pid: int, port: int, timeout: float) -> socket.socket:
    """A connection that belongs to the container's network: a thread goes there, and ends. Raises OSError."""
    made: list[socket.socket | OSError] = []

    def connect() -> None:
        try:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                library = ctypes.CDLL(None, use_errno=True)
                if library.setns(namespace, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            finally:
                os.close(namespace)
            made.append(socket.create_connection(("127.0.0.1", port), timeout=timeout))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout + 1)
    if not made:
        raise TimeoutError("timed out")
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]
