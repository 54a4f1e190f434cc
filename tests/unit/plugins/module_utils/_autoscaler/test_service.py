# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's rounds against a gate and a Prometheus that answer over real sockets."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._autoscaler import control, places, service
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler import config, exchange
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.policy import Order

from unit.errors import error_of


class World:
    """What the service meets: ``load`` is what Prometheus says, None for nothing."""

    def __init__(self, directory: Path) -> None:
        for name in ("control", "gate", "state"):
            (directory / name).mkdir()
        self.places = places.Places(str(directory))
        self.load: str | None = "30"
        self.gate: dict[str, Any] = {"replicas": 1, "running": 1, "busy": False}
        self.asked: list[dict[str, Any]] = []
        self.credentials: list[str | None] = []

    def answer(self, line: bytes) -> dict[str, Any]:
        request = json.loads(line)
        self.asked.append(request)
        if "error" in self.gate:
            return self.gate
        self.gate["replicas"] = request.get("replicas", self.gate["replicas"])
        return self.gate


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    met = World(tmp_path)

    class Gate(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(json.dumps(met.answer(self.rfile.readline())).encode() + b"\n")

    class Prometheus(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            met.credentials.append(self.headers["Authorization"])
            assert parse_qs(urlsplit(self.path).query) == {"query": ["sum(x)"]}
            result = [] if met.load is None else [{"value": [1000, met.load]}]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": {"resultType": "vector", "result": result}}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    servers: list[Any] = [
        socketserver.ThreadingUnixStreamServer(met.places.gate, Gate),
        ThreadingHTTPServer(("127.0.0.1", 0), Prometheus),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    met.port = servers[1].server_address[1]  # type: ignore[attr-defined]
    yield met
    for server in servers:
        server.shutdown()
        server.server_close()


def scaler(world: World) -> service.Autoscaler:
    data = {
        "stack": "school",
        "service": "school_app",
        "prometheus": f"http://127.0.0.1:{world.port}",  # type: ignore[attr-defined]
        "calendar": {"bands": [{"name": "always", "from": "00:00", "minimum": 1, "maximum": 6}]},
        "caps": {"autoscaler_maximum": 6},
        "triggers": {"requests": 10},
        "queries": {"requests": "sum(x)"},
    }
    return service.Autoscaler(config.parse(data), world.places)


def test_a_round_measures_decides_orders_and_tells(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    ours = scaler(world)
    ours.round(1000)
    assert world.asked == [{"service": "school_app"}, {"service": "school_app", "replicas": 3}]
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["before"], line["replicas"], line["source"]) == ("info", 1, 3, "requests")
    assert "requests 30 at 10 a replica: 3" in line["reasons"]
    state = json.loads(Path(world.places.state).read_text(encoding="utf-8"))
    assert state["moves"] == [[1000, 1]]
    assert 'autoscaler_decisions_total{direction="up",source="requests"} 1' in ours.metrics()
    ours.round(1010)
    assert len(world.asked) == 3


def test_an_order_that_is_not_carried_out_is_told_and_tried_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = scaler(world)
    world.answer = lambda line: (  # type: ignore[method-assign]
        {"error": "school_app is being updated"} if b"replicas" in line else dict(world.gate)
    )
    ours.round(1000)
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["problem"]) == ("error", "the gate refuses: school_app is being updated")
    assert ours.history.moves == ()
    assert "autoscaler_failures_total 1" in ours.metrics()


def test_without_the_gate_nothing_is_decided(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    ours = scaler(world)
    Path(world.places.gate).unlink()
    ours.round(1000)
    assert "does not answer" in json.loads(capsys.readouterr().out)["problem"]
    assert not Path(world.places.state).exists()
    assert ours.metrics() == ""


def test_a_pause_is_obeyed(world: World) -> None:
    Path(world.places.order).write_text(exchange.written(Order(paused=True)), encoding="utf-8")
    scaler(world).round(1000)
    assert world.asked == [{"service": "school_app"}]


def test_the_password_goes_with_the_question(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n", encoding="ascii")
    monkeypatch.setattr(service, "PASSWORD", str(tmp_path / "password"))
    monkeypatch.setenv("PROMETHEUS_USER", "admin")
    scaler(world).round(1000)
    assert world.credentials == ["Basic YWRtaW46czNjcmV0"]


def test_prometheus_that_is_away_is_no_reading(world: World) -> None:
    world.load = None
    assert scaler(world).measure() == {}
    world.load = "NaN"
    assert str(scaler(world).measure()["requests"].value) == "nan"


def test_status_is_of_now(world: World) -> None:
    ours = scaler(world)
    ours.round(1000)
    error = error_of(control.last, ours.config, world.places)
    assert "has not decided for" in str(error)
    assert "docker service logs school_autoscaler" in str(error)
    Path(world.places.state).write_text("{", encoding="ascii")
    assert "cannot be read; look at" in str(error_of(control.last, ours.config, world.places))
    said = control.lines(ours.config, ours.line, Order(paused=True))
    assert said[0] == "school_app: 3 replicas ordered, 1 running" or "3 replicas ordered" in said[0]
    assert said[-1] == "paused; go on with: school-autoscaler resume"
