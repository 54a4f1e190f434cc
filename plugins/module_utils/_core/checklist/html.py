# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs nothing else: for a school's director, and for whoever mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from .answers import answers, charts, worse
from .catalogue import TOPICS
from .charts import stacked
from .model import FAIL, PASS, SKIPPED, VERDICTS, WARN
from .style import STYLE

_WORDS = {FAIL: "Failed", WARN: "Look at it", SKIPPED: "Not checked", PASS: "Passed"}
_REPLIES = {FAIL: "No", WARN: "With care", SKIPPED: "Not tried yet", PASS: "Yes"}
_MEANINGS = {
    "containers": "The programs run, each with what it may use and no more.",
    "network": "Only what has to be reached from outside can be.",
    "database": "The data is set up as planned, found quickly, and closed to strangers.",
    "pool": "Everybody gets a connection to the data without waiting.",
    "cache": "Who is signed in stays signed in, within the memory that is set aside.",
    "edge": "Visitors reach the site, encrypted and quickly, and nobody can flood it.",
    "secrets": "Passwords and keys are strong, and nobody can see them.",
    "backups": "What is lost can be brought back.",
    "scaling": "There are as many replicas as calendar and load ask for, and the night is used.",
    "monitoring": "What goes wrong is seen, and somebody is told.",
    "drills": "What could happen was tried out, and measured.",
    "host": "The machine has room, is up to date, and looks after itself.",
}
# On paper nothing can be opened: what failed is shown whole, of the rest its line.
_SCRIPT = (
    "addEventListener('beforeprint', () => document.querySelectorAll('details.fail, details.warn')"
    ".forEach(one => one.open = true));"
    "const show = () => { const one = location.hash && document.getElementById(location.hash.slice(1));"
    " if (one && one.tagName === 'DETAILS') one.open = true; }; addEventListener('hashchange', show); show();"
)
_FOOT = "Made by the playbook firstbell.stack.verify. The rows (S1 to S113) are those of docs/requirements.md."


def render(report: Mapping[str, Any]) -> str:
    """The page. Whatever comes from a host is escaped."""
    title = f"Verification of {report['stack']}, {_day(report['time'])}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            *_head(report),
            "<main>",
            *_answers(report),
            *_to_do(report["results"]),
            *_changes(report),
            *_measured(report),
            *_summary(report),
            *_history(report["history"]),
            *_topics(report["results"]),
            "</main>",
            f"<footer><p class=soft>{_FOOT}</p></footer>",
            f"<script>{_SCRIPT}</script>\n</body>\n</html>\n",
        ]
    )


def _day(moment: str) -> str:
    return moment.replace("T", " ").replace("Z", " UTC")


def _head(report: Mapping[str, Any]) -> Iterator[str]:
    count = report["counts"]
    worst = next((verdict for verdict in (FAIL, WARN) if count[verdict]), PASS)
    total = sum(count.values())
    sentence = {
        PASS: "Everything that was checked is as it should be.",
        WARN: "Everything that was checked works. Some items should be looked at.",
        FAIL: f"{count[FAIL]} of {total} checks failed. Below stands what to do.",
    }[worst]
    yield f"<header>\n<p class=soft>Verification of the stack {escape(report['stack'])}</p>"
    yield f"<h1>{escape(report['domain'])}, {escape(_day(report['time']))}</h1>"
    yield f'<p class="banner {worst}"><strong>{escape(sentence)}</strong></p>'
    part = " Only a part of the checklist was gone through." if report["partial"] else ""
    others = f"{count[WARN]} to look at, {count[SKIPPED]} not checked" if total else "nothing was checked"
    yield (
        f"<p class=soft>{count[PASS]} of {total} checks passed, {count[FAIL]} failed, {others}. Profile "
        f"{escape(report['profile'])}, {report['seconds']:.0f} seconds.{part}</p>\n</header>"
    )


def _answers(report: Mapping[str, Any]) -> Iterator[str]:
    found = answers(report)
    if not found:
        return
    yield '<section aria-labelledby="answers">\n<h2 id="answers">In short</h2>\n<ul class=cards>'
    for one in found:
        yield f'<li class="card {one.verdict}"><h3>{escape(one.question)}</h3>'
        yield f'<p class="verdict {one.verdict}">{_REPLIES[one.verdict]}</p><p>{escape(one.text)}</p></li>'
    yield "</ul>\n</section>"


