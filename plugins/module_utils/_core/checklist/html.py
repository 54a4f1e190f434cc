# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs nothing else: for a school's director, and for whoever mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from .catalogue import TOPICS
from .model import FAIL, PASS, SKIPPED, VERDICTS, WARN

_WORDS = {FAIL: "Failed", WARN: "Look at it", SKIPPED: "Not checked", PASS: "Passed"}
_MEANINGS = {
    "containers": "The programs run, each with what it may use and no more.",
    "network": "Only what has to be reached from outside can be.",
    "database": "The data is set up as planned, found quickly, and closed to strangers.",
    "pool": "Everybody gets a connection to the data without waiting.",
    "cache": "Who is signed in stays signed in, within the memory that is set aside.",
    "edge": "Visitors reach the site, encrypted and quickly, and nobody can flood it.",
    "secrets": "Passwords and keys are strong, and nobody can see them.",
    "backups": "What is lost can be brought back.",
    "monitoring": "What goes wrong is seen, and somebody is told.",
    "host": "The machine has room, is up to date, and looks after itself.",
}
# Every colour has a contrast of 4.5 and more on what it stands on (WCAG 2.2, AA).
_STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #4a5361; --line: #c9ced6; --paper: #ffffff; --tint: #f4f6f8;
  --fail: #a4161a; --warn: #7a4a00; --skipped: #4a5361; --pass: #14632e; }
