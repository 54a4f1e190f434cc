# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of what is done every day, week and month: sections, how they read, and what is kept of them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..prometheus import Sample
from ..records import Item, Record
from .words import moment

KINDS = {
    "daily": "Health of the day",
    "weekly": "Database, statements and backups of the week",
    "monthly": "Capacity of the month",
}
PREFIX = "firstbell_maintenance"
#: Why there is nothing of a source that is not asked.
ABSENT = {
    "prometheus": "firstbell_monitoring is false",
    "capacity": "firstbell_monitoring is false, so nothing was measured",
    "sessions": "operations_session_pattern is empty",
    "backups": "backup_enabled is false",
}
_WIDTH = 118


@dataclass(frozen=True)
class Section:
    """One subject. ``lines`` are for people, ``measured`` for programs; ``findings``: what is wrong and what to type.

    ``note``: why there is nothing to say, for what is switched off; that is no fault.
    """

    name: str
    title: str
    lines: tuple[str, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Report:
    """What one run found. ``at`` in seconds since 1970, ``done``: what was changed."""

    kind: str
    stack: str
    at: float
    seconds: float
    sections: tuple[Section, ...]
    done: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[str, ...]:
        return tuple(f"{section.title}: {finding}" for section in self.sections for finding in section.findings)


Judge = Callable[[Mapping[str, Any]], Section]


@dataclass(frozen=True)
class Part:
    """How a section is made: the sources that it needs, and its judge, which gets all facts and the ``config``."""

    name: str
    title: str
    needs: tuple[str, ...]
    judge: Judge


def section_of(part: Part, facts: Mapping[str, Any], errors: Mapping[str, str]) -> Section:
    """A section, or why it cannot be written: a source that does not answer is a finding."""
    broken = [
        f"{source} does not answer: {' '.join(errors[source].split())[:300]}"
        for source in part.needs
        if source in errors
    ]
    if broken:
        return Section(part.name, part.title, ("could not be looked at",), findings=tuple(broken))
    missing = [source for source in part.needs if source not in facts]
    if missing:
        return Section(
            part.name, part.title, note=f"not looked at: {ABSENT.get(missing[0], missing[0] + ' is not there')}"
        )
    return part.judge(facts)


def render(report: Report) -> list[str]:
    """The report in plain text."""
    heading = f"{KINDS[report.kind]}: {report.stack}, {moment(report.at)}"
    lines = [heading, "=" * len(heading), ""]
    if report.findings:
        lines.append(f"TO DO ({len(report.findings)})")
        for number, finding in enumerate(report.findings, 1):
            lines += _wrapped(f"{number:2}. {finding}", "    ")
    else:
        lines.append("Nothing to do.")
    for section in report.sections:
        lines += ["", section.title, "-" * len(section.title)]
        lines += [
            line for text in section.lines or (section.note or "nothing",) for line in _wrapped(f"  {text}", "    ")
        ]
    lines += ["", *(f"changed: {step}" for step in report.done), f"It took {report.seconds:.0f} s."]
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) or [
        text
    ]


def record(report: Report) -> Record:
    """What is kept of it."""
    return Record(
        f"maintenance_{report.kind}",
        float(int(report.at)),
        report.seconds,
        not report.findings,
        {
            f"{section.name}_{name}": round(value, 4)
            for section in report.sections
            for name, value in section.measured.items()
        },
        {},
        report.findings,
        tuple(
            Item(section.name, not section.findings, dict(section.measured), " ".join(section.findings))
            for section in report.sections
        ),
    )


def samples(records: Mapping[str, Record], stack: str) -> Iterator[Sample]:
    """Metrics of the last record of each kind. Moments and no ages, as those would stand still with their timer."""
    for kind in KINDS:
        last = records.get(f"maintenance_{kind}")
        if last is None:
            continue
        labels = {"stack": stack, "kind": kind}
        yield Sample(f"{PREFIX}_timestamp_seconds", last.at, labels, "When the last run of a kind began")
        yield Sample(f"{PREFIX}_duration_seconds", last.seconds, labels, "How long it took")
        yield Sample(f"{PREFIX}_findings", len(last.findings), labels, "What it found to be done")
    for name, value in (
        sorted(records["maintenance_monthly"].measured.items()) if "maintenance_monthly" in records else ()
    ):
        if name.startswith("growth_full_in_days"):
            yield Sample(
                f"{PREFIX}_disk_full_days", value, {"stack": stack}, "Days until the first disk is full, by its growth"
            )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Columns side by side: the first to the left, others to the right."""
    everything = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in everything) for column in range(len(head))]
    return tuple(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in everything
    )
