# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the alert drill knows of its stack, which faults there are, and what came of each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..units import parse_duration

#: The ways by which every notification must arrive.
WEBHOOK, MAIL = "webhook", "mail"
WAYS = (WEBHOOK, MAIL)
#: The container of the drill that receives them.
RECEIVER = "alert-receiver"
#: Who silences what is left over from a drill, for less than half an hour.
AUTHOR = "alert drill"
ANNOUNCEMENT = "AlertDrill"
"""The alert that tells the people of it."""
#: Prometheus goes on asking the last target of a job when there is none any more, so a drill leaves one that it drops.
OVER: Mapping[str, Any] = {"targets": [f"{RECEIVER}:9"], "labels": {"__drill": "over"}}


@dataclass(frozen=True)
class Rule:
    """An alert as it is in force. ``patience``: seconds that its condition must have held, Prometheus' ``for``."""

    patience: float
    severity: str
    component: str


@dataclass(frozen=True)
class Fault:
    """Something that is broken on purpose, and the alert that must tell of it.

    ``labels`` are those by which the alert is known from others of its name; ``{stack}``, ``{database}`` and ``{host}``
    in them stand for the stack's. ``threshold`` names the one that has to be passed before the condition holds, where
    that takes its time; ``lead`` are seconds for the same reason. ``hides``: components whose alerts are held back
    meanwhile, or cannot come, or names of such alerts. ``also``: alerts that may come as well. ``needs``: what must be
    there, ``service:<name>``, ``timer:<name>`` or ``loop``.
    """

    name: str
    does: str
    alert: str
    labels: Mapping[str, str] = field(default_factory=dict)
    lead: float = 0.0
    threshold: str = ""
    hides: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    interrupts: bool = False


@dataclass(frozen=True)
class Config:
    """One stack. ``directory`` is /opt/<stack>, ``host`` its name in the inventory, ``image`` that of the receiver."""

    stack: str
    directory: str
    host: str
    image: str
    database: str
    prometheus: str
    alertmanager: str
    user: str
    rules: Mapping[str, Rule]
    thresholds: Mapping[str, float]

    @property
    def drill(self) -> str:
        """Where the drill keeps what it has to put back."""
        return f"{self.directory}/monitoring/drill"

    def labels(self, fault: Fault) -> dict[str, str]:
        """What the fault's alert is known by."""
        names = {"{stack}": self.stack, "{database}": self.database, "{host}": self.host}
        found = {"alertname": fault.alert, **fault.labels}
        for name, text in names.items():
            found = {label: value.replace(name, text) for label, value in found.items()}
        return found

    def lead(self, fault: Fault) -> float:
        """Seconds from the fault until the condition of its rule holds."""
        return fault.lead + (self.thresholds[fault.threshold] if fault.threshold else 0.0)

    def patience(self, fault: Fault) -> float:
        """Seconds from the fault until the alert may be raised at the earliest."""
        return self.lead(fault) + self.rules[fault.alert].patience


@dataclass(frozen=True)
class Notice:
    """An alert within a notification that arrived. A mail's labels are what its text says."""

    way: str
    at: float
    status: str
    alert: str
    labels: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a fault. ``placed``: when it was in place, in seconds since 1970.

    ``arrived``: when the first notification came, by its way. ``skipped`` and ``error`` say why there was none.
    """

    fault: Fault
    placed: float = 0.0
    arrived: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    skipped: str = ""


def parse(text: str, path: str) -> Config:
    """The configuration in a file; raises InputError."""
    try:
        data: dict[str, Any] = json.loads(text)
        rules = {
            name: Rule(parse_duration(rule.get("for", 0), f"for of {name}"), rule["severity"], rule["component"])
            for name, rule in data.pop("rules").items()
        }
        thresholds = {name: float(value) for name, value in data.pop("thresholds").items()}
        config = Config(rules=rules, thresholds=thresholds, **data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is not a configuration of this version ({error}); run the playbook site") from None
    if not re.fullmatch(r"/[A-Za-z0-9_./-]+", config.directory):
        raise InputError(f"{path}: directory {config.directory!r} is no absolute path")
    return config


def is_over(text: str) -> bool:
    """Whether a file of further targets for Prometheus is what a drill leaves behind."""
    try:
        return bool(json.loads(text) == [OVER])
    except ValueError:
        return False
