# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves what the containers of this host use, to Prometheus, with cAdvisor's names.

Only tasks of services are told of: of other containers, such as those of a backup, every run has
another name. Which id is which task stands in a file that the host writes (container_listing.py).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cgroups
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from watch import Watch

LABELS = ("name", "service")
COUNTERS = {
    "container_cpu_usage_seconds": ("cpu_seconds", "CPU time used"),
    "container_cpu_cfs_periods": ("periods", "Periods in which it wanted CPU and has a limit"),
    "container_cpu_cfs_throttled_periods": ("throttled_periods", "Periods in which it met its limit of CPU"),
    "container_cpu_cfs_throttled_seconds": ("throttled_seconds", "Time that it waited at its limit of CPU"),
}
GAUGES = {
    "container_spec_cpu_quota": ("cpu_quota", "Microseconds of CPU that it may use in a period, 0 for no limit"),
    "container_spec_cpu_period": ("cpu_period", "Length of a period in microseconds"),
    "container_memory_usage_bytes": ("memory_usage", "Memory in use, cached files included"),
    "container_memory_working_set_bytes": ("memory_working_set", "Memory that the kernel cannot take back easily"),
    "container_memory_total_active_file_bytes": (
        "memory_active_file",
        "Files that were read more than once, which the kernel drops when memory is short",
    ),
    "container_spec_memory_limit_bytes": ("memory_limit", "Memory that it may use, 0 for no limit"),
}
LIMITED = ("container_spec_cpu_quota", "container_spec_cpu_period")
TASKS = {"desired": "Tasks that a service should have", "running": "Tasks that a service has"}


class Containers(Collector):
    """One answer to Prometheus. A task's counters go on when its container is replaced."""

    def __init__(self, watch: Watch, listing: Path) -> None:
        self.watch = watch
        self.listing = listing
        self.kills: dict[tuple[str, str], int] = {}
        self.counted: dict[str, int] = {}
        self.begun = False
        self.lock = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        with self.lock:
            listing = self._read_listing()
            yield from self._of_use(listing)
            yield self._of_kills(listing)
            yield from _of_listing(listing)

    def _read_listing(self) -> dict[str, Any]:
        try:
            found = json.loads(self.listing.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return dict(found)

    def _of_use(self, listing: dict[str, Any]) -> Iterator[Metric]:
        # Old and new one of a task run side by side during an update; the newer one counts.
        newest: dict[tuple[str, str], tuple[float, str]] = {}
        for identity, group in self.watch.running().items():
            task = listing.get("containers", {}).get(identity)
            if task:
                key = (task["name"], task["service"])
                newest[key] = max(newest.get(key, (0.0, "")), (float(task["created"]), group))
        readings = {
            key: cgroups.read(self.watch.root, self.watch.layout, group) for key, (created, group) in newest.items()
        }
        for name, (field, text) in {**COUNTERS, **GAUGES}.items():
            kind = CounterMetricFamily if name in COUNTERS else GaugeMetricFamily
            metric = kind(name, text, labels=LABELS)
            for key, reading in readings.items():
                if reading and (name not in LIMITED or reading.cpu_quota):
                    metric.add_metric(key, getattr(reading, field))
            yield metric
        yield from _of_network(listing, newest)
        started = GaugeMetricFamily("container_start_time_seconds", "When it was made", labels=LABELS)
        for key, newer in newest.items():
            started.add_metric(key, newer[0])
        yield started

    def _of_kills(self, listing: dict[str, Any]) -> Metric:
        killed = self.watch.killed()
        tasks = listing.get("containers", {})
        for identity, task in tasks.items():
            key = (task["name"], task["service"])
            # A container that ends by the kill takes the kernel's count with it; the host has seen the end.
            total = max(killed.get(identity, 0), int(task.get("killed", False)))
            # What the host tells of the time before this program began is no news.
            before = self.counted.get(identity, 0 if self.begun else total)
            self.kills[key] = self.kills.get(key, 0) + total - before
            self.counted[identity] = total
        self.counted = {identity: count for identity, count in self.counted.items() if identity in tasks}
        self.begun = self.begun or bool(tasks)
        metric = CounterMetricFamily("container_oom_events", "Processes killed for memory", labels=LABELS)
        for key, count in self.kills.items():
            metric.add_metric(key, count)
        return metric


def _of_network(listing: dict[str, Any], newest: dict[tuple[str, str], tuple[float, str]]) -> Iterator[Metric]:
    """What the host has counted for each task's newest container."""
    carried = {
        (task["name"], task["service"]): task["network"]
        for task in listing.get("containers", {}).values()
        if "network" in task and newest.get((task["name"], task["service"]), (0.0, ""))[0] == float(task["created"])
    }
    for place, kind in enumerate(("receive", "transmit")):
        metric = CounterMetricFamily(f"container_network_{kind}_bytes", "Bytes over all of its networks", labels=LABELS)
        for key, pair in carried.items():
            metric.add_metric(key, pair[place])
        yield metric


def _of_listing(listing: dict[str, Any]) -> Iterator[Metric]:
    restarts = CounterMetricFamily("container_restarts", "Times that a task was started again", labels=LABELS)
    for name, task in listing.get("restarts", {}).items():
        restarts.add_metric((name, task["service"]), task["count"])
    yield restarts
    for kind, text in TASKS.items():
        tasks = GaugeMetricFamily(f"swarm_service_tasks_{kind}", text, labels=("service",))
        for service, counts in listing.get("services", {}).items():
            tasks.add_metric((service,), counts[kind])
        yield tasks
    yield from _of_swarm(listing.get("swarm", {}))
    written = GaugeMetricFamily("container_listing_timestamp_seconds", "When the host last told the names")
    written.add_metric((), listing.get("time", 0))
    yield written


def _of_swarm(swarm: dict[str, Any]) -> Iterator[Metric]:
    ready = GaugeMetricFamily("swarm_node_ready", "Whether a host of the swarm answers it", labels=("node",))
    for name, answers in swarm.get("hosts", {}).items():
        ready.add_metric((name,), answers)
    yield ready
    leader = GaugeMetricFamily("swarm_has_leader", "Whether enough managers answer for services to be started again")
    if swarm:
        leader.add_metric((), swarm["has_leader"])
    yield leader


def watch_for_ever(watch: Watch, interval: float) -> None:
    """Look several times a second, so that most counts are seen before their container vanishes."""
    for turn in itertools.count():
        if turn % 4 == 0:
            watch.find(time.time())
        watch.look()
        time.sleep(interval)


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cgroups", type=Path, default=Path("/host/cgroup"))
    parser.add_argument("--listing", type=Path, default=Path("/var/lib/container-exporter/containers.json"))
    parser.add_argument("--port", type=int, default=9102)
    parser.add_argument("--interval", type=float, default=0.25, help="seconds between two looks at the kills")
    arguments = parser.parse_args()

    watch = Watch(arguments.cgroups)
    watch.find(time.time())
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Containers(watch, arguments.listing))

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = generate_latest(registry) if self.path == "/metrics" else b"ok\n"
            self.send_response(200 if self.path in ("/metrics", "/healthz") else 404)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST if self.path == "/metrics" else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """One line every 15 seconds would tell nobody anything."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Whoever leaves before he has read everything, as a health check does, is no error."""
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)

    threading.Thread(target=watch_for_ever, args=(watch, arguments.interval), daemon=True).start()
    Server(("", arguments.port), Answer).serve_forever()


if __name__ == "__main__":
    main()
