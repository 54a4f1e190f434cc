# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verification as data: the results of all hosts, their counts, and what changed since the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from ..prometheus import Sample
from ..prometheus import render as render_metrics
from .catalogue import TOPICS
from .commands import Controller
from .model import FAIL, PASS, SKIPPED, VERDICTS, WARN

_RANK = {PASS: 0, SKIPPED: 1, WARN: 2, FAIL: 3}
_SHOWN_FAILURES = 40


def merge(looked: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The results of all hosts; a host that gave none has failed."""
    results: list[dict[str, Any]] = []
    for host, answer in looked.items():
        found = answer.get("results") or []
        results += [dict(one) for one in found]
        if not found:
            results.append(_unseen(host, str(answer.get("msg") or "it was not reached")))
    if not results:
        results.append(_unseen("the inventory", "it has no host in the group firstbell"))
    return results


def with_commands(results: Sequence[Mapping[str, Any]], controller: Controller) -> list[dict[str, Any]]:
    """The results with the commands of the controller as they are typed there."""
    texts = ("measured", "reason", "fix")
    return [{**one, **{name: controller.typed(str(one[name])) for name in texts}} for one in results]


def _unseen(host: str, reason: str) -> dict[str, Any]:
    return {
        "id": "host-reached",
        "rows": ["S99"],
        "topic": "host",
        "title": "The host can be looked at",
        "host": host,
        "verdict": FAIL,
        "measured": "nothing was checked on it",
        "target": "an answer",
        "reason": reason,
        "evidence": {"command": f"ansible {host} -m ping", "output": reason},
        "fix": "See that Ansible reaches the host, then verify again",
    }


def measures(looked: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What drills and loads measured, as the first host knows it."""
    found = (answer.get("facts", {}).get("measures") for answer in looked.values())
    return next((dict(one) for one in found if one), {})


def counts(results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {verdict: sum(one["verdict"] == verdict for one in results) for verdict in VERDICTS}


def worst_first(results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By topic in the order of the catalogue, the worst verdict of a topic first."""
    order = list(TOPICS)
    return sorted(results, key=lambda one: (order.index(one["topic"]), VERDICTS.index(one["verdict"]), one["id"]))


def changes(before: Mapping[str, Any] | None, results: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The items whose verdict is another one than in the report before, those that got worse first."""
    old = {(one["id"], one["host"]): str(one["verdict"]) for one in (before or {}).get("results", [])}
    found = [
        {"id": one["id"], "host": one["host"], "title": one["title"], "before": was, "after": one["verdict"]}
        for one in results
        if (was := old.get((one["id"], one["host"]))) is not None and was != one["verdict"]
    ]
    return sorted(found, key=lambda one: _RANK[one["before"]] - _RANK[one["after"]])


def summary(report: Mapping[str, Any]) -> list[str]:
    """The lines that a run ends with."""
    number = report["counts"]
    total = sum(number.values())
    others = f"{number['fail']} failed, {number['warn']} warn, {number['skipped']} skipped"
    passed = f"{number['pass']} of {total} checks passed"
    lines = [f"https://{report['domain']}: {passed}, {others}, in {report['seconds']:.0f} s"]
    for verdict, word in ((FAIL, "FAIL"), (WARN, "WARN")):
        found = _by_cause([one for one in report["results"] if one["verdict"] == verdict])
        for one, *more in found[:_SHOWN_FAILURES]:
            said = one["measured"] + (f" ({one['reason']})" if one["reason"] else "")
            where = f"{one['id']} on {one['host']}"
            if more:
                where += f", and {len(more)} more for the same reason ({', '.join(other['id'] for other in more)})"
            lines.append(f"{word} {' '.join(one['rows'])} {where}: {said}. Mend it: {one['fix']}")
        if len(found) > _SHOWN_FAILURES:
            lines.append(f"{word} {len(found) - _SHOWN_FAILURES} more")
    return lines


def _by_cause(found: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Together what has the same reason on a host and is mended in the same way, as when its engine is away."""
    causes: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for one in found:
        own = () if one["reason"] else (one["id"],)
        causes.setdefault((one["host"], one["reason"], one["fix"], *own), []).append(one)
    return list(causes.values())


def junit(report: Mapping[str, Any]) -> str:
    """The same for those who collect test results: one case for each item, one suite for each topic."""
    root = ElementTree.Element("testsuites", name=f"firstbell verify {report['stack']}")
    for topic, title in TOPICS.items():
        mine = [one for one in report["results"] if one["topic"] == topic]
        if not mine:
            continue
        number = counts(mine)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=title,
            tests=str(len(mine)),
            failures=str(number[FAIL]),
            errors="0",
            skipped=str(number[SKIPPED]),
            timestamp=report["time"],
        )
        for one in mine:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"{topic}.{one['host']}", name=f"{one['id']} ({' '.join(one['rows'])})"
            )
            if one["verdict"] == FAIL:
                failure = ElementTree.SubElement(case, "failure", message=_clean(one["measured"]))
                failure.text = _clean(f"{one['reason']}\ntarget: {one['target']}\nmend it: {one['fix']}")
            elif one["verdict"] == SKIPPED:
                ElementTree.SubElement(case, "skipped", message=_clean(one["reason"]))
            out = ElementTree.SubElement(case, "system-out")
            out.text = _clean(f"$ {one['evidence']['command']}\n{one['evidence']['output']}")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return "".join(one for one in text if one in "\t\n\r" or one >= " ")


def metrics(report: Mapping[str, Any]) -> str:
    """For the textfile collector: when it was, and how many of each verdict."""
    stack = {"stack": str(report["stack"])}
    samples = [
        Sample("firstbell_verify_timestamp_seconds", report["ended"], stack, "End of the last verification"),
        Sample("firstbell_verify_duration_seconds", round(report["seconds"], 1), stack, "How long it took"),
    ]
    samples += [
        Sample("firstbell_verify_checks", number, {**stack, "verdict": verdict}, "Items of the checklist by verdict")
        for verdict, number in report["counts"].items()
    ]
    return render_metrics(samples)
