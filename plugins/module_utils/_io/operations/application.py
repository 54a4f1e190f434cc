# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's replicas, asked directly: past edge and balancer."""

from __future__ import annotations

import re
from typing import Any

from . import containers, inside

_LINE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(\{[^}]*\})? ([-+0-9.eE]+|NaN|[+-]Inf)", re.MULTILINE)
_PATIENCE = 5.0


def gather(stack: str, port: int, path: str, metrics_path: str) -> dict[str, Any]:
    """How soon each replica answers, and the metrics that say how it is."""
    found = []
    for one in containers.find_all(stack, "app"):
        entry: dict[str, Any] = {"name": one["name"], "seconds": None, "status": 0, "error": "", "metrics": {}}
        try:
            answer = inside.get(one["pid"], port, path, timeout=_PATIENCE)
            entry.update(seconds=answer.seconds, status=answer.status)
            if metrics_path:
                text = inside.get(one["pid"], port, metrics_path, timeout=_PATIENCE).text
                entry["metrics"] = {name + labels: float(value) for name, labels, value in _LINE.findall(text)}
        except inside.UnreachableError as error:
            entry["error"] = str(error)
        found.append(entry)
    return {"replicas": found, "has_metrics": bool(metrics_path)}
