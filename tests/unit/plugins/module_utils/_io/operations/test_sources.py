# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import os
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._io.operations import (
    alertmanager,
    application,
    cache,
    capacity,
    containers,
    edge,
    host,
    inside,
    packages,
    pool,
)


@pytest.fixture
def redis() -> Iterator[tuple[cache.Client, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(2)
    with theirs, cache.Client(ours) as client:
        yield client, theirs


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (b"+OK\r\n", "OK"),
        (b":42\r\n", 42),
        (b"$5\r\nhello\r\n", "hello"),
        (b"$-1\r\n", None),
        (b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$2\r\nbc\r\n", ["0", ["a", "bc"]]),
        ("$3\r\n€\r\n".encode(), "€"),
    ],
)
def test_redis_protocol(redis: tuple[cache.Client, socket.socket], answer: bytes, value: object) -> None:
    client, server = redis
    server.sendall(answer)
    assert client.call("GET", "a") == value
    assert server.recv(100) == b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"


@pytest.mark.parametrize("answer", [b"-WRONGPASS invalid\r\n", b"HTTP/1.1 400\r\n", b""])
def test_what_redis_refuses_is_an_error(redis: tuple[cache.Client, socket.socket], answer: bytes) -> None:
    client, server = redis
    server.sendall(answer)
    server.shutdown(socket.SHUT_WR)
    with pytest.raises(cache.CacheError):
        client.call("AUTH", "app", "secret")


def test_tables_of_the_pool() -> None:
    text = "### POOLS\ndatabase,user,cl_waiting\nschool,app,3\n### LISTS\nlist,items\nused_clients,7\n### STATS\nname\n"
    assert pool.tables(text) == {
        "pools": [{"database": "school", "user": "app", "cl_waiting": "3"}],
        "lists": [{"list": "used_clients", "items": "7"}],
        "stats": [],
    }


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        said = f"{self.path} {self.headers.get('Authorization', '-')}".encode()
        self.send_response(200 if self.path == "/ok" else 503)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root enters the network of another process")


@needs_root
def test_a_server_in_the_network_of_a_process(port: int) -> None:
    answer = inside.get(os.getpid(), port, "/ok", timeout=5, login=("admin", "secret"))
    assert (answer.status, answer.text) == (200, "/ok Basic YWRtaW46c2VjcmV0")
    assert inside.get(os.getpid(), port, "/other", timeout=5).status == 503


@needs_root
def test_a_port_that_nobody_listens_on() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(inside.UnreachableError, match="does not answer"):
            inside.get(os.getpid(), taken.getsockname()[1], "/ok", timeout=2)


class Silences(http.server.BaseHTTPRequestHandler):
    """Alertmanager's API with four silences, one of them ended and one to come; notes what it is told."""

    told: ClassVar[list[tuple[str, str, Any]]] = []

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        Silences.told.append((self.command, self.path, json.loads(self.rfile.read(size)) if size else None))
        listed = [
            {"id": name, "createdBy": "drill", "status": {"state": state}}
            for name, state in (("a", "active"), ("b", "expired"))
        ]
        other = {**listed[0], "id": "c", "createdBy": "somebody"}
        said = json.dumps([*listed, other, {**other, "id": "d", "status": {"state": "pending"}}]).encode()
        self.send_response(200 if self.headers["Authorization"] == "Basic YWRtaW46c2VjcmV0" else 401)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 (the names of http.server)

    def log_message(self, *_words: object) -> None:
        pass


@needs_root
def test_alertmanager_is_told_by_its_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager.containers, "find", lambda _stack, _service: {"pid": os.getpid()})
    monkeypatch.setattr(alertmanager.inside, "read", lambda _pid, _path: "secret\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silences) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(alertmanager, "_PORT", server.server_address[1])
        one = alertmanager.Alertmanager("school", "/am", "admin")
        one.end_silences("drill")
        one.silence({"alertname": "CacheDown"}, "drill", "why", 60)
        one.alert({"alertname": "AlertDrill"}, {"summary": "begun"})
        assert [silence["id"] for silence in one.silences()] == ["a", "c", "d"]
        with pytest.raises(FirstbellError, match="refuses POST alerts: status 401"):
            alertmanager.Alertmanager("school", "/am", "nobody").alert({}, {})
        server.shutdown()
    (listing, ended, silenced, alerted) = Silences.told[:4]
    assert listing[:2] == ("GET", "/am/api/v2/silences")
    assert ended[:2] == ("DELETE", "/am/api/v2/silence/a")
    assert silenced[2]["matchers"] == [{"name": "alertname", "value": "CacheDown", "isRegex": False, "isEqual": True}]
    assert silenced[2]["endsAt"] > silenced[2]["startsAt"]
    assert alerted[2] == [{"labels": {"alertname": "AlertDrill"}, "annotations": {"summary": "begun"}}]


class _HAProxy(socketserver.StreamRequestHandler):
    """Says what it was told of its servers: drained by hand, a slot that waits."""

    def handle(self) -> None:
        assert self.rfile.readline() == b"show servers state\n"
        names = "be_id be_name srv_id srv_name srv_op_state srv_admin_state srv_uweight srv_iweight srv_check_state "
        names += "srv_fqdn srv_port srv_addr"
        rows = "3 app 1 replica-1 2 8 0 1 6 app 3000 10.0.0.2\n3 app 2 replica-2 0 32 1 1 2 evil 81 -\n"
        self.wfile.write(f"1\n# {names}\n{rows}\n".encode())


def test_what_haproxy_was_told_of_its_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.containers, "find_all", lambda _stack, _service: [{"pid": os.getpid()}])
    monkeypatch.setattr(edge, "_SOCKET", str(tmp_path / "admin.sock"))
    with socketserver.UnixStreamServer(edge._SOCKET, _HAProxy) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        found = edge.gather_servers("school")
        thread.join()
    assert found == [
        {**one, "weight": weight, "planned_weight": 1, "leads": leads}
        for one, weight, leads in (
            ({"server": "app/replica-1", "administration": 8, "check": 6, "address": "10.0.0.2"}, 0, "app:3000"),
            ({"server": "app/replica-2", "administration": 32, "check": 2, "address": "-"}, 1, "evil:81"),
        )
    ]


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(inside.UnreachableError, match="nothing answers"):
        inside.unix(os.getpid(), str(tmp_path / "none.sock"), 1)
    with pytest.raises(inside.UnreachableError, match="is not in the container"):
        inside.read(os.getpid(), str(tmp_path / "none"))


