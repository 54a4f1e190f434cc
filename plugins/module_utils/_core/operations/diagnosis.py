# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a stack, in order: rules over what was seen, each a pure function.

Counters are seen twice, some seconds apart. A rule whose source did not answer is not passed over: the silence is a
finding of its own. What explains another finding stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .words import duration

BROKEN, SLOW, WATCH = 3, 2, 1
"""Users meet errors, or somebody was woken; users wait; nobody notices yet."""
SEVERITIES = {BROKEN: "BROKEN", SLOW: "SLOW", WATCH: "WATCH"}

SOURCES = {
    "host": "the host: processors, memory, disks",
    "engine": "the engine: services, restarts, kills for memory, CPU limits",
    "database": "PostgreSQL: sessions, locks, statements, vacuum",
    "pool": "PgBouncer: pools, clients that wait",
    "cache": "Redis: memory, evictions, refusals",
    "edge": "HAProxy: queue, errors, times",
    "app": "the application: answers, event loop, pool",
    "site": "the site: nginx, its certificate, an answer",
    "prometheus": "Prometheus: alerts, and since when",
}
ALERTS = "alerts"
"""The rule that passes on what fires."""
SERVED = ("app", "nginx", "haproxy", "postgres", "pgbouncer", "redis")
"""What visitors wait for. Without the others they miss nothing."""
WAITING = ("app-slow", "edge-slow", "edge-queue", "site-answer")
"""The rules that see whatever waits for something slow behind it."""


