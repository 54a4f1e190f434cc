# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check is, what it says, and how a list of them is run.

A check is a pure function from what was gathered to an outcome. A check that breaks, or whose facts
could not be gathered, is a failed one, and the others go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InputError
from ..names import did_you_mean
from ..redact import redact
from .unlooked import mend

PASS, FAIL, WARN, SKIPPED = "pass", "fail", "warn", "skipped"
VERDICTS = (FAIL, WARN, SKIPPED, PASS)
"""The worst one first."""

ROWS = tuple(f"S{number}" for number in range(1, 114))
"""The rows of docs/requirements.md."""

TAKE_STOCK = "make verify ARGS='-e checks_take_stock=true'"
_SHOWN_PROBLEMS = 8
_LONGEST_EVIDENCE = 4000


@dataclass(frozen=True)
class Facts:
    """What was gathered, by the gatherer's name, and what the inventory asks for, by the role's."""

    seen: Mapping[str, Any]
    expected: Mapping[str, Any]

    @property
    def plan(self) -> Mapping[str, Any]:
        """The plan of ``sizing()``."""
        plan: Mapping[str, Any] = self.expected["plan"]
        return plan

    @property
    def stack(self) -> str:
        return str(self.expected["stack"])

    @property
    def database(self) -> str:
        """The application's, where this host is to have one."""
        return str(self.expected.get("postgres", {}).get("database", ""))


@dataclass(frozen=True)
class Outcome:
    """What one check found. ``target`` and ``fix`` replace those of the check where they depend on the facts.

    ``told``: what is warned of, one by one, as the owner may have meant it so. What of it was not there when stock was
    taken of the host is failed.
    """

    verdict: str
    measured: str
    evidence: str = ""
    reason: str = ""
    target: str = ""
    fix: str = ""
    told: tuple[str, ...] = ()


Judge = Callable[[Facts], Outcome]


@dataclass(frozen=True)
class Check:
    """One item of the checklist.

    ``rows``: of docs/requirements.md. ``needs``: the gatherers whose facts it judges. ``command``: what a person
    types to see the same, ``fix``: what mends it; ``{stack}`` and ``{database}`` in both are the
    stack's names. ``everywhere``: on each host, not only on the first one. ``outside``: judged by the controller, as
    its clients see the host.
    """

    id: str
    rows: tuple[str, ...]
    topic: str
    title: str
    target: str
    command: str
    fix: str
    needs: tuple[str, ...]
    judge: Judge
    everywhere: bool = False
    outside: bool = False


def check(
    name: str,
    rows: str,
    topic: str,
    title: str,
    *,
    target: str,
    command: str,
    fix: str,
    needs: str,
    everywhere: bool = False,
    outside: bool = False,
) -> Callable[[Judge], Check]:
    """Make a check of a function; ``rows`` and ``needs`` are lists of words."""

    def make(judge: Judge) -> Check:
        return Check(
            name,
            tuple(rows.split()),
            topic,
            title,
            target,
            command,
            fix,
            tuple(needs.split()),
            judge,
            everywhere,
            outside,
        )

    return make


def passed(measured: str, evidence: str = "", *, reason: str = "", target: str = "", fix: str = "") -> Outcome:
    return Outcome(PASS, measured, evidence, reason, target, fix)


def failed(measured: str, evidence: str = "", *, reason: str = "", target: str = "", fix: str = "") -> Outcome:
    return Outcome(FAIL, measured, evidence, reason, target, fix)


def warned(measured: str, evidence: str = "", *, reason: str = "", target: str = "", fix: str = "") -> Outcome:
    return Outcome(WARN, measured, evidence, reason, target, fix)


def warned_of(told: Iterable[str], evidence: str = "", *, fix: str = "") -> Outcome:
    """Warned of what the owner may have meant so, with the first of it shown."""
    found = tuple(told)
    return Outcome(WARN, _shown(found), evidence, fix=fix, told=found)


def skipped(reason: str, measured: str = "") -> Outcome:
    return Outcome(SKIPPED, measured, reason=reason)


def none_of(problems: Sequence[str], measured: str, evidence: str = "", **more: str) -> Outcome:
    """Passed where there is no problem, failed with the first of them else."""
    if not problems:
        return passed(measured, evidence, **more)
    return failed(_shown(problems), evidence, **more)


def _shown(problems: Sequence[str]) -> str:
    shown = list(problems[:_SHOWN_PROBLEMS])
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    return "; ".join(shown)


