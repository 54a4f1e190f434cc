# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service asks of others: the gate over its socket, Prometheus over HTTP."""

from __future__ import annotations

import base64
import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from .._core.errors import FirstbellError

_MOST = 65536


def ask_gate(path: str, service: str, replicas: int | None = None, timeout: float = 20) -> dict[str, Any]:
    """State of the service, after its replicas were changed if that is asked for; FirstbellError with the reason."""
    request: dict[str, object] = {"service": service}
    if replicas is not None:
        request["replicas"] = replicas
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline(_MOST))
    except (OSError, ValueError) as error:
        raise FirstbellError(f"the gate {path} does not answer: {error}") from error
    if not isinstance(answer, dict) or "error" in answer:
        raise FirstbellError(f"the gate refuses: {answer.get('error') if isinstance(answer, dict) else answer}")
    return answer


def ask_prometheus(base: str, query: str, user: str = "", password: str = "", timeout: float = 5) -> Any:
    """The answer to an instant query as it came; None where there is none."""
    address = f"{base}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    request = urllib.request.Request(address)  # noqa: S310  (the configuration allows http and https only)
    if user:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None
