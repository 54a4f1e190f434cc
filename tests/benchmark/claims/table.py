# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/benchmarks.md from the results that are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import connections, efficiency, memory, queries, start, statistics_cost, threads, worst_case
from .model import Outcome

EXPERIMENTS = (queries, connections, efficiency, memory, worst_case, start, statistics_cost, threads)
RESULTS = Path(__file__).resolve().parent / "results"
TARGET = Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks: what is true of the claims

Written by `tests/benchmark/claims/table.py` from the results beside it. `make benchmark ARGS=claims` measures them
again, on your machine and with other figures.

The documents that this collection started from claim what tuning brings. Each claim that fits one machine is an
experiment here: the same data, naive and tuned in turns, at least three rounds, the median with the smallest and the
largest. A claim *holds* when it is as large as claimed and no round of the one reached into the other's; *partly*,
when it is smaller than claimed.

"""
TAIL = Path(__file__).resolve().parent / "elsewhere.txt"


def outcomes() -> Iterator[tuple[Any, Mapping[str, Any], Outcome]]:
    """Experiment, what was measured, and what it means; those without a result are left out."""
    for experiment in EXPERIMENTS:
        path = RESULTS / f"{experiment.CLAIM.name}.json"
        if path.exists():
            result = json.loads(path.read_text(encoding="utf-8"))
            yield experiment, result, experiment.judge(result["rounds"])


def render() -> str:
    lines = [HEAD, "| claim | rows | verdict | measured |", "\n|---|---|---|---|\n"]
    found = list(outcomes())
    for experiment, _result, outcome in found:
        claim = experiment.CLAIM
        lines.append(f"| {claim.claimed} | {claim.rows} | **{outcome.verdict}** | {outcome.words} |\n")
    for experiment, result, outcome in found:
        claim = experiment.CLAIM
        lines.append(f"\n## {claim.name.replace('_', ' ').capitalize()}\n\n{claim.how[0].upper()}{claim.how[1:]}.\n\n")
        lines += [f"- {name}: {text}\n" for name, text in claim.variants.items()]
        lines.append(f"\n{result['machine']}; {result['at']}, {len(next(iter(result['rounds'].values())))} rounds.\n")
        lines += [f"\n{note}\n" for note in outcome.notes]
    missing = [one.CLAIM for one in EXPERIMENTS if not (RESULTS / f"{one.CLAIM.name}.json").exists()]
    lines += [f"\n`{claim.name}` ({claim.claimed}) was not measured yet.\n" for claim in missing]
    return "".join([*lines, TAIL.read_text(encoding="utf-8")])


def main() -> int:
    TARGET.write_text(render(), encoding="utf-8")
    return 0
