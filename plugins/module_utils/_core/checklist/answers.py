# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a school's director asks, answered by the checks and by what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .charts import Bar, Point, bars, line, seconds
from .model import FAIL, PASS, SKIPPED, VERDICTS, WARN

_DAY, _HOUR, _MINUTE = 86400, 3600, 60
_TOLD = 12


@dataclass(frozen=True)
class Answer:
    """``verdict``: the worst of the question's checks."""

    question: str
    verdict: str
    text: str


QUESTIONS: Sequence[tuple[str, str, tuple[str, ...]]] = (
    (
        "Can everybody work with it now?",
        "site",
        ("services-healthy", "site-answers", "database-answers", "pool-state", "certificate", "disk-space"),
    ),
    (
        "Will it hold when the first bell rings?",
        "load",
        ("load-test", "capacity", "connection-budget", "host-size", "indexes"),
    ),
    ("If a part of it fails, does it come back by itself?", "failover", ("failover-drill", "services-as-deployed")),
    (
        "If everything were lost tonight, would it be back?",
        "restore",
        ("backup-check", "backup-ages", "backup-files", "restore-drill", "recovery-documents"),
    ),
    (
        "Is it closed to strangers?",
        "closed",
        (
            *("open-ports", "firewall-rules", "networks", "isolation", "engine-access", "logins"),
            *("secrets-strong", "secrets-hidden", "database-roles", "database-encryption", "tls-protocols"),
            *("security-updates", "rate-limit", "private-paths"),
        ),
    ),
    (
        "Is somebody told when something goes wrong?",
        "told",
        ("monitoring-targets", "alert-rules", "alerts-arrive", "alert-drill"),
    ),
)


def answers(report: Mapping[str, Any]) -> list[Answer]:
    """One for each question that the checks of this report speak of."""
    verdicts: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    for one in report["results"]:
        verdicts.setdefault(one["id"], []).append(one["verdict"])
        titles[one["id"]] = one["title"]
    found = []
    for question, topic, ids in QUESTIONS:
        mine = {name: min(verdicts[name], key=VERDICTS.index) for name in ids if name in verdicts}
        if not mine:
            continue
        worst = next((one for one in (FAIL, WARN) if one in mine.values()), PASS)
        # The check that is named first is the one without which there is no answer.
        if worst == PASS and (mine.get(ids[0], PASS) == SKIPPED or set(mine.values()) == {SKIPPED}):
            worst = SKIPPED
        told = _measured(topic, report)
        red = [titles[name] for name, verdict in mine.items() if verdict == worst != PASS]
        text = " ".join(filter(None, (told, f"Not proven: {'; '.join(red[:3])}." if red and worst != SKIPPED else "")))
        found.append(Answer(question, worst, text or _DEFAULT[worst]))
    return found


_DEFAULT = {
    PASS: "Everything that was looked at is as it should be.",
    SKIPPED: "It was not tried yet.",
    WARN: "",
    FAIL: "",
}


def _measured(topic: str, report: Mapping[str, Any]) -> str:
    """What was measured, as a sentence; nothing where there is no record."""
    kept, restores = _kept(report), report.get("measures", {}).get("restores", [])
    if topic == "restore" and restores:
        last = restores[-1]
        lost, took = last.get("recovery_point"), last.get("recovery_time")
        if lost is not None and took is not None:
            return (
                f"In the rehearsal {_age(report, last['ended'])} the work of the last {seconds(lost)} "
                f"would have been lost, and the data was back after {seconds(took)}."
            )
    if topic == "failover" and (last := _last(kept, "failover_drill")):
        missed, failed = last["measured"].get("longest_missed_seconds"), last["measured"].get("rows_lost", 0)
        if missed is not None:
            return (
                f"Every part was made to fail {_age(report, last['time'])}. Visitors waited {seconds(missed)} at most, "
                f"and {'nothing' if not failed else f'{failed:g} entries'} of what was saved got lost."
            )
    if topic == "load" and (last := _last(kept, "load_test")):
        users, p95 = last["measured"].get("users"), last["measured"].get("p95_seconds")
        if users is not None and p95 is not None:
            most = _last(kept, "capacity")
            carries = (
                f" The host carries {most['measured']['users']:g}." if most and "users" in most["measured"] else ""
            )
            return (
                f"{users:g} users at once were tried {_age(report, last['time'])}: 95 of 100 answers came within "
                f"{seconds(p95)}.{carries}"
            )
    return ""


