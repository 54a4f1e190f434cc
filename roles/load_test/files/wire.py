# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load test needs of sockets and of the clock. Import it after gevent's patch.

At a few milliseconds the generator's own delays are a good part of what it measures. So a request is made ready before
its moment, a timer of the kernel's keeps the moment, a name is looked up once, and the time ends with the last byte.
"""

from __future__ import annotations

import contextlib
import ctypes
import email.utils
import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import gevent.event
import gevent.socket
import gevent.ssl

#: One record of TLS.
BLOCK_BYTES = 16 * 1024


class GeneratorError(Exception):
    """The load test cannot go on."""


def pin(domain: str, address: str) -> None:
    """Resolve that one name to that one address, and nothing else: no scenario reaches any other host."""
    find, found = socket.getaddrinfo, {}

    def resolve(host: Any, port: Any, *_arguments: Any, **_options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name != domain:
            raise GeneratorError(f"a load test only asks {domain}; a scenario wanted {name}")
        if port not in found:
            # By a thread of gevent's, which takes as long as a short answer when both processors are busy.
            found[port] = find(address, port, type=socket.SOCK_STREAM)
        return found[port]

    gevent.socket.getaddrinfo = resolve
    socket.getaddrinfo = resolve


def tls(authority: str) -> ssl.SSLContext:
    """One context for all users: each of its own would read all authorities again."""
    context = gevent.ssl.create_default_context()
    if authority:
        context.load_verify_locations(cadata=authority)
    return context


class Turn:
    """An arrival. Its first request is made ready, waits for ``start``, and counts from ``moment``.

    Those that follow it in a scenario are sent when the one before is answered, and count from there. A time ends
    with the answer's last byte: what Locust does before and after with addresses and cookies is not the stack's.
    """

    def __init__(self, moment: float, counted: bool) -> None:
        self.moment, self.counted = moment, counted
        self.start = gevent.event.Event()
        self.since: float | None = moment
        self.ended: float | None = None

    def begin(self) -> None:
        """A connection is wanted."""
        self.start.wait()
        self.since = self.since or time.perf_counter()
        self.ended = None

    def end(self) -> None:
        """A connection is not needed any more."""
        self.ended = time.perf_counter()

    def took(self) -> float:
        """Seconds of the request that was answered; after that comes the next one."""
        ended = self.ended or time.perf_counter()
        seconds = ended - (self.since or ended)
        self.since = self.ended = None
        return seconds


def time_connections() -> None:
    """Have the turn of a greenlet told when it takes a connection and gives it back."""
    from geventhttpclient.connectionpool import ConnectionPool  # noqa: PLC0415 - its absence is told before

    def told(name: str, tell: Callable[[Turn], None]) -> None:
        method = getattr(ConnectionPool, name)

        def telling(*arguments: Any) -> Any:
            turn = getattr(gevent.getcurrent(), "turn", None)
            if turn:
                tell(turn)
            return method(*arguments)

        setattr(ConnectionPool, name, telling)

    told("get_socket", Turn.begin)
    told("return_socket", Turn.end)
    told("release_socket", Turn.end)
    # What is small is sent without waiting for an acknowledgement of what was sent before, as browsers do it.
    ConnectionPool.after_connect = lambda _pool, made: made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def ask(wish: Mapping[str, Any], path: str) -> tuple[int, float]:
    """Status of one request, and how far the host's clock is ahead, by the answer's date (to half a second)."""
    context = tls(wish["authority"])
    connection = http.client.HTTPSConnection(wish["domain"], wish["port"], timeout=15, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        date = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp() + 0.5
        return answer.status, date - time.time()
    except (OSError, http.client.HTTPException) as error:
        where = f"https://{wish['domain']}:{wish['port']} at {wish['address']}"
        raise GeneratorError(f"{where} does not answer: {error}") from None
    finally:
        connection.close()


class _Times(ctypes.Structure):
    """``struct itimerspec``: the distance of later alarms (none), and of the first."""

    _fields_ = (
        ("later_seconds", ctypes.c_long),
        ("later_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class Alarm:
    """Waits for moments of ``time.perf_counter`` while everything else goes on.

    ``gevent.sleep`` comes 0.7 ms late, because epoll counts in milliseconds and is told to wait for one too many. A
    timerfd comes 0.1 ms late. Systems other than Linux have none, there it is gevent's timer.
    """

    def __init__(self) -> None:
        self.file = -1
        with contextlib.suppress(AttributeError):
            self.library = ctypes.CDLL(None, use_errno=True)
            self.file = self.library.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.file >= 0:
            self.watcher = gevent.get_hub().loop.io(self.file, 1)

    def wait(self, moment: float) -> None:
        """Also gives way to others when the moment has passed: the answers must be read meanwhile."""
        left = moment - time.perf_counter()
        if self.file < 0 or left <= 0:
            gevent.sleep(max(left, 0))
            return
        times = _Times(0, 0, int(left), max(int(left % 1 * 1e9), 1))
        self.library.timerfd_settime(self.file, 0, ctypes.byref(times), None)
        gevent.get_hub().wait(self.watcher)
        os.read(self.file, 8)