* { box-sizing: border-box; }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
header, main, footer { max-width: 66rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 1rem 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 0; }
p { margin: .4rem 0; }
a { color: #0b4f9e; }
.soft { color: var(--soft); }
.verdict { font-weight: 700; white-space: nowrap; }
.fail { color: var(--fail); } .warn { color: var(--warn); }
.skipped { color: var(--skipped); } .pass { color: var(--pass); }
.banner { border-left: .5rem solid; padding: .75rem 1rem; background: var(--tint); font-size: 1.15rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
caption { text-align: left; color: var(--soft); }
th .soft { font-weight: 400; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
article { border: 1px solid var(--line); border-left: .4rem solid; padding: .6rem .9rem; margin: .6rem 0; }
article h3, article p, article dl { color: var(--ink); }
dl { display: grid; grid-template-columns: 7rem 1fr; gap: .1rem .75rem; margin: .4rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--tint); padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
summary { cursor: pointer; color: #0b4f9e; }
:focus-visible { outline: 3px solid #0b4f9e; outline-offset: 2px; }
svg { max-width: 100%; height: auto; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } }
@media print { body { font-size: 10pt; } header, main, footer { max-width: none; padding: 0; } nav { display: none; }
  article { break-inside: avoid; } summary { display: none; } }
"""
# On paper nothing can be opened.
_SCRIPT = "addEventListener('beforeprint', () => document.querySelectorAll('details').forEach(one => one.open = true));"
_FOOT = "Made by the playbook firstbell.stack.verify. The rows (S1 to S113) are those of docs/requirements.md."
_BAR, _GAP, _HEIGHT = 34, 14, 120
_FILLS = {FAIL: "#a4161a", WARN: "#e0a030", SKIPPED: "#9aa3b0", PASS: "#2e8b57"}


def render(report: Mapping[str, Any]) -> str:
    """The page. Whatever comes from a host is escaped."""
    title = f"Verification of {report['stack']}, {_day(report['time'])}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            *_head(report, title),
            "<main>",
            *_summary(report),
            *_changes(report["changes"]),
            *_history(report["history"]),
            *_topics(report["results"]),
            "</main>",
            f"<footer><p class=soft>{_FOOT}</p></footer>",
            f"<script>{_SCRIPT}</script>\n</body>\n</html>\n",
        ]
    )


def _day(moment: str) -> str:
    return moment.replace("T", " ").replace("Z", " UTC")


def _head(report: Mapping[str, Any], title: str) -> Iterator[str]:
    worst = next((verdict for verdict in (FAIL, WARN) if report["counts"][verdict]), PASS)
    failed = f"{report['counts'][FAIL]} of {sum(report['counts'].values())} checks failed"
    sentence = {
        PASS: "Everything that was checked is as it should be.",
        WARN: "Everything that was checked works. Some items should be looked at.",
        FAIL: f"{failed}. The items below say what to do.",
    }[worst]
    yield f"<header>\n<h1>{escape(title)}</h1>"
    part = " Only a part of the checklist was gone through." if report["partial"] else ""
    yield (
        f"<p class=soft>{escape(report['domain'])}, profile {escape(report['profile'])}, "
        f"{report['seconds']:.0f} seconds.{part}</p>"
    )
    yield f'<p class="banner {worst}"><strong>{escape(sentence)}</strong></p>\n</header>'


def _summary(report: Mapping[str, Any]) -> Iterator[str]:
    yield '<section aria-labelledby="summary">\n<h2 id="summary">Summary</h2>'
    yield "<table>\n<caption>Checks by topic</caption>\n<thead><tr><th scope=col>Topic</th><th scope=col>Verdict</th>"
    yield "".join(f"<th scope=col>{_WORDS[verdict]}</th>" for verdict in reversed(VERDICTS)) + "</tr></thead>\n<tbody>"
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
    yield "</tbody>\n</table>\n</section>"


def _by_topic(results: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for topic in TOPICS:
        mine = [one for one in results if one["topic"] == topic]
        if mine:
            yield topic, mine


def _changes(changes: Sequence[Mapping[str, str]]) -> Iterator[str]:
    yield '<section aria-labelledby="changes">\n<h2 id="changes">Since the last verification</h2>'
    if not changes:
        yield "<p>No verdict has changed.</p>\n</section>"
        return
    yield "<table>\n<caption>Items with another verdict than before, those that got worse first</caption>"
    yield "<thead><tr><th scope=col>Item</th><th scope=col>Before</th><th scope=col>Now</th></tr></thead>\n<tbody>"
    for one in changes:
        cells = "".join(f'<td class="verdict {one[when]}">{_WORDS[one[when]]}</td>' for when in ("before", "after"))
        yield f"<tr><th scope=row>{escape(one['title'])} ({escape(one['host'])})</th>{cells}</tr>"
    yield "</tbody>\n</table>\n</section>"


def _history(history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield '<section aria-labelledby="history">\n<h2 id="history">The last verifications</h2>'
    most = max((sum(one["counts"].values()) for one in history), default=0) or 1
    width = len(history) * (_BAR + _GAP) + _GAP
    told = "; ".join(
        f"{_day(one['time']) or 'now'}: {one['counts'][FAIL]} failed, {one['counts'][WARN]} to look at, "
        f"{one['counts'][PASS]} passed"
        for one in history
    )
    yield (
        f'<svg role="img" aria-labelledby="history-title" width="{width}" height="{_HEIGHT + 24}" '
        f'viewBox="0 0 {width} {_HEIGHT + 24}">\n<title id="history-title">{escape(told)}</title>'
    )
    for number, one in enumerate(history):
        left, bottom = _GAP + number * (_BAR + _GAP), float(_HEIGHT)
        for verdict in reversed(VERDICTS):
            height = one["counts"].get(verdict, 0) / most * (_HEIGHT - 10)
            bottom -= height
            yield f'<rect x="{left}" y="{bottom:.1f}" width="{_BAR}" height="{height:.1f}" fill="{_FILLS[verdict]}"/>'
        label = one["time"][5:10] or "now"
        middle = left + _BAR / 2
        yield f'<text x="{middle}" y="{_HEIGHT + 16}" font-size="11" text-anchor="middle">{escape(label)}</text>'
    yield "</svg>"
    yield f"<details><summary>The same in words</summary><p>{escape(told)}</p></details>\n</section>"


def _topics(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for topic, mine in _by_topic(results):
        yield f'<section aria-labelledby="{topic}">\n<h2 id="{topic}">{escape(TOPICS[topic])}</h2>'
        for one in mine:
            yield from _item(one)
        yield "</section>"


def _item(one: Mapping[str, Any]) -> Iterator[str]:
    verdict = one["verdict"]
    yield f'<article class="{verdict}">\n<h3>{escape(one["title"])}</h3>'
    where = escape(f"{' '.join(one['rows'])}, {one['id']}, on {one['host']}")
    yield f'<p><span class="verdict {verdict}">{_WORDS[verdict]}</span> <span class=soft>{where}</span></p>\n<dl>'
    for word, text in (
        ("Measured", one["measured"]),
        ("Reason", one["reason"]),
        ("Target", one["target"]),
        ("Mend it", one["fix"]),
    ):
        if text:
            yield f"<dt>{word}</dt><dd>{escape(text)}</dd>"
    evidence, opened = one["evidence"], " open" if verdict == FAIL else ""
    yield f"</dl>\n<details{opened}><summary>Evidence</summary>"
    yield f"<pre>$ {escape(evidence['command'])}\n{escape(evidence['output'])}</pre></details>\n</article>"
