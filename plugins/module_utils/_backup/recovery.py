# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that recovers from the repository, in a container of its own, with its log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .._core.backup_config import Limits
from .._core.errors import FirstbellError
from .._io import docker_cli, system
from .host import Host
from .server import Server

_POLL = 0.1
_TAIL = 12


class Recovery:
    """One such server. It ends with the context."""

    def __init__(self, host: Host, name: str, socket: str) -> None:
        self.host = host
        self.name = name
        self.server = Server(socket)

    def __enter__(self) -> Recovery:
        return self

    def __exit__(self, *_error: object) -> None:
        self.host.remove(self.name)

    def start(
        self,
        mounts: Sequence[str],
        settings: Sequence[str],
        network: str,
        limits: Limits,
        shared: int = 256 * 1024 * 1024,
    ) -> None:
        """Let it begin to recover."""
        options = ["--shm-size", str(shared), "--stop-signal", "SIGINT"]
        command = [part for setting in ("listen_addresses=", *settings) for part in ("-c", setting)]
        self.host.start(self.name, command, mounts=mounts, network=network, limits=limits, options=options)

    def wait_until_writable(self, patience: float) -> None:
        """Return when recovery has ended and writes are taken; raises FirstbellError with the log's end."""
        deadline = time.monotonic() + patience
        while not self.server.writable():
            if not self.running():
                raise FirstbellError(f"the server ended while it recovered:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise FirstbellError(f"recovery has not ended after {patience:.0f} s:\n{self.tail()}")
            time.sleep(_POLL)

    def running(self) -> bool:
        name = self.host.container_name(self.name)
        return (
            system.run(["docker", "inspect", "--format", "{{.State.Running}}", name], check=False).out.strip() == "true"
        )

    def log(self) -> str:
        done = system.run(["docker", "logs", self.host.container_name(self.name)], check=False)
        return done.out + done.err

    def tail(self) -> str:
        return "\n".join(self.log().splitlines()[-_TAIL:])

    def execute(self, *command: str) -> system.Result:
        """Run a program beside the server."""
        return docker_cli.run(
            ["docker", "exec", self.host.container_name(self.name), *command], check=False, timeout=86400
        )

    def stop(self, patience: int = 120) -> None:
        """Shut it down in order: all it wrote is on the disk, and archived."""
        name = self.host.container_name(self.name)
        system.run(["docker", "stop", "--time", str(patience), name], timeout=patience + 60)
