# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate on the host: systemd starts it for each connection, with the connection as input and output."""

from __future__ import annotations

import argparse
import json
import sys
from http import HTTPStatus
from typing import Any

from .._core.autoscaler.config import Config
from .._core.autoscaler.gate import LONGEST_REQUEST, Request, described, parse_request, scaled
from .._core.errors import FirstbellError
from .._io.engine_api import EngineError, call
from .places import Places

NAME = "gate"
HELP = "answer one request of the autoscaler (started by systemd)"
_ATTEMPTS = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    """None: the request comes over the socket."""


def run(config: Config, _places: Places, _options: argparse.Namespace) -> int:
    """Answer with a line of JSON; a refused request is told in the journal as well."""
    line = sys.stdin.buffer.readline(LONGEST_REQUEST + 2)
    try:
        request = parse_request(line.rstrip(b"\n"), {config.service: (1, config.settings.cap()[0])})
        answer = answered(request)
    except FirstbellError as error:
        sys.stderr.write(f"refused: {error}\n")
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def answered(request: Request) -> dict[str, Any]:
    """Read the service, or change its replicas; a service that changed in between is read again."""
    for attempt in range(1, _ATTEMPTS + 1):
        service = find(request.service)
        found = described(service)
        if request.replicas is None or request.replicas == found["replicas"]:
            return found
        if found["busy"]:  # a new specification would be what a failed roll-out returns to
            raise FirstbellError(f"{request.service} is being updated")
        body, version = scaled(service, request.replicas), service["Version"]["Index"]
        try:
            call("POST", f"/services/{service['ID']}/update", body, version=version)
        except EngineError as error:
            if attempt == _ATTEMPTS or "out of sequence" not in str(error):
                raise
            continue
        sys.stderr.write(f"{request.service}: {found['replicas']} -> {request.replicas} replicas\n")
        return {**found, "replicas": request.replicas}
    raise FirstbellError(f"{request.service} keeps changing")


def find(name: str) -> dict[str, Any]:
    """The service of exactly this name, with the number of its running tasks."""
    filters = json.dumps({"name": [name]})
    services: list[dict[str, Any]] = call("GET", "/services", filters=filters, status="true")
    for service in services:
        if service["Spec"]["Name"] == name:
            return service
    raise EngineError(f"there is no service {name}", HTTPStatus.NOT_FOUND)
