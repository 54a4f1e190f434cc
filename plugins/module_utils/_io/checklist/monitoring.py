# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus says of itself and of what it measures, as the checks judge it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .. import system
from .data import container_of

_CLIENT = "/etc/firstbell/web/client.yml"
#: Of the targets that there are now; a replica that was replaced is one for some seconds more.
_ANSWERED = "max_over_time(up[2m]) and up"
_ABOUT = ("instance", "host", "name", "device", "route", "job")


def gather(stack: str, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Targets, rules and alerts; nothing where the monitoring is switched off."""
    if not expected["enabled"]:
        return {}
    container = container_of(stack, "prometheus")

    def ask(query: str) -> list[dict[str, Any]]:
        argv = ["docker", "exec", container, "promtool", "query", "-o", "json", "instant"]
        said = system.run([*argv, "--http.config.file", _CLIENT, expected["address"], query], stdin="", timeout=30)
        series: list[dict[str, Any]] = json.loads(said.out)
        return series

    def number(query: str) -> int:
        return round(sum(float(series["value"][1]) for series in ask(query)))

    written = system.read_text(expected["rules_file"]) or ""
    return {
        "up": [
            {
                "job": series["metric"].get("job", ""),
                "instance": series["metric"].get("instance", ""),
                "up": series["value"][1] == "1",
            }
            for series in ask(_ANSWERED)
        ],
        "firing": [_alert(series["metric"]) for series in ask('ALERTS{alertstate="firing"}')],
        "rules": number("prometheus_rule_group_rules"),
        "written": len(re.findall(r"(?m)^\s*(?:- )?(?:alert|record):", written)),
        "failures": number("increase(prometheus_rule_evaluation_failures_total[10m])"),
        "alertmanagers": number("prometheus_notifications_alertmanagers_discovered"),
        "notifications_failed": number("increase(alertmanager_notifications_failed_total[10m])"),
    }


def _alert(labels: Mapping[str, str]) -> dict[str, str]:
    about = ", ".join(f"{name} {labels[name]}" for name in _ABOUT if labels.get(name))
    return {"name": labels.get("alertname", ""), "severity": labels.get("severity", ""), "about": about}
