# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis of the stack: a consistent copy of its data, and its return."""

from __future__ import annotations

import os
import shutil
import time

from .._core import redis_save
from .._core.errors import FirstbellError
from .._core.redis_save import Dump, Persistence
from .._io import docker_cli, redis_files, system
from .files import Files

UID = 1001
PATIENCE = 300.0
_POLL = 0.2


class Redis:
    """The service ``<stack>_redis`` and its data on this host."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.service = f"{files.host.config.stack}_redis"
        self.data = f"{files.host.config.directory}/data/redis"

    # -- a copy

    def stage(self, directory: str) -> Dump:
        """Let Redis write its data down, and put them into an empty directory; what they hold."""
        self._save()
        target = f"{directory}/{redis_save.DUMP}"
        source = f"{self.data}/{redis_save.DUMP}"
        try:
            # Redis replaces the file by another one, so a link keeps what it is now.
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
        return self.read(target)

    def read(self, path: str) -> Dump:
        """What a dump holds; raises FirstbellError for a damaged one."""
        config = self.files.config
        self.files.host.remove("redis-check")
        done = docker_cli.run(
            [
                *("docker", "run", "--rm", "--name", self.files.host.container_name("redis-check")),
                *("--network", "none", "--user", f"{UID}:{UID}", "--read-only", "--cap-drop", "ALL"),
                *("--security-opt", "no-new-privileges", "--no-healthcheck", "--log-driver", "none"),
                *config.limits.options(),
                *("--mount", f"type=bind,source={path},target=/{redis_save.DUMP},readonly"),
                *("--entrypoint", "redis-check-rdb", config.redis_image, f"/{redis_save.DUMP}"),
            ],
            check=False,
            timeout=3600,
        )
        return redis_save.checked(done.code, done.out + done.err)

    def _save(self) -> None:
        before = self._persistence()
        end = time.monotonic() + PATIENCE
        while before.saving or before.loading:
            self._wait(end, "is still busy")
            before = self._persistence()
        if before.appends and redis_files.lost(self.data):
            self.ask("BGREWRITEAOF")
            while redis_files.lost(self.data):
                self._wait(end, "has not written anew what it starts from")
        said = self.ask("BGSAVE SCHEDULE")
        if "Background saving" not in said:
            raise FirstbellError(f"Redis does not save, it said: {' '.join(said.split())[:200]}")
        while not redis_save.has_saved(before, self._persistence()):
            self._wait(end, "has not written its dump")

    @staticmethod
    def _wait(end: float, what: str) -> None:
        if time.monotonic() > end:
            raise FirstbellError(f"Redis {what} after {PATIENCE:g} s; see: docker service logs")
        time.sleep(_POLL)

    def _persistence(self) -> Persistence:
        return redis_save.persistence(self.ask("INFO persistence"))

    def ask(self, command: str) -> str:
        """What Redis answers to its user for backups. The password goes through standard input."""
        password = system.read_text(f"{self.files.directory}/redis-password") or ""
        argv = ["docker", "exec", "--interactive", self._container(), "redis-cli", "-s", "/run/redis/redis.sock"]
        return docker_cli.run(argv, stdin=redis_save.commands(password.strip(), command), check=False).out

    def _container(self) -> str:
        found = self._containers()
        if not found:
            raise FirstbellError(
                f"Redis does not run on this host (service {self.service}); run the playbook site, or see: "
                f"docker service ps {self.service}"
            )
        return found[0]

    def _containers(self) -> list[str]:
        label = f"label=com.docker.swarm.service.name={self.service}"
        return system.run(["docker", "ps", "--quiet", "--filter", label]).out.split()

    # -- its return

    def assemble(self, dump: str, directory: str) -> None:
        """What Redis must find to start with a dump."""
        folder = f"{directory}/{redis_save.AOF_FOLDER}"
        os.mkdir(folder)
        shutil.copyfile(dump, f"{folder}/{redis_save.AOF_BASE}")
        system.write_text(f"{folder}/{redis_save.AOF_MANIFEST}", redis_save.AOF_MANIFEST_TEXT)
        for path in (folder, *(os.path.join(folder, name) for name in os.listdir(folder))):
            os.chown(path, UID, UID)

    def stop(self) -> None:
        """End the service's containers; whoever asked for sessions waits for its start."""
        self._scale(0)
        end = time.monotonic() + PATIENCE
        while self._containers():
            self._wait(end, "has not stopped")

    def start(self) -> None:
        """Start the service and wait until it has read its data."""
        self._scale(1)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if not self._persistence().loading:
                    return
            except FirstbellError:
                pass
            self._wait(end, "does not answer")

    def _scale(self, replicas: int) -> None:
        system.run(["docker", "service", "scale", "--detach", f"{self.service}={replicas}"])
