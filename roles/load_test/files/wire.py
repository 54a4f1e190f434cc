# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load test needs of sockets and of the clock. Import it after gevent's patch.

At a few milliseconds the generator's own delays are a good part of what it measures. So a request is made ready before
its moment, a thread of the system's keeps the moment, a name is looked up once, and the time ends where the last byte
is read, before anybody looks at what it says.
"""

from __future__ import annotations

import email.utils
import errno
import http.client
import os
import re
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
from gevent.threadpool import ThreadPool

#: One record of TLS.
BLOCK_BYTES = 16 * 1024
#: Requests whose answers are read by threads.
THREADS = 64

_LENGTH = re.compile(rb"\ncontent-length: *([0-9]+)")
_threads = ThreadPool(THREADS)
#: What a thread waits with; gevent's would stop it for good.
_sleep, _poll = gevent.monkey.get_original("time", "sleep"), gevent.monkey.get_original("select", "poll")


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
    """A request of a turn is sent, and its answer read, by a thread of the system's; a connection is made by it, too.

    Greenlets wait for what others of them compute, which takes longer than a short answer. When all threads are taken,
    answers take so long that this does not show, and gevent does it.
    """

    _address: Any = None
    _unsent, _come = b"", memoryview(b"")
    _in_thread = False

    def connect(self, addr: Any) -> None:
        turn = turn_now()
        if turn and len(_threads) < THREADS:
            self._address = addr
            return
        if turn:
            turn.wait()
        super().connect(addr)

    def sendall(self, data: Any, flags: int = 0) -> None:
        turn = turn_now()
        if self._address or self._unsent or (turn and len(_threads) < THREADS):
            self._unsent += data
            return
        if turn:
            turn.wait()
        super().sendall(data, flags)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        turn = turn_now()
        if self._unsent:
            self._in_thread = True
            answer = _threads.apply(self._exchange, (turn,))
            self._in_thread = False
            if isinstance(answer, OSError):
                raise answer
            self._come = memoryview(answer)
            if not answer:
                return b""
        if self._come:
            found, self._come = bytes(self._come[:buflen]), self._come[buflen:]
            return found
        found = super().recv(buflen, flags)
        if turn:
            turn.ended = time.perf_counter()
        return found

    def _exchange(self, turn: Turn) -> bytearray | OSError:
        """The answer, or its beginning where only a parser sees the end. Nothing here may ask gevent."""
        answer = bytearray()
        request, self._unsent = self._unsent, b""
        _sleep(max(0.0, turn.since - time.perf_counter()))
        turn.goes()
        try:
            if self._address:
                self._connect()
            sent = 0
            while sent < len(request):
                sent += self.send(request[sent:])
            while more := self.read(BLOCK_BYTES):
                turn.ended = time.perf_counter()
                answer += more
                if has_ended(answer, request.startswith(b"HEAD ")):
                    break
        except BrokenPipeError:
            pass  # As if the server had closed the connection before: that is tried again.
        except OSError as error:
            return error
        return answer

    def _connect(self) -> None:
        address, self._address = self._address, None
        self._sslobj = self.context._wrap_socket(self._sock, False, self.server_hostname, owner=self._sock)
        try:
            failed = self._sock.connect_ex(address)
            if failed == errno.EINPROGRESS:
                self._wait(self._write_event)
                failed = self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                raise OSError(failed, os.strerror(failed))
            self._connected = True
            self.do_handshake()
        except (ConnectionResetError, BrokenPipeError) as error:
            # These two would be tried again, and not be counted.
            raise ConnectionAbortedError(f"no connection was made: {error}") from error

    def _wait(self, watcher: Any, timeout_exc: Any = None) -> None:
        """What gevent calls when a socket is not ready."""
        late = timeout_exc or TimeoutError("timed out")
        if not self._in_thread:
            super()._wait(watcher, late)
            return
        ready = _poll()
        ready.register(self.fileno(), select.POLLIN if watcher is self._read_event else select.POLLOUT)
        if not ready.poll(self.timeout * 1000):
            raise late


def has_ended(answer: bytearray, is_head: bool) -> bool:
    """Whether that is all, as far as it can be told without a parser."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(answer[:end]).lower()
    if is_head or head[9:12] in (b"204", b"304") or head[9:10] == b"1":
        return True
    if length := _LENGTH.search(head):
        return len(answer) - end - 4 >= int(length[1])
    return b"chunked" not in head or answer.endswith(b"\r\n0\r\n\r\n")


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
        self.since = moment
        self.ended = 0.0
        self.has_waited = False

    @property
    def counted(self) -> bool:
        return self.late is not None

    def begin(self) -> None:
        """A request is made ready."""
        self.since, self.ended = self.since or time.perf_counter(), 0.0

    def wait(self) -> None:
        """Until the request is to go."""
        if (left := self.since - time.perf_counter()) > 0:
            gevent.sleep(left)
        self.goes()

    def goes(self) -> None:
        if self.late is not None and not self.has_waited:
            self.late.append(time.perf_counter() - self.since)
        self.has_waited = True

    def took(self) -> float:
        """Seconds of the request that was answered; after that comes the next one."""
        ended = self.ended or time.perf_counter()
        seconds = ended - (self.since or ended)
        self.since = self.ended = 0.0
        return seconds


def turn_now() -> Turn | None:
    """Of the greenlet that runs."""
    return getattr(gevent.getcurrent(), "turn", None)


def is_open(_pool: Any, connection: Any) -> bool:
    """Whether an idle connection can be used: nothing has come, not even its end.

    In place of geventhttpclient's own, which asks ``select``: that knows no files above 1023, so that from a thousand
    users on their connections were made anew for each request, and gevent's gives way to others at that moment.
    """
    if connection is None or connection.fileno() < 0:
        return False
    idle = _poll()
    idle.register(connection, select.POLLIN)
    return not idle.poll(0)


def patch_connections() -> None:
    """Have the turn of a greenlet told when it takes a connection, and new connections made by a thread."""
    from geventhttpclient import connectionpool  # noqa: PLC0415 - its absence is told before

    take = connectionpool.ConnectionPool.get_socket

    def get_socket(pool: Any) -> Any:
        if turn := turn_now():
            turn.begin()
        return take(pool)

    def connect(pool: Any, plain: Any, address: Any) -> Any:
        made = pool.ssl_context.wrap_socket(plain, server_hostname=pool._request_host)
        # What is small is sent without waiting for an acknowledgement of what was sent before, as browsers do it.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.connect(address)
        return made

    connectionpool.ConnectionPool.get_socket = get_socket
    connectionpool.ConnectionPool._is_socket_alive = is_open
    connectionpool.SSLConnectionPool._connect_socket = connect


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
