# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker Engine API of one host, as much of it as the modules need.

The docker library only carries the requests: what it knows of services ends years
before what the engines know (5.0.3 on Debian 12 has neither ulimits nor sysctls).
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from .._core.errors import FirstbellError
from .._core.service_engine import ConflictError, EngineUnavailableError

try:
    import docker
    import docker.errors
    import requests

    MISSING: str = ""
except ImportError as error:
    MISSING = str(error)

DEFAULT_HOST = "unix:///var/run/docker.sock"
_TIMEOUT = 60.0
_LOG_TIMEOUT = 10.0
_STDOUT, _STDERR = 1, 2
_STREAM_HEADER = struct.Struct(">BxxxI")


class EngineError(FirstbellError):
    """The engine refused a request."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class DockerEngine:
    """Fulfils the protocol ``Engine`` of the core over a docker host's socket."""

    def __init__(self, docker_host: str = DEFAULT_HOST) -> None:
        """Connects at once. Raises EngineUnavailableError where the library or the engine is missing."""
        if MISSING:
            raise EngineUnavailableError(
                f"the Python library docker is missing on this host ({MISSING}); "
                "install it: apt-get install python3-docker"
            )
        try:
            self._client = docker.APIClient(base_url=docker_host, version="auto", timeout=_TIMEOUT)
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise EngineUnavailableError(
                f"docker_host: no engine answers at {docker_host}: {error}; start it, or write the address it has"
            ) from error
        self._prefix = f"{self._client.base_url}/v{self._client.api_version}"

    def cluster_id(self) -> str:
        return str(self._get("/swarm")["ID"])

    def knows_start_interval(self) -> bool:
        """Whether it can check more often while a container starts (Engine API 1.44, Docker 25)."""
        major, minor = str(self._client.api_version).split(".")
        return (int(major), int(minor)) >= (1, 44)

    def service(self, name: str) -> dict[str, Any] | None:
        """The service of exactly this name: the engine would take an id or its beginning as well."""
        try:
            service: dict[str, Any] = self._get(f"/services/{name}")
        except EngineError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return service if service["Spec"]["Name"] == name else None

    def services(self) -> list[dict[str, Any]]:
        services: list[dict[str, Any]] = self._get("/services")
        return services

    def create_service(self, spec: Mapping[str, Any]) -> None:
        self._call("POST", "/services/create", body=spec)

    def update_service(self, service: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        """Replace the spec, if nobody has since the service was read."""
        version = {"version": service["Version"]["Index"]}
        self._call("POST", f"/services/{service['ID']}/update", params=version, body=spec)

    def roll_back(self, service: Mapping[str, Any]) -> None:
        params = {"version": service["Version"]["Index"], "rollback": "previous"}
        self._call("POST", f"/services/{service['ID']}/update", params=params, body=service["Spec"])

    def remove_service(self, name: str) -> None:
        self._delete(f"/services/{name}")

    def tasks(self, service_id: str) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self._get("/tasks", filters={"service": [service_id]})
        return tasks

    def down_nodes(self) -> frozenset[str]:
        return frozenset(node["ID"] for node in self._get("/nodes") if node["Status"]["State"] == "down")

    def networks(self) -> dict[str, str]:
        """Ids by name; where a local network and one of the swarm have the same name, the swarm's."""
        networks = sorted(self._get("/networks"), key=lambda network: bool(network["Scope"] == "swarm"))
        return {network["Name"]: network["Id"] for network in networks}

    def secrets(self) -> list[dict[str, Any]]:
        secrets: list[dict[str, Any]] = self._get("/secrets")
        return secrets

    def create_secret(self, name: str, labels: Mapping[str, str], content: bytes) -> str:
        body = {"Name": name, "Labels": dict(labels), "Data": base64.b64encode(content).decode()}
        return str(self._call("POST", "/secrets/create", body=body).json()["ID"])

    def remove_secret(self, secret_id: str) -> None:
        self._delete(f"/secrets/{secret_id}")

    def containers(self, service: str, ended: bool = False) -> list[str]:
        """Ids of this host's containers of the service; with ``ended`` of those as well that run no more."""
        filters = {"label": [f"com.docker.swarm.service.name={service}"]}
        found = self._get("/containers/json", filters=filters, all="1" if ended else "0")
        return sorted(container["Id"] for container in found)

    def container(self, container_id: str) -> dict[str, Any] | None:
        try:
            container: dict[str, Any] = self._get(f"/containers/{container_id}/json")
        except EngineError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return container

    def signal(self, container_id: str, name: str) -> None:
        self._call("POST", f"/containers/{container_id}/kill", params={"signal": name})

    def task_log(self, task_id: str, lines: int) -> list[str]:
        """The last lines, from whichever host has them; none where the log cannot be read."""
        params = {"stdout": "1", "stderr": "1", "tail": str(lines)}
        try:
            response = self._call("GET", f"/tasks/{task_id}/logs", params=params, timeout=_LOG_TIMEOUT)
        except FirstbellError:
            return []
        return _stream_text(response.content).splitlines()[-lines:]

    def _get(self, path: str, filters: Mapping[str, list[str]] | None = None, **params: str) -> Any:
        if filters:
            params["filters"] = json.dumps(filters)
        return self._call("GET", path, params=params).json()

    def _delete(self, path: str) -> None:
        try:
            self._call("DELETE", path)
        except EngineError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def _call(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: float = _TIMEOUT,
    ) -> Any:
        try:
            response = self._client.request(method, self._prefix + path, params=params, json=body, timeout=timeout)
        except requests.RequestException as error:
            raise FirstbellError(f"the engine does not answer {method} {path}: {error}") from error
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return response
        message = _message(response)
        if "out of sequence" in message or (
            response.status_code == HTTPStatus.CONFLICT and "already exists" in message
        ):
            raise ConflictError(message)
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "not a swarm manager" in message:
            raise EngineUnavailableError(
                f"this host's engine is no manager of a swarm: {message} Run this on a manager, or: docker swarm init",
                no_swarm="swarm init" in message,
            )
        raise EngineError(f"the engine refused {method} {path}: {message}", response.status_code)


def _message(response: Any) -> str:
    try:
        return str(response.json()["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return str(response.text).strip() or f"HTTP {response.status_code}"


def _stream_text(content: bytes) -> str:
    """The text of a log: frames of an 8-byte header and a payload (Engine API, ContainerAttach).

    Frames of another kind than output hold errors of the engine, such as that there is no log.
    """
    parts, position = [], 0
    while position + _STREAM_HEADER.size <= len(content):
        kind, length = _STREAM_HEADER.unpack_from(content, position)
        position += _STREAM_HEADER.size
        if kind in (_STDOUT, _STDERR):
            parts.append(content[position : position + length])
        position += length
    return b"".join(parts).decode("utf-8", "replace")
