# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether every alert arrived in time, and nobody was woken for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..records import Item, Record
from . import notices as received
from .model import WAYS, WEBHOOK, Config, Fault, Notice, Outcome

#: How long an alert may take beyond the time that its rule waits, in seconds.
ALLOWED = 60.0
PAGE = "page"


def unexpected(
    config: Config, notices: Iterable[Notice], group: Sequence[Fault], before: Iterable[Mapping[str, str]]
) -> list[Mapping[str, str]]:
    """Labels of alerts that would have woken somebody, and that no fault of the group explains.

    ``before``: labels of what was firing already.
    """
    known = [dict(labels) for labels in before]
    found: list[Mapping[str, str]] = []
    for notice in notices:
        if notice.way != WEBHOOK or notice.status != "firing" or notice.labels.get("severity") != PAGE:
            continue
        explained = any(
            notice.alert in fault.also or received.tells_of(notice, config.labels(fault)) for fault in group
        )
        if not explained and notice.labels not in known:
            known.append(dict(notice.labels))
            found.append(notice.labels)
    return found


def judge(
    config: Config,
    outcomes: Sequence[Outcome],
    pages: Sequence[Mapping[str, str]],
    problems: Sequence[str],
    *,
    began: float,
    ended: float,
) -> Record:
    """The record of a drill; ``problems`` went wrong around the faults, such as one that could not be mended."""
    items = tuple(_item(config, outcome) for outcome in outcomes)
    made = [outcome for outcome in outcomes if not outcome.skipped]
    late = [at - outcome.placed - config.patience(outcome.fault) for outcome in made for at in outcome.arrived.values()]
    findings = [f"{item.name}: {item.finding}" for item in items if not item.passed]
    findings += [f"{_about(labels)} woke somebody, and no fault explains it; see its runbook" for labels in pages]
    findings += problems
    if not made:
        findings.append("no fault could be put in, so nothing was proven")
    measured: dict[str, float] = {
        "faults": len(made),
        "not_provoked": len(outcomes) - len(made),
        "unexpected_pages": len(pages),
    }
    if late:
        measured["slowest_after_for_seconds"] = round(max(late), 1)
    return Record(
        "alert_drill",
        began,
        ended - began,
        not findings,
        measured,
        {"slowest_after_for_seconds": ALLOWED, "unexpected_pages": 0},
        tuple(findings),
        items,
    )


def _item(config: Config, outcome: Outcome) -> Item:
    fault = outcome.fault
    name = f"{fault.name} ({fault.alert})"
    if outcome.skipped:
        return Item(f"{name}, not provoked: {outcome.skipped}", True)
    allowed = config.patience(fault) + ALLOWED
    measured: dict[str, float] = {"allowed_seconds": allowed}
    if outcome.error:
        return Item(name, False, measured, outcome.error)
    problems = []
    for way in WAYS:
        if way not in outcome.arrived:
            problems.append(f"did not arrive by {way} within {allowed:.0f} s")
            continue
        seconds = round(outcome.arrived[way] - outcome.placed, 1)
        measured[f"{way}_seconds"] = seconds
        if seconds > allowed:
            problems.append(f"arrived by {way} after {seconds} s, and {allowed:.0f} s are allowed")
    return Item(name, not problems, measured, "; ".join(problems))


def _about(labels: Mapping[str, Any]) -> str:
    shown = [f"{name} {labels[name]}" for name in ("instance", "name", "service", "device") if labels.get(name)]
    return f"{labels['alertname']} ({', '.join(shown)})" if shown else str(labels["alertname"])
