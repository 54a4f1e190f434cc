# SPDX-License-Identifier: GPL-3.0-or-later
"""A claim, the rounds in which it was tried, and what is true of it. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Rounds = Mapping[str, Sequence[float]]
ROUNDS = 3
NAIVE, OURS = "naive", "ours"


@dataclass(frozen=True)
class Claim:
    """One line of the table.

    ``claimed``: the words of the documents. ``least``: the share by which OURS must be less than NAIVE.
    ``variants``: names and what they mean, in the order of a round.
    """

    name: str
    claimed: str
    how: str
    unit: str
    variants: Mapping[str, str]
    least: float = 0.0
    rows: str = "S97"


@dataclass(frozen=True)
class Outcome:
    """``verdict``: holds, does not hold, partly, or not decided; ``words``: the figures."""

    verdict: str
    words: str
    notes: Sequence[str] = field(default_factory=tuple)


def check(claim: Claim, rounds: Rounds) -> None:
    """Refuse what is no measurement: a variant that is missing, too few rounds, rounds that were left out."""
    if set(rounds) != set(claim.variants):
        raise ValueError(f"{claim.name}: {sorted(rounds)} were measured instead of {sorted(claim.variants)}")
    lengths = {len(values) for values in rounds.values()}
    if len(lengths) != 1 or min(lengths) < ROUNDS:
        raise ValueError(f"{claim.name}: {ROUNDS} rounds of each variant are wanted")


def reduction(rounds: Rounds, naive: str = NAIVE, ours: str = OURS) -> float:
    """By which share the median of ``ours`` is less."""
    return 1 - statistics.median(rounds[ours]) / statistics.median(rounds[naive])


def apart(rounds: Rounds, naive: str = NAIVE, ours: str = OURS) -> bool:
    """Whether no round of the one reached into the other's: else the difference may be chance."""
    return max(rounds[ours]) < min(rounds[naive])


def judge(claim: Claim, rounds: Rounds) -> Outcome:
    """The claim of a reduction: it holds when it is as large as claimed and larger than the spread."""
    check(claim, rounds)
    less = reduction(rounds)
    if less >= claim.least and apart(rounds):
        verdict = "holds"
    elif less > 0 and apart(rounds):
        verdict = "partly"
    else:
        verdict = "does not hold"
    return Outcome(verdict, f"{changed(less)}; {spreads(claim, rounds)}")


def changed(less: float) -> str:
    """A reduction in words."""
    return f"{abs(less):.0%} {'less' if less >= 0 else 'more'}"


def spreads(claim: Claim, rounds: Rounds) -> str:
    """Median and spread of each variant."""
    return ", ".join(f"{name} {spread(rounds[name])} {claim.unit}" for name in claim.variants)


def spread(values: Sequence[float]) -> str:
    return f"{_number(statistics.median(values))} ({_number(min(values))} to {_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