@dataclass(frozen=True)
class Facts:
    """What was seen last and before that, by source, and the seconds between. Of a source that failed, why."""

    seen: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    stack: str = "school"
    database: str = "school"
    now: float = 0.0


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    ``act``: what to type. ``runbook``: page and section of docs/runbooks, ``redis#cachedown``; the section is
    called like the alert that tells of the same; ``covers``: other alerts of it. ``explains``: rules whose findings
    follow from this one. ``since``: seconds that it has been so, where that is known.
    """

    severity: int
    what: str
    evidence: str
    act: str
    runbook: str = ""
    explains: tuple[str, ...] = ()
    since: float | None = None
    rule: str = ""
    follows: str = ""
    covers: tuple[str, ...] = ()

    @property
    def alerts(self) -> frozenset[str]:
        """The names of the alerts that tell of the same, in small letters."""
        return frozenset({self.runbook.partition("#")[2], *(name.lower() for name in self.covers)}) - {""}

    def as_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "severity": SEVERITIES[self.severity],
            "what": self.what,
            "evidence": self.evidence,
            "act": self.act,
            "runbook": self.runbook,
            "since_seconds": self.since,
            "follows": self.follows,
        }


Judge = Callable[[Facts], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """One question. ``needs``: the source that it is asked of."""

    name: str
    needs: str
    judge: Judge


def rule(name: str, needs: str) -> Callable[[Judge], Rule]:
    """Make a rule of a function."""

    def make(judge: Judge) -> Rule:
        return Rule(name, needs, judge)

    return make


def rules_of(*modules: Any) -> tuple[Rule, ...]:
    """The rules of modules, in the order in which they stand there."""
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Rule))


def diagnose(rules: Sequence[Rule], facts: Facts) -> list[Finding]:
    """The findings, the one to begin with first."""
    found: list[Finding] = []
    for one in rules:
        if one.needs in facts.seen:
            found += [replace(_complete(item, facts), rule=one.name) for item in one.judge(facts)]
    found += [_silence(source, reason, facts) for source, reason in facts.errors.items()]
    found = _with_alerts(found)
    order = {one.name: number for number, one in enumerate(rules)}
    explained = {name: item for item in reversed(found) for name in item.explains}
    found = [
        replace(item, follows=explained[item.rule].what)
        if item.rule in explained and explained[item.rule].rule != item.rule
        else item
        for item in found
    ]
    return sorted(found, key=lambda item: (bool(item.follows), -item.severity, order.get(item.rule, len(order))))


def _with_alerts(found: Sequence[Finding]) -> list[Finding]:
    """What a rule has seen for itself need not be told by its alert as well, but is as grave as that says."""
    own = [item for item in found if item.rule != ALERTS]
    alerts = [item for item in found if item.rule == ALERTS]
    known = {name for item in own for name in item.alerts}
    return [
        *(
            replace(item, severity=max([item.severity, *(one.severity for one in alerts if one.alerts & item.alerts)]))
            for item in own
        ),
        *(one for one in alerts if not one.alerts & known),
    ]


def _complete(item: Finding, facts: Facts) -> Finding:
    """The finding with the names that are left open, and since when it is so, as the alert of the same thing knows."""
    item = replace(item, act=item.act.replace("{stack}", facts.stack).replace("{database}", facts.database))
    section = item.runbook.partition("#")[2]
    if item.since is not None or not section:
        return item
    known = [
        at for labels, at in facts.seen.get("prometheus", {}).get("since", []) if labels["alertname"].lower() == section
    ]
    return replace(item, since=max(facts.now - min(known), 0.0)) if known else item


_SERVICE_OF = {"database": "postgres", "pool": "pgbouncer", "cache": "redis", "edge": "haproxy", "site": "nginx"}
_RUNBOOK_OF = {
    "database": "postgres#databasedown",
    "pool": "pgbouncer#pooldown",
    "cache": "redis#cachedown",
    "edge": "edge#edgedown",
    "app": "app#appdown",
    "site": "edge#sitedown",
    "prometheus": "prometheus#targetmissing",
}
#: What cannot work without it.
_CARRIED = {
    "database": ("pool-starved", "pool-waiting", "app-silent", "edge-errors", "site-answer"),
    "pool": ("app-silent", "edge-errors", "site-answer"),
    "edge": ("silent-site", "site-answer"),
    "app": ("edge-down", "edge-errors", "silent-site", "site-answer"),
}


def _silence(source: str, reason: str, facts: Facts) -> Finding:
    """A source that does not answer is the finding, and whatever it would have told stays unknown."""
    service = _SERVICE_OF.get(source, source)
    act = (
        f"docker service ps --no-trunc {facts.stack}_{service}; docker service logs --since 10m {facts.stack}_{service}"
    )
    if source == "engine":
        act = "systemctl status docker; journalctl --since -10min -u docker"
    severity = WATCH if source == "prometheus" else BROKEN
    title = SOURCES[source].partition(":")[0]
    return Finding(
        severity,
        f"{title[0].upper()}{title[1:]} does not answer, so nothing of it could be looked at",
        " ".join(reason.split())[:400],
        act,
        _RUNBOOK_OF.get(source, "host#hostdown" if source == "host" else ""),
        explains=_CARRIED.get(source, ()),
        rule=f"silent-{source}",
    )


def render(findings: Sequence[Finding], facts: Facts, runbooks: str) -> list[str]:
    """The answer in plain words."""
    lines = []
    for number, item in enumerate(findings, 1):
        since = f", for {duration(item.since)}" if item.since else ""
        lines.append(f"{number}. [{SEVERITIES[item.severity]}] {item.what}{since}.")
        if item.follows:
            lines.append(f"   follows:  probably from this: {item.follows}")
        lines.append(f"   evidence: {item.evidence}")
        lines.append(f"   type:     {item.act}")
        if item.runbook:
            lines.append(f"   read:     {runbooks}/{re.sub('#', '.md#', item.runbook, count=1)}")
        lines.append("")
    if not findings:
        lines += ["Nothing is wrong, as far as can be seen from this host.", ""]
    lines.append("Looked at:")
    lines += [f"  - {text}" for source, text in SOURCES.items() if source in facts.seen]
    missing = {**facts.absent, **{source: f"it does not answer: {reason}" for source, reason in facts.errors.items()}}
    if missing:
        lines.append("Not looked at:")
        lines += [f"  - {SOURCES[source]} ({' '.join(reason.split())[:200]})" for source, reason in missing.items()]
    return lines


def grown(after: Mapping[str, Any], before: Mapping[str, Any], name: str) -> float:
    """How much a counter has grown; one that began anew counts from there."""
    now, then = float(after.get(name) or 0), float(before.get(name) or 0)
    return now - then if now >= then else now


def joined(parts: Iterable[str], most: int = 3, rest: str = "more") -> str:
    """The first of them, and how many more there are."""
    found = list(parts)
    shown = "; ".join(found[:most])
    return shown + (f"; and {len(found) - most} {rest}" if len(found) > most else "")