def _kept(report: Mapping[str, Any]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    kept: Mapping[str, Sequence[Mapping[str, Any]]] = report.get("measures", {}).get("kept", {})
    return {kind: [one for one in ones if _whole(one)] for kind, ones in kept.items()}


def _whole(one: Mapping[str, Any]) -> bool:
    """Whether a record can be read, and is not one of a part only."""
    return not one.get("problem") and not one["measured"].get("services_left_out")


def _last(kept: Mapping[str, Sequence[Mapping[str, Any]]], kind: str) -> Mapping[str, Any] | None:
    return kept[kind][-1] if kept.get(kind) else None


def _age(report: Mapping[str, Any], then: float) -> str:
    old = max(0.0, float(report["ended"]) - then)
    for size, word in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if old >= 2 * size:
            return f"{old / size:.0f} {word}s ago"
    return "just now"


def charts(report: Mapping[str, Any]) -> Iterator[str]:
    """What was measured last, and how it was before."""
    kept, restores = _kept(report), report.get("measures", {}).get("restores", [])
    if load := _last(kept, "load_test"):
        yield from _load(load, kept["load_test"])
    if (drill := _last(kept, "failover_drill")) and drill["items"]:
        rows = [
            Bar(one["name"], one["measured"]["missed_seconds"], one["measured"].get("target_seconds", 0))
            for one in drill["items"]
            if "missed_seconds" in one["measured"]
        ]
        yield from bars("failover", f"How long visitors missed what failed, {_date(drill['time'])}", rows)
        yield from _history(
            "failover-history", "The longest of them, by rehearsal", kept["failover_drill"], "longest_missed_seconds"
        )
    if len(restores) > 0:
        points = [Point(_date(one["ended"])[5:], one["recovery_time"]) for one in restores[-_TOLD:]]
        yield from line("restores", "How long a rehearsed restore of the database took", points, 30 * _MINUTE)


def _load(last: Mapping[str, Any], all_of_them: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    target = last["targets"].get("p95_seconds", 0)
    rows = [
        Bar(f"{one['name']}, {share} of 100 answers", one["measured"][key], target if key == "p95_seconds" else 0)
        for one in last["items"]
        for share, key in ((50, "p50_seconds"), (95, "p95_seconds"), (99, "p99_seconds"))
        if key in one["measured"]
    ]
    if rows:
        yield from bars("load", f"How soon answers came under load, {_date(last['time'])}", rows)
    yield from _history(
        "load-history", "95 of 100 answers came within, by load test", all_of_them, "p95_seconds", target
    )


def _history(name: str, title: str, ones: Sequence[Mapping[str, Any]], key: str, target: float = 0.0) -> Iterator[str]:
    points = [Point(_date(one["time"])[5:], one["measured"][key]) for one in ones[-_TOLD:] if key in one["measured"]]
    if len(points) > 1:
        yield from line(name, title, points, target)


def worse(report: Mapping[str, Any]) -> list[str]:
    """What was measured to be a third worse than the time before, in words."""
    found = []
    kept = _kept(report)
    for kind, key, text in (
        ("load_test", "p95_seconds", "95 of 100 answers came within"),
        ("failover_drill", "longest_missed_seconds", "A failed part was missed for"),
    ):
        values = [one["measured"][key] for one in kept.get(kind, []) if key in one["measured"]]
        if len(values) > 1 and values[-1] > values[-2] * 4 / 3 and values[-1] - values[-2] > 0.05:  # noqa: PLR2004
            found.append(f"{text} {seconds(values[-1])}; the time before it was {seconds(values[-2])}.")
    times = [one["recovery_time"] for one in report.get("measures", {}).get("restores", [])]
    if len(times) > 1 and times[-1] > times[-2] * 4 / 3 and times[-1] - times[-2] > 1:
        found.append(f"A restore took {seconds(times[-1])}; the time before it was {seconds(times[-2])}.")
    return found


def _date(then: float) -> str:
    return datetime.fromtimestamp(then, tz=timezone.utc).strftime("%Y-%m-%d")
