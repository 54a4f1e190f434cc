# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what the services use while a load test goes on; once a second, a line of JSON each."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .._core.errors import FirstbellError
from .._core.load import cgroups, window
from .._io import docker_cli, engine_api, postgres, system
from . import holder

_ROOT = "/sys/fs/cgroup"
_PERIOD = 1.0
#: A look at the pool starts a program in its container, which costs as much as some requests.
_POOL_EVERY = 5
_ACTIVITY = """
SELECT count(*)::int AS connections, count(*) FILTER (WHERE state <> 'idle')::int AS active,
       count(*) FILTER (WHERE wait_event_type = 'Lock')::int AS waiting
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_POOL = (
    "psql",
    "--no-psqlrc",
    "--csv",
    "--host=/run/pgbouncer",
    "--port=6432",
    "--username=pgbouncer",
    "--dbname=pgbouncer",
)


class _EndError(Exception):
    """Told to stop."""


def watch(config: window.Config) -> None:
    """Let the generator in, then measure until SIGTERM."""

    def end(_number: int, _frame: object) -> None:
        raise _EndError

    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(_EndError):
        address, until = holder.until_text(system.read_text(f"{config.runtime}/state.json") or "{}")
        system.write_text(config.trust_file, window.trust(address, until), mode=0o644)
        for container in holder.edge_containers(config):
            # A configuration that nginx does not take would stay unnoticed.
            docker_cli.run(["docker", "exec", container, "nginx", "-e", "stderr", "-t", "-q"], stdin="")
        holder.reload_edge(config)
        system.write_text(f"{config.runtime}/open", "")
        _measure(config)


def _measure(config: window.Config) -> None:
    known = _containers(config)
    next_at, count = time.monotonic(), 0
    looks = ThreadPoolExecutor(max_workers=1)
    look: Future[dict[str, float]] | None = None
    with open(f"{config.runtime}/samples.jsonl", "a", encoding="utf-8") as file, contextlib.ExitStack() as stack:
        session = None
        while True:
            if count % _POOL_EVERY == 0:
                known = _containers(config)
            if session is None:
                with contextlib.suppress(FirstbellError):
                    session = stack.enter_context(_connect(config))
            sample: dict[str, Any] = {"at": round(time.time(), 3), "host": _host(), "containers": _read(known)}
            if session is not None:
                try:
                    sample["database"] = session.query(_ACTIVITY)[0]
                except FirstbellError:
                    session = None
            if look is not None and look.done():
                sample["pool"], look = look.result(), None
            if count % _POOL_EVERY == 0 and look is None:
                look = looks.submit(_pool, known)
            file.write(json.dumps(sample) + "\n")
            file.flush()
            count += 1
            next_at = max(next_at + _PERIOD, time.monotonic())
            time.sleep(max(0.0, next_at - time.monotonic()))


def _connect(config: window.Config) -> postgres.Session:
    login = {name: option.get("default") for name, option in postgres.ARGUMENTS.items()}
    return postgres.connect({**login, "login_unix_socket": config.socket}, application="firstbell load test")


def _containers(config: window.Config) -> dict[str, tuple[str, str]]:
    """Service and control group of each container of the stack."""
    label = "com.docker.swarm.service.name"
    found = {}
    with contextlib.suppress(engine_api.EngineError):
        for one in engine_api.call("GET", "/containers/json", filters=json.dumps({"label": [label]})):
            stack, _underscore, service = one["Labels"][label].partition("_")
            if stack != config.stack:
                continue
            with contextlib.suppress(engine_api.EngineError):
                pid = engine_api.call("GET", f"/containers/{one['Id']}/json")["State"]["Pid"]
                group = cgroups.group_of(system.read_text(f"/proc/{pid}/cgroup") or "")
                found[one["Id"]] = (service, group)
    return found


def _read(known: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    files = cgroups.V2 if os.path.exists(f"{_ROOT}/cgroup.controllers") else cgroups.V1
    found = []
    for container, (service, group) in known.items():
        texts = {name: system.read_text(f"{_ROOT}/{path.format(group=group)}") for name, path in files.items()}
        if group and None not in texts.values():
            found.append({"service": service, "id": container, **cgroups.reading(texts)})  # type: ignore[arg-type]
    return found


def _host() -> dict[str, Any]:
    memory = dict(line.split(":") for line in (system.read_text("/proc/meminfo") or "").splitlines())
    sizes = {name: int(memory[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable")}
    times = cgroups.host_times(system.read_text("/proc/stat") or "")
    return {**times, "memory": sizes["MemTotal"], "available": sizes["MemAvailable"]}


def _pool(known: dict[str, tuple[str, str]]) -> dict[str, float]:
    """Clients, server connections at work, and how long the longest waits; nothing where the pool does not answer."""
    container = next((one for one, (service, _group) in known.items() if service == "pgbouncer"), "")
    try:
        said = docker_cli.run(["docker", "exec", container, *_POOL, "--command=SHOW POOLS"], stdin="", timeout=20)
    except FirstbellError:
        return {}
    rows = [row for row in csv.DictReader(io.StringIO(said.out)) if row.get("database") != "pgbouncer"]
    if not rows:
        return {}
    return {
        "clients": sum(int(row["cl_active"]) + int(row["cl_waiting"]) for row in rows),
        "waiting": sum(int(row["cl_waiting"]) for row in rows),
        "active": sum(int(row["sv_active"]) for row in rows),
        "servers": sum(int(row["sv_active"]) + int(row["sv_idle"]) + int(row["sv_used"]) for row in rows),
        "wait": max(int(row["maxwait"]) + int(row["maxwait_us"]) / 1e6 for row in rows),
    }
