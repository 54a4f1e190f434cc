# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests at a constant rate from a process of its own, with the standard library alone.

An open loop: each request has its time, whatever became of those before. It takes a connection that is
idle, or a new one; none is used twice at once and no request is sent again. GET over HTTP/1.1 and TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .._core.errors import FirstbellError
from .._core.rollout_drill import Answer

_READ = 65536
_LAST_STATUS = 12


@dataclass(frozen=True)
class Aim:
    """``url`` with the site's name, ``address`` that is connected to; ``rate`` in requests a second.

    ``ca_file``: whom to trust; empty for the host's own list. A connection is closed after ``kept``
    requests, so that handshakes are tried as well. ``patience`` in seconds.
    """

    url: str
    address: str
    paths: Sequence[str]
    rate: float
    ca_file: str = ""
    kept: int = 250
    connections: int = 150
    patience: float = 10.0
    idle: float = 5.0


class _Client:
    """Idle connections and what was answered. All times on time.monotonic()."""

    def __init__(self, aim: Aim) -> None:
        self.aim = aim
        site = urlsplit(aim.url)
        self.name, self.port = site.hostname or "", site.port or 443
        self.context = ssl.create_default_context(cafile=aim.ca_file or None)
        self.head = [
            f"GET {path} HTTP/1.1\r\nHost: {site.netloc}\r\nUser-Agent: firstbell-drill\r\nAccept: */*\r\n\r\n".encode()
            for path in aim.paths
        ]
        self.idle: list[tuple[float, int, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.room = asyncio.Semaphore(aim.connections)
        self.answers: list[tuple[float, float, str]] = []

    async def ask(self, number: int, due: float, began: float) -> None:
        """One request, whose answer is noted."""
        try:
            async with self.room:
                said = await asyncio.wait_for(self._exchange(self.head[number % len(self.head)]), self.aim.patience)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            said = type(error).__name__
        self.answers.append((due - began, time.monotonic() - due, said))

    async def _exchange(self, request: bytes) -> str:
        used, reader, writer = await self._connection()
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = head[:-4].decode("latin-1").lower().split("\r\n")
            await _body(reader, fields)
        except BaseException:
            writer.close()
            raise
        if used + 1 >= self.aim.kept or "connection: close" in fields:
            writer.close()
        else:
            self.idle.append((time.monotonic(), used + 1, reader, writer))
        return head[9:_LAST_STATUS].decode()

    async def _connection(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        while self.idle:
            since, used, reader, writer = self.idle.pop()
            if not reader.at_eof() and time.monotonic() - since < self.aim.idle:
                return used, reader, writer
            writer.close()
        reader, writer = await asyncio.open_connection(
            self.aim.address, self.port, ssl=self.context, server_hostname=self.name, limit=_READ
        )
        return 0, reader, writer


async def _body(reader: asyncio.StreamReader, fields: Sequence[str]) -> None:
    status = fields[0].split(" ", 2)[1]
    if status in ("204", "304"):
        return
    for field in fields[1:]:
        name, _colon, value = field.partition(":")
        if name == "content-length":
            await reader.readexactly(int(value))
            return
        if name == "transfer-encoding" and "chunked" in value:
            while True:
                size = int((await reader.readline()).split(b";")[0], 16)
                await reader.readexactly(size + 2)
                if not size:
                    return
    raise ValueError("an answer without a length")


async def _send(aim: Aim, ended: Any, began: float) -> list[tuple[float, float, str]]:
    client = _Client(aim)
    tasks: set[asyncio.Task[None]] = set()
    number = 0
    while not ended.is_set():
        due = began + number / aim.rate
        left = due - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)
        task = asyncio.ensure_future(client.ask(number, due, began))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        number += 1
    if tasks:
        await asyncio.wait(tasks, timeout=aim.patience + 1)
    return client.answers


def _child(aim: Aim, ended: Any, began: float, sender: Any) -> None:
    gc.disable()  # a pause of the generator is none of the site's
    try:
        sender.send(asyncio.run(_send(aim, ended, began)))
    except OSError as error:
        sender.send(f"{type(error).__name__}: {error}")


@dataclass
class Load:
    """A load that runs; ``now()`` is its clock, on which its answers are dated."""

    began: float
    answers: list[Answer]

    def now(self) -> float:
        return time.monotonic() - self.began


@contextlib.contextmanager
def running(aim: Aim) -> Iterator[Load]:
    """Requests are sent as long as the block lasts; afterwards ``answers`` holds what became of them."""
    method = multiprocessing.get_context("fork")
    ended = method.Event()
    receiver, sender = method.Pipe(duplex=False)
    load = Load(time.monotonic(), [])
    child = method.Process(target=_child, args=(aim, ended, load.began, sender), daemon=True)
    child.start()
    sender.close()
    try:
        yield load
    finally:
        ended.set()
        try:
            found = receiver.recv() if receiver.poll(aim.patience + 30) else "it does not end"
        except EOFError:
            found = "it ended by itself"
        child.join(5)
        if child.is_alive():
            child.kill()
    if isinstance(found, str):
        raise FirstbellError(f"the load on {aim.url} failed: {found}")
    load.answers.extend(Answer(*answer) for answer in found)
