# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the host for a load test and closes it again.

A unit of systemd holds it open. When its time is over, when it is stopped and when it dies, systemd itself runs
``shut``; a boot removes the file for nginx (tmpfiles.d). So nothing stays open after a controller that went away.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import sys
import time
from datetime import datetime, timezone

from .._core.errors import FirstbellError
from .._core.load import window
from .._io import engine_api, postgres, system

_OPENS = 15.0
_PROBE = 10.0
_DATABASE = 60.0
_POLL = 0.2


def open_window(config: window.Config) -> None:
    """Write the test data, let the generator in, and start to measure. Prints its address and the users' password."""
    request = window.parse_request(sys.stdin.read())
    if _active(config):
        raise FirstbellError(
            f"a load test of {config.stack} is under way; wait for its end, or: {config.command} close"
        )
    shutil.rmtree(config.runtime, ignore_errors=True)
    os.makedirs(config.runtime, mode=0o700)
    address = _generator(config, request.probe)
    until = time.time() + request.seconds
    password = secrets.token_urlsafe(24)
    variables = {**request.variables, "load_test.password": password, "load_test.scrypt": _scrypt(password)}
    state = {"address": address, "until": until, "clean": request.clean, "variables": dict(request.variables)}
    system.write_text(f"{config.runtime}/state.json", json.dumps(state), mode=0o600)
    try:
        # What a run that was cut off has left, first.
        _sql(config, request.clean, request.variables)
        _sql(config, request.prepare, variables)
        _start(config, request.seconds)
    except BaseException:
        shut(config)
        raise
    sys.stdout.write(json.dumps({"address": address, "password": password}) + "\n")


def close(config: window.Config) -> None:
    """End it, and print the samples. Whether its time was over before is said as well."""
    expired = not _active(config)
    if not expired:
        system.run(["systemctl", "stop", config.unit], stdin="", timeout=_DATABASE + 60)
    lines = (system.read_text(f"{config.runtime}/samples.jsonl") or "").splitlines()
    left = (
        system.read_text(config.trust_file) is not None or system.read_text(f"{config.runtime}/state.json") is not None
    )
    if left:
        shut(config)
    shutil.rmtree(config.runtime, ignore_errors=True)
    sys.stdout.write(json.dumps({"expired": expired, "samples": [json.loads(line) for line in lines]}) + "\n")


def shut(config: window.Config) -> None:
    """Let nobody in any more and delete the test data; safe to repeat."""
    if system.read_text(config.trust_file) is not None:
        system.remove(config.trust_file)
        reload_edge(config)
    text = system.read_text(f"{config.runtime}/state.json")
    if text is None:
        return
    state = json.loads(text)
    deadline = time.monotonic() + _DATABASE
    while True:
        try:
            _sql(config, state["clean"], state["variables"])
            break
        except postgres.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
    system.remove(f"{config.runtime}/state.json")


def reload_edge(config: window.Config) -> None:
    """Have every nginx of this host read its configuration again; one that is not there will read it anyway."""
    for container in edge_containers(config):
        engine_api.call("POST", f"/containers/{container}/kill", signal="HUP")


def edge_containers(config: window.Config) -> list[str]:
    filters = json.dumps({"label": [f"com.docker.swarm.service.name={config.stack}_nginx"]})
    return [str(one["Id"]) for one in engine_api.call("GET", "/containers/json", filters=filters)]


def _active(config: window.Config) -> bool:
    said = system.run(["systemctl", "is-active", config.unit], stdin="", check=False).out.strip()
    return said in ("active", "activating", "deactivating", "reloading")


def _generator(config: window.Config, probe: str) -> str:
    """Where the generator's requests come from, as nginx sees it: behind a router not by its own address."""
    deadline = time.monotonic() + _PROBE
    while time.monotonic() < deadline:
        for container in edge_containers(config):
            said = system.run(["docker", "logs", "--since", "2m", container], stdin="", check=False, timeout=30)
            address = window.probing_client(iter(said.out.splitlines()), probe)
            if address:
                return address
        time.sleep(_POLL * 5)
    path = window.probe_path(probe)
    raise FirstbellError(f"nginx on this host has seen no request for {path}: the generator's requests go elsewhere")


def _sql(config: window.Config, text: str, variables: object) -> None:
    if not text:
        return
    login = {name: option.get("default") for name, option in postgres.ARGUMENTS.items()}
    login.update(login_unix_socket=config.socket, login_db=config.database, session_role=config.role)
    settings = {**dict(variables), "statement_timeout": "5min", "lock_timeout": "10s"}  # type: ignore[call-overload]
    with postgres.connect(login, settings, application="firstbell load test") as session:
        session.script(text)


def _scrypt(password: str) -> str:
    """Salt and key in base64 with a ``$`` between them, at N 16384, r 8, p 1."""
    salt = secrets.token_bytes(16)
    key = hashlib.scrypt(password.encode(), salt=salt, n=16384, r=8, p=1, dklen=32)
    return f"{base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def _start(config: window.Config, seconds: int) -> None:
    program = f"/usr/local/sbin/{config.command}"
    system.run(
        [
            *("systemd-run", "--quiet", "--collect", f"--unit={config.unit}", "--description=Load test of the stack"),
            *("--property=Type=exec", f"--property=RuntimeMaxSec={seconds}", f"--property=ExecStopPost={program} shut"),
            *("--property=TimeoutStopSec=90", "--property=OOMPolicy=continue", program, "watch"),
        ],
        stdin="",
    )
    deadline = time.monotonic() + _OPENS
    while not os.path.exists(f"{config.runtime}/open"):
        if time.monotonic() > deadline or not _active(config):
            said = system.run(
                ["journalctl", "--no-pager", "--lines=5", "--output=cat", f"--unit={config.unit}"], check=False
            )
            raise FirstbellError(f"{config.unit} did not open: {said.out.strip()}")
        time.sleep(_POLL)


def until_text(state: str) -> tuple[str, str]:
    """Address and end of a state."""
    content = json.loads(state)
    end = datetime.fromtimestamp(content["until"], tz=timezone.utc)
    return str(content["address"]), f"{end:%Y-%m-%dT%H:%M:%SZ}"