def test_metrics_of_an_application() -> None:
    text = '# HELP a\na 1\nb{state="waiting"} 2.5e1\nc NaN\n'
    assert {n + labels: value for n, labels, value in application._LINE.findall(text)} == {
        "a": "1",
        'b{state="waiting"}': "2.5e1",
        "c": "NaN",
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-29T04:08:10.382417417Z", 1795925290),
        ("2026-11-29T05:08:10.382417417+01:00", 1795925290),
        ("0001-01-01T00:00:00Z", -62135596800),
        ("", 0),
        ("never", 0),
    ],
)
def test_moments_of_the_engine(text: str, seconds: float) -> None:
    assert containers.moment(text) == seconds


def test_records_of_packages() -> None:
    text = "Package: openssl\nStatus: install ok installed\nVersion: 3.5.1-1\nNote: a\n Version: none\n\nPackage: x\n"
    assert packages._versions(text) == {"openssl": "3.5.1-1"}
    assert packages.major("13.2\n") == "13"


def test_the_host_is_seen() -> None:
    found = host.gather("/nowhere")
    assert found["cpu"]["user"] > 0
    assert found["memory"]["MemTotal"] > found["memory"]["MemAvailable"] > 0
    assert found["disks"]
    assert all(disk["total"] >= disk["free"] for disk in found["disks"])
    assert any(disk["own"] for disk in found["disks"])
    assert os.getpid() in found["processes"]


