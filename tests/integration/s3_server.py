# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away S3 server over TLS: OpenStack Swift in a container, with credentials and a bucket of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from integration.harness import ROOT

PROGRAM = ROOT / "extensions" / "molecule" / "shared" / "s3" / "s3-server"


@dataclass(frozen=True)
class Server:
    """How to reach it. ``ca`` is its authority's certificate, ``host`` the name in its own one."""

    container: str
    endpoint: str
    host: str
    address: str
    region: str
    bucket: str
    access_key: str
    secret_key: str
    ca: str

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Requests are answered by nobody for as long as the context lasts."""
        subprocess.run(["docker", "pause", self.container], check=True, capture_output=True)
        try:
            yield
        finally:
            subprocess.run(["docker", "unpause", self.container], check=True, capture_output=True)


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server on the engine's default network for as long as the context lasts."""
    name = f"fbtest-s3-{uuid.uuid4().hex[:8]}"
    try:
        started = subprocess.run([PROGRAM, "start", name], check=True, stdout=subprocess.PIPE, text=True)
        yield Server(container=name, **json.loads(started.stdout))
    finally:
        subprocess.run([PROGRAM, "stop", name], check=True, capture_output=True)
