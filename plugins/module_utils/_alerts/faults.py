# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each fault is put in and taken back, but for those of the database.

Taking back works from what the journal knows, so that another process can do it, and is done twice without harm.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.alert_drill.model import OVER, RECEIVER
from .._core.errors import FirstbellError
from .._io import docker_cli, system
from .._io.operations import edge
from .host import OWNER, Host, wait_until

Facts = Mapping[str, Any]
_HEALTHY_PATIENCE = 180.0
#: More than the longest grace of a service, which the database has.
_STOP_PATIENCE = 180.0
_MEMORY_MB = 64
_FILL_MB = 51  # of Python's own 9 and this, of 64: 95 % without what is only cache
_DISK_MB = 32


class Injector:
    """One way to break something. ``facts`` are what taking it back needs."""

    def facts(self, _host: Host) -> Facts:
        """What has to be known before anything is touched; raises FirstbellError where it cannot be done."""
        return {}

    def put(self, host: Host, facts: Facts) -> float:
        """Break it; when it was broken, in seconds since 1970."""
        raise NotImplementedError

    def take_back(self, host: Host, facts: Facts) -> None:
        """Put everything back as it was."""
        raise NotImplementedError


class StoppedService(Injector):
    """A service without tasks. What would start it again (``beside``) is stopped as well."""

    def __init__(self, name: str, *beside: str) -> None:
        self.name, self.beside = name, beside

    def facts(self, host: Host) -> Facts:
        found = {name: host.replicas(name) for name in (self.name, *self.beside)}
        if not found[self.name]:
            raise FirstbellError(f"{host.service(self.name)} has no task that could be stopped")
        return {name: replicas for name, replicas in found.items() if replicas}

    def put(self, host: Host, facts: Facts) -> float:
        for name in self.beside:
            if name in facts:
                host.scale(name, 0)
        host.scale(self.name, 0)
        # PgBouncer goes on for those who are connected, up to 30 s: until then it is not down.
        wait_until(lambda: not host.containers(self.name), _STOP_PATIENCE, f"{host.service(self.name)} has not stopped")
        return time.time()

    def take_back(self, host: Host, facts: Facts) -> None:
        for name, replicas in facts.items():
            host.scale(name, replicas)
        for name, replicas in facts.items():
            wait_until(
                lambda name=name, replicas=replicas: host.healthy(name, replicas),  # type: ignore[misc]
                _HEALTHY_PATIENCE,
                f"{host.service(name)} is not healthy again: docker service ps {host.service(name)};",
            )


class FrozenService(Injector):
    """A service whose container stands still. The engine neither asks after its health nor replaces it meanwhile."""

    def __init__(self, name: str) -> None:
        self.name = name

    def put(self, host: Host, facts: Facts) -> float:
        running = host.containers(self.name)
        if not running:
            raise FirstbellError(f"{host.service(self.name)} has no task that could be frozen")
        system.run(["docker", "pause", *running])
        return time.time()

    def take_back(self, host: Host, facts: Facts) -> None:
        frozen = host.containers(self.name, "status=paused")
        if frozen:
            system.run(["docker", "unpause", *frozen])
        wait_until(
            lambda: host.healthy(self.name, 1),
            _HEALTHY_PATIENCE,
            f"{host.service(self.name)} is not healthy again: docker service ps {host.service(self.name)};",
        )


class PausedPool(Injector):
    """A database that PgBouncer gives nobody a connection of. Who asks for one waits, up to query_wait_timeout."""

    def put(self, host: Host, facts: Facts) -> float:
        # It begins at once, and ends when whoever has a connection has given it back.
        with contextlib.suppress(system.CommandTimeoutError):
            self._say(host, "PAUSE", timeout=20)
        return time.time()

    def take_back(self, host: Host, facts: Facts) -> None:
        if host.containers("pgbouncer"):
            self._say(host, "RESUME")

    def _say(self, host: Host, command: str, timeout: float = 120) -> None:
        where = ["--host=/run/pgbouncer", "--port=6432", "--username=pgbouncer", "--dbname=pgbouncer"]
        argv = ["docker", "exec", host.containers("pgbouncer")[0], "psql", *where, "--no-password"]
        argv += [f'--command={command} "{host.config.database}"']
        done = system.run(argv, timeout=timeout, check=False)
        if done.code and not re.search("already suspended/paused|already paused|not paused", done.err):
            system.succeeded(argv, done)


