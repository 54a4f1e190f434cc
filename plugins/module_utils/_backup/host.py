# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as the subcommands see it: its directories, its lock, throw-away containers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

from .._core.backup_config import Config, Limits
from .._core.errors import FirstbellError
from .._io import docker_cli, system

LOCK = "lock"
LOCK_PATIENCE = 3600.0
_POLL = 1.0
#: In the container: nothing else of its root can be written.
SCRATCH = "/tmp"  # noqa: S108


class Host:
    """One host with one stack."""

    def __init__(self, config: Config, patience: float = LOCK_PATIENCE) -> None:
        """``patience``: how many seconds to wait for another command that is at work."""
        self.config = config
        self.patience = patience
        self._held: list[str] = []

    @contextlib.contextmanager
    def lock(self, what: str, patience: float | None = None, name: str = LOCK) -> Iterator[None]:
        """Keep every other backup, drill and restore out; wait for one that is at work, but not for ever."""
        path = f"{self.config.backup}/{name}"
        deadline = time.monotonic() + (self.patience if patience is None else patience)
        with open(path, "a+", encoding="utf-8") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    file.seek(0)
                    holder = file.read().strip() or "another command"
                    if time.monotonic() > deadline:
                        raise FirstbellError(f"{holder} is still at work; wait for its end, then try again") from None
                    time.sleep(_POLL)
            file.truncate(0)
            file.write(f"{what} (process {os.getpid()}, since {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC)\n")
            file.flush()
            self._held.append(name)
            try:
                yield
            finally:
                self._held.pop()
                file.truncate(0)

    def container(
        self,
        name: str,
        command: Sequence[str],
        *,
        mounts: Sequence[str] = (),
        network: str = "none",
        limits: Limits | None = None,
        entrypoint: str = "",
        options: Sequence[str] = (),
        stdin: str | None = None,
        timeout: float = 86400,
        check: bool = True,
        answers: bool = False,
    ) -> system.Result:
        """Run a command in a throw-away container of the database's image; raises CommandError.

        It is confined as the services are: user 1001, read-only root, no capabilities, its own
        limits, and no network unless one is named. Of the host it sees the mounts only.
        ``answers``: it only reads, and always prints something.
        """
        chosen = [*(("--entrypoint", entrypoint) if entrypoint else ()), *options]
        argv = [*self._argv(name, mounts, network, limits, ["--rm", *chosen]), *command]
        try:
            return docker_cli.run(argv, stdin=stdin, timeout=timeout, check=check, answers=answers)
        finally:
            # A client that was killed, or whose time was up, leaves its container behind.
            self.remove(name)

    def command(self, name: str, command: Sequence[str], entrypoint: str, mounts: Sequence[str]) -> list[str]:
        """The same as words, for a pipe."""
        return [*self._argv(name, mounts, "none", None, ["--rm", "--entrypoint", entrypoint]), *command]

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        mounts: Sequence[str] = (),
        network: str = "none",
        limits: Limits | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """The same in the background, until ``remove``."""
        argv = self._argv(name, mounts, network, limits, ["--detach", *options])
        docker_cli.run([*argv, *command])

    def remove(self, name: str) -> None:
        """End and remove a container of ours, if it is there."""
        system.run(["docker", "rm", "--force", "--volumes", self.container_name(name)], check=False)

    def container_name(self, name: str) -> str:
        """Names only what nobody else uses meanwhile, so that one that is there is a dead command's.

        That is what the lock that is held keeps others from, or without one this process.
        """
        whose = self._held[-1].partition(LOCK)[0].rstrip("/.") if self._held else str(os.getpid())
        return f"{self.config.stack}-backup-{name}" + (f"-{whose}" if whose else "")

    def _argv(
        self,
        name: str,
        mounts: Sequence[str],
        network: str,
        limits: Limits | None,
        options: Sequence[str],
    ) -> list[str]:
        limits = limits or self.config.postgres.limits
        self.remove(name)
        return [
            *("docker", "run", "--interactive", "--name", self.container_name(name)),
            *("--network", network, "--user", "1001:1001", "--read-only", "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges", *limits.options()),
            *("--tmpfs", f"{SCRATCH}:mode=1777,size=64m", "--no-healthcheck", "--log-driver", "json-file"),
            *(part for mount in mounts for part in ("--mount", mount)),
            *options,
            self.config.postgres.image,
        ]

    def record(self, name: str, content: Mapping[str, object]) -> str:
        """Keep what was found as JSON, whole or not at all, and return its path."""
        path = f"{self.config.backup}/records/{name}.json"
        system.write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
        return path
