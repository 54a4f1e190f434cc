# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bringing a service about needs of the world outside: an engine and some files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from .errors import FirstbellError


class EngineUnavailableError(FirstbellError):
    """No engine answers here, or it is no manager. ``no_swarm``: it answers and is in no swarm at all."""

    def __init__(self, message: str, *, no_swarm: bool = False) -> None:
        super().__init__(message)
        self.no_swarm = no_swarm


class ConflictError(FirstbellError):
    """Somebody else wrote between our reading and our writing."""


class ServiceError(FirstbellError):
    """The service is not what was wanted; ``result`` is what was done until then."""

    def __init__(self, message: str, result: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.result = dict(result)


class Engine(Protocol):
    """What is needed of a swarm manager's engine. Answers are those of the Engine API."""

    def cluster_id(self) -> str: ...
    def knows_start_interval(self) -> bool: ...
    def service(self, name: str) -> dict[str, Any] | None: ...
    def services(self) -> list[dict[str, Any]]: ...
    def create_service(self, spec: Mapping[str, Any]) -> None: ...
    def update_service(self, service: Mapping[str, Any], spec: Mapping[str, Any]) -> None: ...
    def roll_back(self, service: Mapping[str, Any]) -> None: ...
    def remove_service(self, name: str) -> None: ...
    def tasks(self, service_id: str) -> list[dict[str, Any]]: ...
    def down_nodes(self) -> frozenset[str]: ...
    def networks(self) -> dict[str, str]: ...
    def secrets(self) -> list[dict[str, Any]]: ...
    def create_secret(self, name: str, labels: Mapping[str, str], content: bytes) -> str: ...
    def remove_secret(self, secret_id: str) -> None: ...
    def containers(self, service: str, ended: bool = False) -> list[str]: ...
    def container(self, container_id: str) -> dict[str, Any] | None: ...
    def signal(self, container_id: str, name: str) -> None: ...
    def task_log(self, task_id: str, lines: int) -> list[str]: ...


class ConfigFiles(Protocol):
    """The files of this host that a service reads, and the note of the last reload."""

    def newest(self, paths: list[str], missing_ok: bool) -> int: ...
    def reloaded(self, service: str) -> int: ...
    def note_reloaded(self, service: str, newest: int) -> None: ...
    def forget(self, service: str) -> None: ...


class NoEngine:
    """A host without an engine or without a swarm, as check mode sees it: nothing is there yet."""

    def cluster_id(self) -> str:
        return ""

    def knows_start_interval(self) -> bool:
        return True

    def service(self, _name: str) -> None:
        return None

    def secrets(self) -> list[dict[str, Any]]:
        return []

    def networks(self) -> dict[str, str]:
        return {}

    def containers(self, *_service: str, **_which: bool) -> list[str]:
        return []