class _Redis(socketserver.StreamRequestHandler):
    """Knows nobody, as with an ACL in which the user default is off."""

    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"-NOAUTH Authentication required.\r\n")


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Only Redis runs, and its socket is where it looks for it."""

    def find(_stack: str, service: str) -> dict[str, Any]:
        if service != "redis":
            raise FirstbellError("no container")
        return {"pid": os.getpid()}

    monkeypatch.setattr(cache.containers, "find", find)
    monkeypatch.setattr(cache, "_SOCKET", str(tmp_path / "redis.sock"))
    return str(tmp_path / "redis.sock")


def test_redis_lives_where_nobody_may_ask_it_more(nobody: str) -> None:
    with socketserver.UnixStreamServer(nobody, _Redis) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert set(cache.gather("school", "/nowhere")) == {"not_asked"}
        thread.join()


def test_redis_that_hangs_does_not_live(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_TIMEOUT", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(nobody)
        silent.listen()
        with pytest.raises(cache.CacheError, match="does not answer to PING"):
            cache.gather("school", "/nowhere")


def test_the_application_may_ask_redis_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.containers, "find", _only_the_app)
    monkeypatch.setattr(cache.inside, "read", lambda _pid, _path: 'REDIS_URL="redis://app:a%2Fb@redis"\n')
    assert cache._observer("school", "/nowhere") == ("app", "a/b")


def _only_the_app(_stack: str, service: str) -> dict[str, Any]:
    if service != "app":
        raise FirstbellError("no container")
    return {"pid": 7}


@pytest.mark.parametrize(
    ("error", "flag", "proved"),
    [
        ("task: non-zero exit (137)", True, True),
        ("task: non-zero exit (137)", False, False),
        ("task: non-zero exit (1)", True, False),
    ],
)
def test_a_container_that_ended_for_memory(
    error: str, flag: bool, proved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "_inspect", lambda _identity: {"State": {"OOMKilled": flag}})
    assert containers._out_of_memory({"Err": error, "ContainerStatus": {"ContainerID": "a"}}) is proved
    assert containers._out_of_memory({"Err": error}) is False


class _Prometheus:
    """Answers each query with one series, and notes it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []

    def query(self, query: str, at: float = 0.0) -> list[tuple[dict[str, str], float]]:
        self.asked.append((query, at))
        if query == "prometheus_tsdb_lowest_timestamp":
            return [({}, 1000 * (time.time() - 86400))]
        return [({"service": "school_app", "name": "school_app.1", "alertname": "TargetDown"}, 60.0)]

    def range(self, query: str, *_moments: float) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        if "mountpoint" not in query:
            return [({}, [(0.0, 1.0)])]
        return [({"device": "a", "mountpoint": mount}, [(0.0, 1.0)]) for mount in ("/opt/school", "/", "/var/lib")]


def test_peaks_are_asked_without_rehearsals(monkeypatch: pytest.MonkeyPatch) -> None:
    server = _Prometheus()
    monkeypatch.setattr(capacity, "Prometheus", lambda *_words, **_more: server)
    now = time.time()
    found = capacity.gather("school", "/prometheus", "admin", 15, [(now - 7200, now - 3600 - 60)])
    assert found["measured"] == pytest.approx(86400 - 3600 + 60, abs=5)
    assert found["fired"] == {"TargetDown": 2 * 3600.0}  # an hour in each of two pieces, for however many targets
    assert found["disks"] == {"/": [(0.0, 1.0)]}
    fired = [query for query, _at in server.asked if "ALERTS" in query]
    assert len(fired) == 2
    assert all(query.startswith("count_over_time((count by (alertname)") and "SPAN" not in query for query in fired)
    assert any('backend_type="client backend"' in query for query, _at in server.asked)
    assert capacity.of_today("school", "/prometheus", "admin")["school_app.1"] == {
        "cpu": 60.0,
        "memory": 60.0,
        "kills": 60.0,
    }
