# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: what it says of itself, its slow commands, and how many sessions it holds."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

from ..._core.errors import FirstbellError
from . import containers, inside

_SOCKET = "/run/redis/redis.sock"
_TIMEOUT = 10.0
_SLOW = 10
_BATCH = 1000
#: A count that would take longer is given up: it is for a report, not worth a slow cache.
_LONGEST_SCAN = 20.0


class CacheError(FirstbellError):
    """Redis refused a command, or does not answer to it."""


class RefusedError(CacheError):
    """Redis is there, and refused a command."""


class Client:
    """One connection over the socket in the container. The password is never on a command line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()
        self._connection.close()

    def call(self, *words: str) -> Any:
        """The answer to one command; raises CacheError."""
        parts = [word.encode() for word in words]
        self._connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        try:
            return self._answer()
        except (OSError, ValueError, IndexError) as error:
            raise CacheError(f"Redis does not answer to {words[0]}: {error or type(error).__name__}") from error

    def _answer(self) -> Any:
        line = self._file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RefusedError(f"Redis says: {rest.decode('utf-8', 'replace')}")
        if kind == b"+":
            return rest.decode("utf-8", "replace")
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self._file.read(length + 2)[:-2].decode("utf-8", "replace")
        if kind == b"*":
            return [self._answer() for _item in range(int(rest))]
        raise ValueError("what it says is not its protocol")


def gather(stack: str, directory: str) -> dict[str, Any]:
    """INFO as it stands, and the newest slow commands without their arguments, where the user may ask for them.

    Where there is no user to ask as, only that it lives, and ``not_asked`` says so.
    """
    known = _observer(stack, directory)
    if known is None:
        with _connected(stack) as client, contextlib.suppress(RefusedError):
            client.call("PING")
        return {"not_asked": "it answers, and there is no monitoring, backup or application whose user could ask more"}
    with _open(stack, *known) as client:
        pairs = (line.partition(":") for line in str(client.call("INFO", "everything")).splitlines())
        slow: list[dict[str, Any]] | None = None
        with contextlib.suppress(CacheError):
            slow = [
                {"at": int(entry[1]), "seconds": entry[2] / 1e6, "command": str(entry[3][0]).upper()}
                for entry in client.call("SLOWLOG", "GET", str(_SLOW))
            ]
        return {"info": {name: value.strip() for name, colon, value in pairs if colon}, "slow": slow}


def count_keys(stack: str, pattern: str) -> int:
    """How many keys there are of that pattern, counted by SCAN, which keeps nobody waiting (KEYS would)."""
    user, password = _application(stack)
    end = time.monotonic() + _LONGEST_SCAN
    with _open(stack, user, password) as client:
        found: set[str] = set()
        cursor = "0"
        while True:
            cursor, keys = client.call("SCAN", cursor, "MATCH", pattern, "COUNT", str(_BATCH))
            found.update(keys)
            if cursor == "0":
                return len(found)
            if time.monotonic() > end:
                raise CacheError(f"counting keys {pattern} was given up after {_LONGEST_SCAN:.0f} s")


def _connected(stack: str) -> Client:
    return Client(inside.unix(containers.find(stack, "redis")["pid"], _SOCKET, _TIMEOUT))


def _open(stack: str, user: str, password: str) -> Client:
    client = _connected(stack)
    client.call("AUTH", user, password)
    return client


def _observer(stack: str, directory: str) -> tuple[str, str] | None:
    """User and password that may ask for figures: the exporter's, else that of the backups, else the application's."""
    with contextlib.suppress(FirstbellError):
        pid = containers.find(stack, "data_exporters")["pid"]
        return "monitoring", inside.read(pid, "/run/secrets/redis_password").strip()
    with contextlib.suppress(OSError), open(f"{directory}/backup/files/redis-password", encoding="utf-8") as file:
        return "backup", file.read().strip()
    with contextlib.suppress(FirstbellError):
        return _application(stack)
    return None


def _application(stack: str) -> tuple[str, str]:
    """User and password of the application, which alone may see keys."""
    for line in _environment(stack):
        name, _equals, value = line.partition("=")
        if name == "REDIS_URL":
            address = urllib.parse.urlsplit(json.loads(value) if value.startswith('"') else value)
            return address.username or "app", urllib.parse.unquote(address.password or "")
    raise CacheError("the application has no REDIS_URL")


def _environment(stack: str) -> Iterator[str]:
    return iter(inside.read(containers.find(stack, "app")["pid"], "/run/secrets/app.env").splitlines())
