# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_stat_statements costs."""

from __future__ import annotations

import statistics

from . import lab
from .model import Claim, Outcome, Rounds, apart, changed, check, spreads

CLAIM = Claim(
    name="statistics_cost",
    claimed="pg_stat_statements is free",
    how="pgbench -S -M prepared, 8 clients, 5 s; time of a query",
    unit="ms",
    variants={"naive": "without", "ours": "with pg_stat_statements, as the stack has it"},
    rows="S28",
)
CLIENTS = 8
_MOST = 0.05


def measure(laboratory: lab.Lab, rounds: int) -> dict[str, list[float]]:
    laboratory.start(lab.profile())
    laboratory.pgbench("database", "-i", "-q", "-s", "5")
    found: dict[str, list[float]] = {name: [] for name in CLAIM.variants}
    for _round in range(rounds):
        for variant in CLAIM.variants:
            more = {"shared_preload_libraries": "pg_stat_statements"} if variant == "ours" else {}
            laboratory.start({**lab.profile(), **more})
            said = laboratory.pgbench(
                "database", "-n", "-S", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", "5"
            )
            found[variant].append(CLIENTS / lab.figure(said, r"tps = ([0-9.]+)") * 1000)
    return found


def judge(rounds: Rounds) -> Outcome:
    check(CLAIM, rounds)
    more = statistics.median(rounds["ours"]) / statistics.median(rounds["naive"]) - 1
    verdict = "holds" if more <= _MOST else "not decided"
    if more > _MOST and apart(rounds, naive="ours", ours="naive"):
        verdict = "does not hold"
    return Outcome(verdict, f"{changed(-more)}; {spreads(CLAIM, rounds)}")
