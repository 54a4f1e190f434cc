# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as the alert drill sees it: its services, Prometheus, Alertmanager, and what has to be put back."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Callable
from urllib.parse import urlsplit

from .._core.alert_drill.model import Config
from .._core.errors import FirstbellError
from .._io import engine_api, system
from .._io.config_files import HostConfigFiles
from .._io.operations.alertmanager import Alertmanager
from .._io.operations.prometheus import Prometheus

SERVICE_LABEL = "com.docker.swarm.service.name"
OWNER = (1001, 1001)
_POLL = 1.0


def say(text: str) -> None:
    """A line for who typed the command."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def wait_until(predicate: Callable[[], bool], patience: float, problem: str) -> None:
    """Ask until it is so; raises FirstbellError with the problem."""
    deadline = time.monotonic() + patience
    while not predicate():
        if time.monotonic() > deadline:
            raise FirstbellError(f"{problem} within {patience:.0f} s")
        time.sleep(_POLL)


class Host:
    """One host with one stack."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second drill out."""
        os.makedirs(self.config.drill, mode=0o755, exist_ok=True)
        with open(f"{self.config.drill}/lock", "a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FirstbellError("another alert drill is at work on this host; wait for its end") from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    # What is in place, so that a later run can put it back.

    def journal(self) -> dict[str, Any]:
        """By fault: what it needs to be taken back."""
        text = system.read_text(f"{self.config.drill}/journal.json")
        return dict(json.loads(text)) if text else {}

    def note(self, fault: str, facts: Mapping[str, Any]) -> None:
        """Before a fault is put in."""
        system.write_text(f"{self.config.drill}/journal.json", json.dumps({**self.journal(), fault: dict(facts)}))

    def forget(self, fault: str) -> None:
        """After it was taken back."""
        left = {name: facts for name, facts in self.journal().items() if name != fault}
        system.write_text(f"{self.config.drill}/journal.json", json.dumps(left))

    # Services

    def service(self, name: str) -> str:
        """The swarm's name of a service of the stack."""
        return f"{self.config.stack}_{name}"

    def replicas(self, name: str) -> int | None:
        """How many tasks a service should have; None where there is no such service."""
        try:
            found = engine_api.call("GET", f"/services/{self.service(name)}")
        except engine_api.EngineError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return int(found["Spec"]["Mode"].get("Replicated", {}).get("Replicas", 1))

    def scale(self, name: str, replicas: int) -> None:
        """Change the number of its tasks, and do not wait."""
        system.run(["docker", "service", "scale", "--detach", f"{self.service(name)}={replicas}"])

    def containers(self, name: str, *filters: str) -> list[str]:
        """Containers of a service that run on this host; with filters of the engine, those they fit."""
        wanted = [f"--filter={one}" for one in (f"label={SERVICE_LABEL}={self.service(name)}", *filters)]
        return system.run(["docker", "ps", "--quiet", *wanted]).out.split()

    def healthy(self, name: str, replicas: int) -> bool:
        """Whether so many containers of a service are well."""
        wanted = ["--filter", f"label={SERVICE_LABEL}={self.service(name)}", "--filter", "health=healthy"]
        return len(system.run(["docker", "ps", "--quiet", *wanted]).out.split()) >= replicas

    def reload(self, name: str, *paths: str) -> None:
        """Let a service read its files again, and know that it has, as the playbook does."""
        for container in self.containers(name):
            system.run(["docker", "kill", "--signal", "HUP", container])
        self.noted(name, *paths)

    def noted(self, name: str, *paths: str) -> None:
        """That a service knows its files as they are now."""
        files = HostConfigFiles()
        files.note_reloaded(self.service(name), files.newest(list(paths), True))

    # Prometheus and Alertmanager

    def prometheus(self) -> Prometheus:
        """The server as it runs now; raises FirstbellError."""
        return Prometheus(self.config.stack, urlsplit(self.config.prometheus).path, self.config.user)

    def alertmanager(self) -> Alertmanager:
        """The same."""
        return Alertmanager(self.config.stack, urlsplit(self.config.alertmanager).path, self.config.user)

    def firing(self) -> list[dict[str, str]]:
        """Labels of what fires."""
        own = ("__name__", "alertstate")
        found = self.prometheus().query('ALERTS{alertstate="firing"}')
        return [{label: text for label, text in labels.items() if label not in own} for labels, _value in found]

    # Files of the drill

    def folder(self, path: str, mode: int = 0o700) -> str:
        """A directory that the containers may use."""
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        os.chown(path, *OWNER)
        return path

    def remove(self, path: str) -> None:
        """A directory or a file that may be gone."""
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            system.remove(path)
