# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alertmanager, told something over its own network, by its API of version 2."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from ..._core.errors import FirstbellError
from . import containers, inside

_PORT = 9093
_PASSWORD = "/run/secrets/password"  # noqa: S105 - a path
_OK = 200


class Alertmanager:
    """One server. ``path`` is where its interface is."""

    def __init__(self, stack: str, path: str, user: str, timeout: float = 30) -> None:
        self._pid = containers.find(stack, "alertmanager")["pid"]
        self._path = path
        self._login = (user, inside.read(self._pid, _PASSWORD).strip())
        self._timeout = timeout

    def alert(self, labels: Mapping[str, str], annotations: Mapping[str, str]) -> None:
        """Hand it an alert, which ends by itself after its resolve_timeout; raises FirstbellError."""
        self._ask("POST", "alerts", [{"labels": dict(labels), "annotations": dict(annotations)}])

    def silence(self, labels: Mapping[str, str], author: str, comment: str, seconds: float) -> None:
        """Hold back what has these labels; raises FirstbellError."""
        now = time.time()
        self._ask(
            "POST",
            "silences",
            {
                "matchers": [
                    {"name": name, "value": value, "isRegex": False, "isEqual": True}
                    for name, value in sorted(labels.items())
                ],
                "startsAt": _moment(now),
                "endsAt": _moment(now + seconds),
                "createdBy": author,
                "comment": comment,
            },
        )

    def silences(self) -> list[Any]:
        """Those that are in force or will be, as the API has them; raises FirstbellError."""
        return [one for one in self._ask("GET", "silences") if one["status"]["state"] != "expired"]

    def alerts(self) -> list[dict[str, str]]:
        """The labels of those that have not ended, silenced and inhibited ones among them; raises FirstbellError."""
        return [dict(one["labels"]) for one in self._ask("GET", "alerts")]

    def end_silences(self, author: str) -> None:
        """End all that are in force and by this author; raises FirstbellError."""
        for one in self._ask("GET", "silences"):
            if one["createdBy"] == author and one["status"]["state"] != "expired":
                self._ask("DELETE", f"silence/{one['id']}")

    def _ask(self, method: str, what: str, content: object = None) -> Any:
        path = f"{self._path}/api/v2/{what}"
        answer = inside.ask(method, self._pid, _PORT, path, timeout=self._timeout, login=self._login, content=content)
        if answer.status != _OK:
            raise FirstbellError(f"Alertmanager refuses {method} {what}: status {answer.status}, {answer.text[:300]}")
        return json.loads(answer.text) if answer.text else None


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
