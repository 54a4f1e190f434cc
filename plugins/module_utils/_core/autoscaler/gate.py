# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate: what the autoscaler may ask of the engine, which is one thing.

A request is one line of JSON, ``{"service": NAME}`` to read the number of replicas, or ``{"service":
NAME, "replicas": COUNT}`` to change it, for named services and within their bounds.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..units import shown

LONGEST_REQUEST = 512
_KEYS = ("service", "replicas")
_BUSY = ("updating", "paused", "rollback_started", "rollback_paused")


@dataclass(frozen=True)
class Request:
    """``replicas`` of None only reads."""

    service: str
    replicas: int | None


def parse_request(line: bytes, allowed: Mapping[str, tuple[int, int]]) -> Request:
    """A request for one of the ``allowed`` services, between its least and most replicas."""
    if len(line) > LONGEST_REQUEST:
        raise InputError(f"a request has at most {LONGEST_REQUEST} bytes")
    try:
        data = json.loads(line.decode("ascii"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise InputError("a request is one line of JSON in ASCII") from None
    if not isinstance(data, dict) or not set(data) <= set(_KEYS):
        raise InputError("a request has service and replicas, and nothing else")
    service, replicas = data.get("service"), data.get("replicas")
    if not isinstance(service, str) or service not in allowed:
        raise InputError(f"{shown(service)} is no service that may be scaled")
    if "replicas" not in data:
        return Request(service, None)
    least, most = allowed[service]
    if isinstance(replicas, bool) or not isinstance(replicas, int) or not least <= replicas <= most:
        raise InputError(f"replicas: {shown(replicas)} is no number from {least} to {most}")
    return Request(service, replicas)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({pair[0] for pair in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def described(service: Mapping[str, Any]) -> dict[str, Any]:
    """What the autoscaler may know of a service: replicas ordered and running, and whether it is being updated."""
    mode = service["Spec"]["Mode"]
    if "Replicated" not in mode:
        raise InputError(f"{service['Spec']['Name']} has no replicas; its mode is {', '.join(mode)}")
    return {
        "replicas": int(mode["Replicated"].get("Replicas") or 0),
        "running": int((service.get("ServiceStatus") or {}).get("RunningTasks") or 0),
        "busy": ((service.get("UpdateStatus") or {}).get("State") or "") in _BUSY,
    }


def scaled(service: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """The service's specification with another number of replicas, and nothing else changed."""
    spec: dict[str, Any] = copy.deepcopy(dict(service["Spec"]))
    spec["Mode"]["Replicated"]["Replicas"] = replicas
    return spec