class OwnService(Injector):
    """A service that is there for the drill alone."""

    def __init__(self, name: str, command: tuple[str, ...], *options: str, starts: bool = True, says: str = "") -> None:
        self.name, self.command, self.options, self.starts, self.says = name, command, options, starts, says

    def put(self, host: Host, facts: Facts) -> float:
        name = host.service(f"drill_{self.name}")
        node = system.run(["docker", "info", "--format", "{{.Name}}"]).out.strip()
        argv = ["docker", "service", "create", "--detach", "--quiet", "--no-resolve-image", "--name", name]
        argv += ["--constraint", f"node.hostname=={node}", "--user", "1001:1001", "--read-only", "--cap-drop", "ALL"]
        argv += ["--limit-memory", f"{_MEMORY_MB}m", "--limit-cpu", "0.2", "--limit-pids", "16", "--no-healthcheck"]
        system.run([*argv, *self.options, host.config.image, *self.command])
        if self.starts:
            wait_until(lambda: bool(host.containers(f"drill_{self.name}")), 60, f"{name} does not start")
        if self.says:
            wait_until(lambda: self.says in self._log(host), 120, f"{name} does not say {self.says!r}")
        return time.time()

    def _log(self, host: Host) -> str:
        running = host.containers(f"drill_{self.name}")
        return system.run(["docker", "logs", running[0]], check=False).out if running else ""

    def take_back(self, host: Host, facts: Facts) -> None:
        name = f"drill_{self.name}"
        if host.replicas(name) is not None:
            system.run(["docker", "service", "rm", host.service(name)])
        wait_until(lambda: not host.containers(name), 60, f"{host.service(name)} is not gone")


