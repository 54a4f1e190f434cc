# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load test needs of sockets and of the clock. Import it after gevent's patch.

At a few milliseconds the generator's own delays are a good part of what it measures. So a request is made ready before
its moment, a timer of the kernel's keeps the moment, a name is looked up once, and the time ends where the last byte
is read, before anybody looks at what it says.
"""

from __future__ import annotations

import contextlib
import ctypes
import email.utils
import http.client
import os
import select
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

import gevent
import gevent.monkey
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


class Connection(gevent.ssl.SSLSocket):
    """Tells the turn of a greenlet when something was read: the last time is that of the last byte."""

    def read(self, nbytes: int = 1024, buffer: Any = None) -> Any:
        found = super().read(nbytes, buffer)
        turn = getattr(gevent.getcurrent(), "turn", None)
        if turn:
            turn.ended = time.perf_counter()
        return found


def tls(authority: str) -> ssl.SSLContext:
    """One context for all users: each of its own would read all authorities again."""
    context = gevent.ssl.create_default_context()
    context.sslsocket_class = Connection
    if authority:
        context.load_verify_locations(cadata=authority)
    return context


class Turn:
    """An arrival. Its first request is made ready, waits for ``moment``, and counts from it.

    Those that follow it in a scenario are sent when the one before is answered, and count from there. What Locust does
    before and after with addresses and cookies is not the stack's. ``late`` takes by how many seconds the generator
    missed the moment; not by how many a user was missing, whose request before is not answered.
    """

    def __init__(self, moment: float, late: list[float] | None) -> None:
        self.moment, self.late = moment, late
        self.since: float | None = moment
        self.ended: float | None = None
        self.begun = self.has_waited = False

    @property
    def counted(self) -> bool:
        return self.late is not None

    def begin(self) -> None:
        """A connection is wanted."""
        if not self.begun:
            keep(self.moment)
            if self.late is not None and not self.has_waited:
                self.late.append(time.perf_counter() - self.moment)
        self.begun, self.ended = True, None
        self.since = self.since or time.perf_counter()

    def took(self) -> float:
        """Seconds of the request that was answered; after that comes the next one."""
        ended = self.ended or time.perf_counter()
        seconds = ended - (self.since or ended)
        self.since = self.ended = None
        return seconds


def is_open(_pool: Any, connection: Any) -> bool:
    """Whether an idle connection can be used: nothing has come, not even its end.

    In place of geventhttpclient's own, which asks ``select``: that knows no files above 1023, so that from a thousand
    users on their connections were made anew for each request, and gevent's gives way to others at that moment.
    """
    if connection is None or connection.fileno() < 0:
        return False
    idle = gevent.monkey.get_original("select", "poll")()
    idle.register(connection, select.POLLIN)
    return not idle.poll(0)


def time_connections() -> None:
    """Have the turn of a greenlet told when it takes a connection."""
    from geventhttpclient.connectionpool import ConnectionPool  # noqa: PLC0415 - its absence is told before

    take = ConnectionPool.get_socket

    def get_socket(pool: Any) -> Any:
        turn = getattr(gevent.getcurrent(), "turn", None)
        if turn:
            turn.begin()
        return take(pool)

    ConnectionPool.get_socket, ConnectionPool._is_socket_alive = get_socket, is_open
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


_free: list[Alarm] = []


def keep(moment: float) -> None:
    """Wait for a moment of ``time.perf_counter``, unless it has passed; any number of greenlets at a time."""
    if moment <= time.perf_counter():
        return
    alarm = _free.pop() if _free else Alarm()
    try:
        alarm.wait(moment)
    finally:
        _free.append(alarm)