def _to_do(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    open_ones = sorted(
        (one for one in results if one["verdict"] in (FAIL, WARN)), key=lambda one: VERDICTS.index(one["verdict"])
    )
    if not open_ones:
        return
    yield '<section aria-labelledby="todo">\n<h2 id="todo">What to do</h2>\n<ol>'
    for one in open_ones:
        yield (
            f'<li><span class="verdict {one["verdict"]}">{_WORDS[one["verdict"]]}</span> '
            f'<a href="#{_anchor(one)}">{escape(one["title"])}</a> ({escape(one["host"])}): '
            f"{escape(one['measured'])}.<br>"
            f"<span class=soft>Mend it:</span> {escape(one['fix'])}</li>"
        )
    yield "</ol>\n</section>"


def _changes(report: Mapping[str, Any]) -> Iterator[str]:
    changes, measured = report["changes"], worse(report)
    yield '<section aria-labelledby="changes">\n<h2 id="changes">Since the last verification</h2>'
    if measured:
        yield '<ul class="worse">' + "".join(f"<li>{escape(one)}</li>" for one in measured) + "</ul>"
    if not changes:
        yield "<p>No verdict has changed.</p>\n</section>"
        return
    yield "<table>\n<caption>Items with another verdict than before, those that got worse first</caption>"
    yield "<thead><tr><th scope=col>Item</th><th scope=col>Before</th><th scope=col>Now</th></tr></thead>\n<tbody>"
    for one in changes:
        cells = "".join(f'<td class="verdict {one[when]}">{_WORDS[one[when]]}</td>' for when in ("before", "after"))
        yield f"<tr><th scope=row>{escape(one['title'])} ({escape(one['host'])})</th>{cells}</tr>"
    yield "</tbody>\n</table>\n</section>"


def _measured(report: Mapping[str, Any]) -> Iterator[str]:
    drawn = list(charts(report))
    if drawn:
        yield '<section aria-labelledby="measured">\n<h2 id="measured">What was measured</h2>\n<div class=charts>'
        yield from drawn
        yield "</div>\n<p class=soft>The dashed mark is the most that is allowed.</p>\n</section>"


def _summary(report: Mapping[str, Any]) -> Iterator[str]:
    yield '<section aria-labelledby="summary">\n<h2 id="summary">By topic</h2>'
    yield '<div class=wide tabindex=0 role=group aria-label="Checks by topic">'
    yield "<table>\n<caption>How many checks of each topic passed</caption>\n<thead><tr><th scope=col>Topic</th>"
    yield "<th scope=col>Verdict</th>" + "".join(f"<th scope=col>{_WORDS[one]}</th>" for one in reversed(VERDICTS))
    yield "</tr></thead>\n<tbody>"
    for topic, mine in _by_topic(report["results"]):
        number = {verdict: sum(one["verdict"] == verdict for one in mine) for verdict in VERDICTS}
        worst = next((verdict for verdict in (FAIL, WARN, PASS) if number[verdict]), SKIPPED)
        yield (
            f'<tr><th scope=row><a href="#{topic}">{escape(TOPICS[topic])}</a><br>'
            f"<span class=soft>{escape(_MEANINGS[topic])}</span></th>"
            f'<td class="verdict {worst}">{_WORDS[worst]}</td>'
            + "".join(f"<td>{number[verdict]}</td>" for verdict in reversed(VERDICTS))
            + "</tr>"
        )
    yield "</tbody>\n</table></div>\n</section>"


def _by_topic(results: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for topic in TOPICS:
        mine = [one for one in results if one["topic"] == topic]
        if mine:
            yield topic, mine


def _history(history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield '<section aria-labelledby="history">\n<h2 id="history">The last verifications</h2>'
    labels = [one["time"][5:10] or "now" for one in history]
    layers = [(verdict, [one["counts"].get(verdict, 0) for one in history]) for verdict in reversed(VERDICTS)]
    yield "<div class=charts>"
    yield from stacked("verdicts", "Checks by verdict", labels, layers)
    keys = "".join(f'<li class="key {verdict}">{_WORDS[verdict]}</li>' for verdict in reversed(VERDICTS))
    yield f"<ul class=keys>{keys}</ul>"
    yield '<details><summary>The same as a table</summary>\n<table aria-labelledby="verdicts-caption">'
    yield "<thead><tr><th scope=col>When</th>"
    yield "".join(f"<th scope=col>{_WORDS[verdict]}</th>" for verdict in reversed(VERDICTS)) + "</tr></thead>\n<tbody>"
    for one in history:
        cells = "".join(f"<td>{one['counts'].get(verdict, 0)}</td>" for verdict in reversed(VERDICTS))
        yield f"<tr><th scope=row>{escape(_day(one['time']) or 'now')}</th>{cells}</tr>"
    yield "</tbody></table></details>\n</figure></div>\n</section>"


def _topics(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for topic, mine in _by_topic(results):
        yield f'<section aria-labelledby="{topic}">\n<h2 id="{topic}">{escape(TOPICS[topic])}</h2>'
        yield f"<p class=soft>{escape(_MEANINGS[topic])}</p>"
        for one in mine:
            yield from _item(one)
        yield "</section>"


def _anchor(one: Mapping[str, Any]) -> str:
    return escape(f"{one['id']}.{one['host']}".replace(" ", "-"))


def _item(one: Mapping[str, Any]) -> Iterator[str]:
    verdict = one["verdict"]
    opened = " open" if verdict == FAIL else ""
    shown = one["reason"] if verdict == SKIPPED else one["measured"]
    yield (
        f'<details class="item {verdict}" id="{_anchor(one)}"{opened}><summary>'
        f'<span class="verdict {verdict}">{_WORDS[verdict]}</span> <strong>{escape(one["title"])}</strong> '
        f"<span class=soft>{escape(shown)}</span></summary>\n<dl>"
    )
    for word, text in (
        ("Measured", one["measured"]),
        ("Reason", one["reason"]),
        ("Target", one["target"]),
        ("Mend it", one["fix"]),
        ("Item", f"{one['id']}, rows {' '.join(one['rows'])}, on {one['host']}"),
    ):
        if text:
            yield f"<dt>{word}</dt><dd>{escape(text)}</dd>"
    evidence = one["evidence"]
    yield f"</dl>\n<pre>$ {escape(evidence['command'])}\n{escape(evidence['output'])}</pre>\n</details>"