class FilledDisk(Injector):
    """A file system in a file. The node exporter sees only what was mounted when it started, so it starts again."""

    def put(self, host: Host, facts: Facts) -> float:
        image, point = f"{host.config.drill}/disk.img", f"{host.config.drill}/disk"
        os.makedirs(point, exist_ok=True)
        with open(image, "wb") as file:
            file.truncate(_DISK_MB * 1024**2)
        make = ["docker", "run", "--rm", "--network", "none", "--user", "0", "--cap-drop", "ALL", "--read-only"]
        make += ["--mount", f"type=bind,source={image},target=/disk.img", host.config.image]
        docker_cli.run([*make, "mke2fs", "-q", "-t", "ext4", "-m", "0", "/disk.img"])
        system.run(["mount", "-o", "loop,nodev,noexec,nosuid", image, point])
        free = os.statvfs(point)
        size = int(free.f_bavail * free.f_frsize * 0.95)
        with open(f"{point}/filled", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        self._look_again(host)
        return time.time()

    def take_back(self, host: Host, facts: Facts) -> None:
        point = f"{host.config.drill}/disk"
        if os.path.ismount(point):
            system.run(["umount", "--lazy", point])
            self._look_again(host)
        host.remove(point)
        host.remove(f"{host.config.drill}/disk.img")

    def _look_again(self, host: Host) -> None:
        before = set(host.containers("node_exporter"))
        system.run(["docker", "service", "update", "--force", "--detach", "--quiet", host.service("node_exporter")])
        wait_until(
            lambda: bool(set(host.containers("node_exporter")) - before) and host.healthy("node_exporter", 1),
            120,
            "the node exporter does not start again",
        )


class StoppedTimer(Injector):
    """A timer of the backups that stands still, which their own check finds."""

    def __init__(self, timer: str) -> None:
        self.timer = timer

    def put(self, host: Host, facts: Facts) -> float:
        system.run(["systemctl", "stop", f"{host.config.stack}-{self.timer}.timer"])
        self._check(host)
        return time.time()

    def take_back(self, host: Host, facts: Facts) -> None:
        system.run(["systemctl", "start", f"{host.config.stack}-{self.timer}.timer"])
        self._check(host)

    def _check(self, host: Host) -> None:
        # By its unit, for it may be at work already; it fails when it finds something.
        system.run(["systemctl", "start", f"{host.config.stack}-backup-check.service"], check=False, timeout=300)


class Target(Injector):
    """Something more that Prometheus asks: a page, by the blackbox exporter, or an address."""

    def __init__(self, name: str, page: str = "") -> None:
        self.name, self.page = name, page

    def put(self, host: Host, facts: Facts) -> float:
        labels = {"job": "drill", "instance": "drill", "host": host.config.host}
        address = f"{RECEIVER}:9"
        if self.page:
            address = "blackbox_exporter:9115"
            asked = {"__metrics_path__": "/probe", "__param_module": "drill", "__param_target": self.page}
            labels.update({"job": "blackbox", "instance": self.page, **asked})
        self._write(host, [{"targets": [address], "labels": labels}])
        return time.time()

    def take_back(self, host: Host, facts: Facts) -> None:
        self._write(host, [OVER])

    def _write(self, host: Host, targets: Sequence[Mapping[str, Any]]) -> None:
        """Prometheus looks at the folder by itself; the playbook need not tell it."""
        settings = f"{host.config.directory}/monitoring/prometheus"
        system.write_text(f"{settings}/drill/{self.name}.json", json.dumps(targets), 0o644, OWNER)
        host.noted("prometheus", settings)


class Errors(Injector):
    """Requests that HAProxy itself answers with an error, to a path that only the drill knows.

    They come beside what users send, so many that the share of errors is far above what is allowed.
    """

    _RULE = "#503"  # The rule of roles/edge that answers so; it is empty but for a drill
    _FEWEST = 4.0  # requests per second
    _TIMES_ALLOWED, _LARGEST_SHARE = 5, 0.5

    def __init__(self) -> None:
        self._over = threading.Event()

    def facts(self, host: Host) -> Facts:
        return {"path": f"/rehearsed-error-{secrets.token_hex(8)}"}

    def put(self, host: Host, facts: Facts) -> float:
        self._over.clear()
        edge.command(host.config.stack, f"add acl {self._RULE} {facts['path']}")
        pause = 1 / self._rate(host)
        with contextlib.closing(edge.connect(host.config.stack)) as connection:
            status = self._ask(connection, facts["path"])
        if status < http.client.INTERNAL_SERVER_ERROR:
            raise FirstbellError(f"HAProxy answers {status}, which is no error; run the playbook site")
        placed = time.time()
        threading.Thread(target=self._go_on, args=(host, facts["path"], pause), daemon=True).start()
        return placed

    def take_back(self, host: Host, facts: Facts) -> None:
        self._over.set()
        if host.containers("haproxy"):
            edge.command(host.config.stack, f"del acl {self._RULE} {facts['path']}")

    def _rate(self, host: Host) -> float:
        """Requests per second beside those of the users of now."""
        share = min(self._TIMES_ALLOWED * host.config.thresholds["error_percent"] / 100, self._LARGEST_SHARE)
        found = host.prometheus().query('sum(rate(haproxy_frontend_http_responses_total{proxy="site"}[2m]))')
        users = found[0][1] if found else 0.0
        return max(self._FEWEST, users * share / (1 - share))

    def _go_on(self, host: Host, path: str, pause: float) -> None:
        while not self._over.is_set():
            broken = contextlib.suppress(FirstbellError, OSError, http.client.HTTPException)
            with broken, contextlib.closing(edge.connect(host.config.stack)) as connection:
                while not self._over.wait(pause):
                    self._ask(connection, path)
            self._over.wait(1)

    def _ask(self, connection: http.client.HTTPConnection, path: str) -> int:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def program(name: str, *arguments: str) -> tuple[str, ...]:
    """A program of the receiver's image."""
    return ("python3", f"/usr/lib/{RECEIVER}/{name}.py", *arguments)


INJECTORS: Mapping[str, Injector] = {
    "memory-filled": OwnService("memory", program("memory", "fill", str(_FILL_MB))),
    "memory-exceeded": OwnService("killed", program("memory", "exceed", str(16 * _MEMORY_MB)), says="killed"),
    "restart-loop": OwnService(
        "restarts", ("python3", "-c", "raise SystemExit(1)"), "--restart-delay", "1s", starts=False
    ),
    "task-missing": OwnService(
        "missing", program("memory", "fill", "1"), "--constraint", "node.labels.drill==there", starts=False
    ),
    "disk-filled": FilledDisk(),
    "backup-timer-stopped": StoppedTimer("backup-incr"),
    "certificate-ending": Target("certificate", f"https://{RECEIVER}:8443/"),
    "site-slow": Target("slow", f"http://{RECEIVER}:8080/slow"),
    "target-gone": Target("gone"),
    "errors-answered": Errors(),
    "redis-stopped": StoppedService("redis"),
    "postgres-stopped": StoppedService("postgres"),
    "pgbouncer-stopped": StoppedService("pgbouncer"),
    "app-stopped": StoppedService("app", "autoscaler"),
    "haproxy-stopped": StoppedService("haproxy"),
    "nginx-stopped": StoppedService("nginx"),
    "node_exporter-stopped": StoppedService("node_exporter"),
    "pool-paused": PausedPool(),
    "postgres-paused": FrozenService("postgres"),
}
