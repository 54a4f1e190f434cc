# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus, asked over its own network."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

from ..._core.errors import FirstbellError
from . import containers, inside

_PORT = 9090
_PASSWORD = "/run/secrets/password"  # noqa: S105 - a path
_OK = 200

Points = list[tuple[float, float]]
"""Moments in seconds since 1970, and values."""


class Prometheus:
    """One server. ``path`` is where its interface is."""

    def __init__(self, stack: str, path: str, user: str, timeout: float = 30) -> None:
        self._pid = containers.find(stack, "prometheus")["pid"]
        self._path = path
        self._login = (user, inside.read(self._pid, _PASSWORD).strip())
        self._timeout = timeout

    def query(self, query: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series of an instant query; raises FirstbellError."""
        found = self._ask("query", {"query": query, **({} if at is None else {"time": f"{at:.3f}"})})
        return [(series["metric"], float(series["value"][1])) for series in found]

    def range(self, query: str, start: float, end: float, step: float) -> list[tuple[dict[str, str], Points]]:
        """Labels and points of each series between two moments."""
        options = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.0f}"}
        return [
            (series["metric"], [(float(at), float(value)) for at, value in series["values"]])
            for series in self._ask("query_range", options)
        ]

    def _ask(self, kind: str, options: dict[str, str]) -> list[dict[str, Any]]:
        path = f"{self._path}/api/v1/{kind}?{urllib.parse.urlencode(options)}"
        answer = inside.get(self._pid, _PORT, path, self._timeout, self._login)
        try:
            said = json.loads(answer.text)
            if answer.status == _OK and said["status"] == "success":
                return list(said["data"]["result"])
        except (ValueError, KeyError, TypeError):
            said = {"error": f"status {answer.status}"}
        raise FirstbellError(f"Prometheus refuses {options['query']}: {said.get('error', answer.status)}")


def gather(stack: str, path: str, user: str) -> dict[str, Any]:
    """What fires, since when each condition holds, what does not answer, and what was killed for memory in an hour."""
    server = Prometheus(stack, path, user, timeout=15)
    return {
        "firing": [labels for labels, _value in server.query('ALERTS{alertstate="firing",severity=~"page|warning"}')],
        "since": list(server.query("ALERTS_FOR_STATE")),
        "kills": kills(server, "1h"),
        "down": [labels for labels, _value in server.query("up == 0 and max_over_time(up[2m]) == 0")],
    }


def kills(server: Prometheus, span: str) -> dict[str, float]:
    """Processes killed for lack of memory within a time such as 1h, by the container's name; raises FirstbellError."""
    counter = "container_oom_events_total"
    query = f"max by (name) (increase({counter}[{span}]) > 0 or ({counter} > 0 unless {counter} offset {span}))"
    return {labels.get("name", ""): value for labels, value in server.query(query)}
