# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the test receiver wrote down: one line of JSON for each webhook and each mail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .model import MAIL, WAYS, WEBHOOK, Notice

#: Alertmanager's own subject: "[FIRING:2] CacheDown (cache academy page)".
_SUBJECT = re.compile(r"\[(FIRING|RESOLVED)(?::\d+)?\]\s+(\w+)")


def parse(text: str) -> list[Notice]:
    """All notices, in the order in which they came; a line that is half written is left for the next time."""
    whole = text[: text.rfind("\n") + 1]
    return [notice for line in whole.splitlines() for notice in _notices(json.loads(line))]


def _notices(line: Mapping[str, Any]) -> list[Notice]:
    at = float(line["at"])
    if line["way"] not in WAYS:
        return []
    if line["way"] == WEBHOOK:
        return [
            Notice(WEBHOOK, at, alert["status"], alert["labels"]["alertname"], alert["labels"])
            for alert in line["alerts"]
        ]
    subject = _SUBJECT.search(" ".join(str(line["subject"]).split()))
    # Only a mail that came over TLS, from somebody who signed in, is one that a mail server would take.
    if subject is None or not line["tls"] or not line["user"]:
        return []
    return [Notice(MAIL, at, subject[1].lower(), subject[2], text=str(line["text"]))]


def arrival(notices: Iterable[Notice], way: str, labels: Mapping[str, str], after: float) -> float | None:
    """When the first notice came that an alert with these labels fires; None where there is none yet."""
    times = [one.at for one in notices if one.way == way and one.at >= after and tells_of(one, labels)]
    return min(times, default=None)


def ended(notices: Iterable[Notice], labels: Mapping[str, str], after: float) -> bool:
    """Whether a webhook told that the alert with these labels is over."""
    return any(
        one.way == WEBHOOK and one.status == "resolved" and one.at >= after and labels.items() <= one.labels.items()
        for one in notices
    )


def tells_of(notice: Notice, labels: Mapping[str, str]) -> bool:
    """Whether it says that an alert with these labels fires."""
    if notice.status != "firing" or notice.alert != labels["alertname"]:
        return False
    if notice.way == WEBHOOK:
        return all(notice.labels.get(label) == value for label, value in labels.items())
    return all(value in notice.text for label, value in labels.items() if label != "alertname")
