# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker engine that manages a swarm, and an image to run in it, for tests.

The engine is that of DOCKER_HOST, or this machine's. If it is in no swarm, it is
made one of its own and leaves it afterwards. The image is a static busybox: from
this machine, or out of the package busybox-static.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

HOST = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
IMAGE = "fbtest-swarm/busybox:1"
#: What the tests make begins with this, and goes when they end.
PREFIX = "fbtest-swarm"
_APPLETS = ("sh", "sleep", "cat", "stat", "touch", "test", "true", "false", "rm")


@dataclass(frozen=True)
class SwarmEngine:
    """The engine behind the module, for looking at what it did and for doing things by hand."""

    client: docker.APIClient

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        url = f"{self.client.base_url}/v{self.client.api_version}{path}"
        response = self.client.request(method, url, json=body, params=params, timeout=60)
        assert response.status_code < 400, f"{method} {path}: {response.text}"
        return response.json() if response.content else None

    def service(self, name: str) -> dict[str, Any]:
        service: dict[str, Any] = self.call("GET", f"/services/{name}")
        return service

    def exists(self, name: str) -> bool:
        return any(service["Spec"]["Name"] == name for service in self.call("GET", "/services"))

    def change(self, name: str, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change a service by hand, as ``docker service update`` does."""
        service = self.service(name)
        edit(service["Spec"])
        self.call("POST", f"/services/{service['ID']}/update", service["Spec"], version=service["Version"]["Index"])

    def containers(self, name: str) -> list[dict[str, Any]]:
        filters = json.dumps({"label": [f"com.docker.swarm.service.name={name}"]})
        return [self.inspect(c["Id"]) for c in self.call("GET", "/containers/json", filters=filters)]

    def inspect(self, container: str) -> dict[str, Any]:
        inspected: dict[str, Any] = self.call("GET", f"/containers/{container}/json")
        return inspected

    def secret_names(self, service: str) -> list[str]:
        secrets = self.call("GET", "/secrets")
        return sorted(s["Spec"]["Name"] for s in secrets if s["Spec"]["Name"].startswith(service + "_"))

    def run(self, container: str, *command: str) -> str:
        process = self.client.exec_create(container, list(command))
        return str(self.client.exec_start(process["Id"]).decode())

    def log(self, container: str) -> str:
        return str(self.client.logs(container).decode())


@contextmanager
def running() -> Iterator[SwarmEngine]:
    """The engine in a swarm, with the image and the network ``<PREFIX>_net``."""
    client = docker.APIClient(base_url=HOST, version="auto")
    engine = SwarmEngine(client)
    joined = client.info()["Swarm"]["LocalNodeState"] != "active"
    if joined:
        client.init_swarm(advertise_addr="127.0.0.1")
    try:
        _import_image(client)
        network = client.create_network(f"{PREFIX}_net", driver="overlay", attachable=True)["Id"]
        try:
            yield engine
        finally:
            _clean(engine, network)
    finally:
        if joined:
            client.leave_swarm(force=True)
        client.remove_image(IMAGE, force=True)


def until(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def _clean(engine: SwarmEngine, network: str) -> None:
    def left(kind: str, name: Callable[[Mapping[str, Any]], str]) -> list[str]:
        found = engine.call("GET", kind)
        return [str(item["ID"]) for item in found if name(item).startswith(PREFIX)]

    for service in left("/services", lambda item: str(item["Spec"]["Name"])):
        engine.call("DELETE", f"/services/{service}")
    for secret in left("/secrets", lambda item: str(item["Spec"]["Name"])):
        engine.call("DELETE", f"/secrets/{secret}")
    filters = json.dumps({"name": [f"{PREFIX}-"]})
    until(lambda: not engine.call("GET", "/containers/json", all="1", filters=filters), "containers are gone", 40)
    engine.call("DELETE", f"/networks/{network}")


def _import_image(client: docker.APIClient) -> None:
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=archive, mode="w") as tar:
        for path, mode in ((".", 0o755), ("bin", 0o755), ("tmp", 0o1777)):
            directory = tarfile.TarInfo(path)
            directory.type, directory.mode = tarfile.DIRTYPE, mode
            tar.addfile(directory)
        tar.add(_busybox(Path(folder)), "bin/busybox")
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    repository, _colon, tag = IMAGE.partition(":")
    client.import_image_from_data(archive.getvalue(), repository=repository, tag=tag)


def _busybox(folder: Path) -> Path:
    """A busybox that needs no library."""
    found = shutil.which("busybox")
    if found and b"not a dynamic" in subprocess.run(["ldd", found], capture_output=True, check=False).stderr:
        return Path(found)
    subprocess.run(["apt-get", "-qq", "download", "busybox-static"], cwd=folder, check=True, capture_output=True)
    (package,) = folder.glob("busybox-static*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
    return next(path for path in folder.rglob("bin/busybox") if path.is_file())
