# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus says of itself and of what it measures, as the checks judge it."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from ..._core.alert_drill.model import ANNOUNCEMENT, AUTHOR
from ..._core.checklist.monitoring import WATCHDOG
from ..._core.errors import FirstbellError
from .. import system
from ..operations.alertmanager import Alertmanager
from ..operations.prometheus import Prometheus
from . import mail

#: Of the targets that there are now; a replica that was replaced is one for some seconds more.
_ANSWERED = "max_over_time(up[2m]) and up"
#: Their configuration, below the role's folder.
_READ = {
    "prometheus": ("prometheus/prometheus.yml", "prometheus/rules.yml"),
    "alertmanager": ("alertmanager/alertmanager.yml",),
}
_FIRING = 'ALERTS{alertstate="firing"}'
#: Of an alert that has just ended, Alertmanager may not know yet.
_FIRED = 'count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[10m]))'
_STARTED = 'process_start_time_seconds{job="prometheus"}'
#: Seconds after its start in which Prometheus may not have scraped all targets and evaluated all rules once.
_YOUNG = 120
_PAUSE = 3.0
#: How a silence compares, by whether it has to be equal, and to an expression.
_SIGNS = {(True, False): "=", (True, True): "=~", (False, False): "!=", (False, True): "!~"}
_ABOUT = ("instance", "host", "name", "device", "route", "job")


def gather(stack: str, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Targets, rules and alerts; nothing where the monitoring is switched off."""
    if not expected["enabled"]:
        return {}
    prometheus = Prometheus(stack, urlsplit(expected["address"]).path, expected["user"])

    def number(query: str) -> int:
        return round(sum(value for _labels, value in prometheus.query(query)))

    firing = _firing(prometheus)
    written = system.read_text(expected["rules_file"]) or ""
    folder = os.path.dirname(os.path.dirname(expected["rules_file"]))
    return {
        "up": [
            {
                "job": labels.get("job", ""),
                "instance": labels.get("instance", ""),
                "up": value == 1,
            }
            for labels, value in prometheus.query(_ANSWERED)
        ],
        "firing": [_alert(labels) for labels in firing],
        "rules": number("prometheus_rule_group_rules"),
        "written": len(re.findall(r"(?m)^\s*(?:- )?(?:alert|record):", written)),
        "unread": [
            name
            for name, files in _READ.items()
            if number(f"{name}_config_last_reload_successful") != 1
            or system.changed_after(
                max((f"{folder}/{file}" for file in files), key=system.changed_at),
                number(f"{name}_config_last_reload_success_timestamp_seconds"),
            )
        ],
        "silences": _silences(stack, expected),
        "invented": _invented(stack, expected, prometheus),
        "mail_refused": mail.gather(stack, expected["mail"]),
        "failures": number("increase(prometheus_rule_evaluation_failures_total[10m])"),
        "alertmanagers": number("prometheus_notifications_alertmanagers_discovered"),
        "notifications_failed": number("increase(alertmanager_notifications_failed_total[10m])"),
    }


def _firing(prometheus: Prometheus) -> list[dict[str, str]]:
    """What fires, the heartbeat always among it. A Prometheus that was just started may not know yet: wait for it."""
    deadline = time.monotonic() + _YOUNG
    while True:
        firing = [labels for labels, _value in prometheus.query(_FIRING)]
        beats = WATCHDOG in {labels.get("alertname") for labels in firing}
        # Nothing before it has scraped itself.
        started = [] if beats else [value for _labels, value in prometheus.query(_STARTED)]
        if beats or time.monotonic() > deadline or (started and time.time() - started[0] > _YOUNG):
            return firing
        time.sleep(_PAUSE)


def _silences(stack: str, expected: Mapping[str, Any]) -> list[dict[str, str]]:
    """Those in force, and to come; none of an Alertmanager that does not answer, as others tell of that."""
    found = []
    with contextlib.suppress(FirstbellError):
        found = Alertmanager(stack, expected["alertmanager_path"], expected["user"]).silences()
    return [
        {
            "id": one["id"],
            "by": one["createdBy"],
            "since": one["startsAt"][:16].replace("T", " ") if one["status"]["state"] == "pending" else "",
            "until": one["endsAt"][:16].replace("T", " "),
            "covers": ", ".join(_matcher(matcher) for matcher in one["matchers"]),
        }
        for one in found
        if not _left_over(one)
    ]


def _invented(stack: str, expected: Mapping[str, Any], prometheus: Prometheus) -> list[str]:
    """Names of alerts that Alertmanager has from somebody else, which may hold others back."""
    strange: set[str] = set()
    with contextlib.suppress(FirstbellError):
        has = Alertmanager(stack, expected["alertmanager_path"], expected["user"]).alerts()
        strange = {one["alertname"] for one in has} - {ANNOUNCEMENT}
    # Of one that a Prometheus which just started has fired, it can be asked only some evaluations later.
    end = time.monotonic() + _YOUNG
    while strange:
        strange -= {labels["alertname"] for labels, _value in prometheus.query(_FIRED)}
        started = [value for _labels, value in prometheus.query(_STARTED)] if strange else []
        if not strange or time.monotonic() > end or (started and time.time() - started[0] > _YOUNG):
            break
        time.sleep(_PAUSE)
    return sorted(strange)


def _left_over(silence: Mapping[str, Any]) -> bool:
    """Whether a drill made it, for an alert by its name that it has left firing, and for so short a time."""
    names = [one for one in silence["matchers"] if one["name"] == "alertname"]
    by_name = bool(names) and all(one.get("isEqual", True) and not one["isRegex"] for one in names)
    began, ends = (datetime.fromisoformat(silence[when][:19]) for when in ("startsAt", "endsAt"))
    return silence["createdBy"] == AUTHOR and by_name and ends - began < timedelta(minutes=30)


def _matcher(one: Mapping[str, Any]) -> str:
    return f'{one["name"]}{_SIGNS[one.get("isEqual", True), one["isRegex"]]}"{one["value"]}"'


def _alert(labels: Mapping[str, str]) -> dict[str, str]:
    about = ", ".join(f"{name} {labels[name]}" for name in _ABOUT if labels.get(name))
    return {"name": labels.get("alertname", ""), "severity": labels.get("severity", ""), "about": about}
