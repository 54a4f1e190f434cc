# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which faults are put in, and which of them together: those whose alerts do not hide each other's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import InputError
from ..names import did_you_mean
from .model import Fault, Rule

#: Instead of names: all, or those that interrupt nothing.
ALL, QUIET = "all", "quiet"


def choose(faults: Sequence[Fault], wanted: Iterable[str]) -> tuple[Fault, ...]:
    """The faults of these names, in the catalogue's order; raises InputError for a name that there is not."""
    names = [name for name in wanted if name]
    known = {fault.name: fault for fault in faults}
    for name in names:
        if name not in known and name not in (ALL, QUIET):
            near = did_you_mean(name, [*known, ALL, QUIET])
            raise InputError(f"there is no fault {name!r}" + (f"; did you mean {near}?" if near else ""))
    if not names or ALL in names:
        return tuple(faults)
    return tuple(f for f in faults if f.name in names or (QUIET in names and not f.interrupts))


def rounds(faults: Iterable[Fault], rules: Mapping[str, Rule]) -> tuple[tuple[Fault, ...], ...]:
    """Groups that are put in at the same time, as few and as early as the faults' order allows.

    In a group no fault hides the component of another one's alert, and no two share an alert that
    their labels do not tell apart.
    """
    found: list[list[Fault]] = []
    for fault in faults:
        group = next((one for one in found if all(together(fault, other, rules) for other in one)), None)
        if group is None:
            group = []
            found.append(group)
        group.append(fault)
    return tuple(tuple(group) for group in found)


def together(one: Fault, other: Fault, rules: Mapping[str, Rule]) -> bool:
    """Whether the alerts of both arrive when both faults are in place."""
    if _hidden(one, other, rules) or _hidden(other, one, rules):
        return False
    return not (one.alert == other.alert and not _told_apart(one.labels, other.labels))


def _hidden(fault: Fault, by: Fault, rules: Mapping[str, Rule]) -> bool:
    return fault.alert in by.hides or rules[fault.alert].component in by.hides


def _told_apart(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return any(label in other and other[label] != value for label, value in one.items())


def drilled(group: Iterable[Fault]) -> tuple[str, ...]:
    """Names of the alerts that belong to the drill while these faults are in place."""
    return tuple(sorted({name for fault in group for name in (fault.alert, *fault.also)}))
