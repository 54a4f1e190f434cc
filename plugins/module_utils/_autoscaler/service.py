# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service: measures, decides and orders replicas, every few seconds, alone."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .._core import prometheus
from .._core.autoscaler import exchange
from .._core.autoscaler.config import Config
from .._core.autoscaler.policy import History, Reading, State, decide
from .._core.errors import FirstbellError
from .._io import system
from .._io.autoscaler import ask_gate, ask_prometheus
from .places import PASSWORD, Places

NAME = "serve"
HELP = "be the service (started by the swarm)"
#: Rounds that may be missed until the health check fails.
_MISSED = 6


def arguments(parser: argparse.ArgumentParser) -> None:
    """None: the configuration says all."""


@dataclass
class Autoscaler:
    """What lasts from one round to the next."""

    config: Config
    places: Places
    history: History = field(default_factory=History)
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: int = 0
    line: dict[str, Any] = field(default_factory=dict)
    rounds_at: float = field(default_factory=time.monotonic)

    def round(self, now: float) -> None:
        """One decision, carried out, logged and written down."""
        metrics = self.measure()
        try:
            found = ask_gate(self.places.gate, self.config.service)
        except FirstbellError as error:
            self.failures += 1
            log({"at": now, "level": "error", "problem": str(error)})
            return
        decision, history = decide(
            now,
            self.config.calendar,
            metrics,
            State(found["replicas"], found["busy"]),
            self.history,
            settings=self.config.settings,
            order=exchange.order(system.read_text(self.places.order)),
        )
        problem = ""
        if decision.direction:
            try:
                found = ask_gate(self.places.gate, self.config.service, decision.replicas)
            except FirstbellError as error:
                self.failures += 1
                problem, history = str(error), self.history
        self.history = history
        self.line = exchange.record(now, decision, found["running"], metrics, problem)
        direction = {1: "up", -1: "down"}.get(decision.direction, "none")
        self.decisions[decision.source, "none" if problem else direction] += 1
        log({"level": "error" if problem else "info", **self.line})
        system.write_text(self.places.state, json.dumps({**self.line, "moves": self.history.moves}) + "\n")
        self.rounds_at = time.monotonic()

    def measure(self) -> dict[str, Reading]:
        """A reading of each trigger that Prometheus answers for."""
        password = (system.read_text(PASSWORD) or "").strip()
        user = os.environ.get("PROMETHEUS_USER", "")
        readings = {}
        for name, query in self.config.queries.items():
            found = exchange.reading(ask_prometheus(self.config.prometheus, query, user, password))
            if found is not None:
                readings[name] = found
        return readings

    def metrics(self) -> str:
        """The page for Prometheus."""
        if not self.line:
            return ""
        return prometheus.render(exchange.samples(self.config, self.line, self.decisions, self.failures))

    def healthy(self) -> bool:
        """Whether it still decides."""
        return time.monotonic() - self.rounds_at < _MISSED * self.config.interval


def log(line: dict[str, Any]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def run(config: Config, places: Places, _options: argparse.Namespace) -> int:
    """Decide until SIGTERM. SIGHUP begins anew with the files as they are now."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGHUP, lambda *_: os.execv(sys.executable, sys.orig_argv))  # noqa: S606
    scaler = Autoscaler(config, places, exchange.history(system.read_text(places.state)))
    server = serve(scaler, config.port)
    try:
        with alone(places.lock, scaler, ended):
            while not ended.is_set():
                began = time.monotonic()
                scaler.round(time.time())
                ended.wait(max(0.1, config.interval - (time.monotonic() - began)))
    finally:
        server.shutdown()
    return 0


@contextmanager
def alone(path: str, scaler: Autoscaler, ended: threading.Event) -> Iterator[None]:
    """Wait until no other autoscaler of the stack decides: two would fight."""
    with open(path, "w", encoding="utf-8") as lock:
        waiting = False
        while not ended.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    log(
                        {
                            "at": time.time(),
                            "level": "warning",
                            "problem": "another autoscaler decides; waiting for its end",
                        }
                    )
                waiting, scaler.rounds_at = True, time.monotonic()
                ended.wait(1)
        yield


def serve(scaler: Autoscaler, port: int) -> ThreadingHTTPServer:
    """Metrics and health, read-only, in the background."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = 404, "not found\n"
            if self.path == "/metrics":
                status, text = 200, scaler.metrics()
            elif self.path == "/healthz":
                status, text = (200, "ok\n") if scaler.healthy() else (503, "no decision for too long\n")
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (its name in the library)
            """The log holds decisions."""

    server = ThreadingHTTPServer(("", port), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