@dataclass(frozen=True)
class Result:
    """A check's outcome on one host, complete and without secrets."""

    id: str
    rows: tuple[str, ...]
    topic: str
    title: str
    host: str
    verdict: str
    measured: str
    target: str
    reason: str
    command: str
    output: str
    fix: str
    told: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "rows": list(self.rows),
            "topic": self.topic,
            "title": self.title,
            "host": self.host,
            "verdict": self.verdict,
            "measured": self.measured,
            "target": self.target,
            "reason": self.reason,
            "evidence": {"command": self.command, "output": self.output},
            "fix": self.fix,
        }


@dataclass(frozen=True)
class Selection:
    """Which checks are wanted: of these rows and topics, or all."""

    rows: frozenset[str] = field(default_factory=frozenset)
    topics: frozenset[str] = field(default_factory=frozenset)

    def takes(self, one: Check) -> bool:
        if self.rows and not self.rows & set(one.rows):
            return False
        return not self.topics or one.topic in self.topics


def parse_selection(rows: Iterable[object], topics: Iterable[object], checks: Sequence[Check]) -> Selection:
    """The selection; raises InputError for a row or topic that nothing belongs to, or a pair that selects nothing."""
    known = {row for one in checks for row in one.rows}
    wanted_rows, wanted_topics = set(), set()
    for word in _words(rows):
        row = word.upper()
        if row not in ROWS:
            raise InputError(f"verify_only: {word!r} is no row; write them like S31,S107 (S1 to S{len(ROWS)})")
        if row not in known:
            raise InputError(f"verify_only: nothing checks {row} on a running stack; docs/requirements.md says why")
        wanted_rows.add(row)
    all_topics = sorted({one.topic for one in checks})
    for word in _words(topics):
        if word not in all_topics:
            near = did_you_mean(word, all_topics)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(all_topics)}"
            raise InputError(f"verify_topics: there is no {word!r}; {hint}")
        wanted_topics.add(word)
    selection = Selection(frozenset(wanted_rows), frozenset(wanted_topics))
    if not any(map(selection.takes, checks)):
        raise InputError("verify_only and verify_topics together select no check; leave one of them out")
    return selection


def _words(values: Iterable[object]) -> list[str]:
    text = values if isinstance(values, str) else " ".join(str(value) for value in values)
    return [word for word in re.split(r"[,\s]+", text) if word]


def run(
    checks: Iterable[Check], facts: Facts, errors: Mapping[str, str], host: str, secrets: Iterable[str]
) -> list[Result]:
    """Every check's result. ``errors``: why a gatherer has no facts. ``secrets`` are taken out of all texts."""
    hidden = tuple(secrets)
    stock = facts.expected.get("stock")
    outcomes = ((one, _without(_judged(one, facts, errors), hidden)) for one in checks)
    return [_result(one, since(stock, one.id, outcome), facts, host) for one, outcome in outcomes]


def _judged(one: Check, facts: Facts, errors: Mapping[str, str]) -> Outcome:
    broken = dict.fromkeys(errors[name] for name in one.needs if name in errors)
    if broken:
        reason = "; ".join(broken)
        return failed("it could not be looked at", reason=reason, fix=mend(reason))
    try:
        return one.judge(facts)
    except Exception as error:  # noqa: BLE001 - whatever it is, this item is not proven
        return failed("the check itself broke", reason=f"{type(error).__name__}: {error}")


def _without(outcome: Outcome, secrets: Sequence[str]) -> Outcome:
    """The outcome without secrets in its texts."""
    texts = ("measured", "evidence", "reason", "target")
    told = tuple(redact(one, secrets) for one in outcome.told)
    return replace(outcome, told=told, **{name: redact(getattr(outcome, name), secrets) for name in texts})


def since(stock: Mapping[str, Sequence[str]] | None, check_id: str, outcome: Outcome) -> Outcome:
    """The outcome in the light of what was there when stock was taken; None where it was not."""
    new = [one for one in outcome.told if stock is not None and one not in stock.get(check_id, ())]
    if not new:
        return outcome
    return replace(outcome, verdict=FAIL, measured=f"new since stock was taken: {_shown(new)}")


def _result(one: Check, outcome: Outcome, facts: Facts, host: str) -> Result:
    def typed(value: str) -> str:
        return value.replace("{stack}", facts.stack).replace("{database}", facts.database)

    output = outcome.evidence
    if len(output) > _LONGEST_EVIDENCE:
        output = f"{output[:_LONGEST_EVIDENCE]}\n... ({len(output)} characters)"
    fix = typed(outcome.fix or one.fix) if outcome.verdict in (FAIL, WARN) else ""
    if fix and outcome.verdict == FAIL and outcome.told:
        fix = f"{fix}. If you want all of it so: {TAKE_STOCK}"
    return Result(
        one.id,
        one.rows,
        one.topic,
        one.title,
        host,
        outcome.verdict,
        outcome.measured,
        outcome.target or one.target,
        outcome.reason,
        typed(one.command),
        output,
        fix,
        outcome.told,
    )
