# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to connect, with and without the pool."""

from __future__ import annotations

from . import lab
from .model import Claim, Outcome, Rounds
from .model import judge as judge_reduction

CLAIM = Claim(
    name="connections",
    claimed="connection overhead 60 % less by pooling",
    how="pgbench -S -C, 20 clients that connect anew for each query, SCRAM at both ends, 5 s; connecting and one query",
    unit="ms",
    variants={"naive": "to PostgreSQL", "ours": "to PgBouncer, pool of 20, SCRAM verifiers"},
    least=0.6,
)
CLIENTS = 20


def measure(laboratory: lab.Lab, rounds: int) -> dict[str, list[float]]:
    laboratory.start(lab.profile())
    laboratory.start_pool()
    laboratory.pgbench("database", "-i", "-q", "-s", "5")
    found: dict[str, list[float]] = {name: [] for name in CLAIM.variants}
    for _round in range(rounds):
        for variant, target in (("naive", "database"), ("ours", "pool")):
            said = laboratory.pgbench(target, "-n", "-S", "-C", "-c", str(CLIENTS), "-j", "2", "-T", "5")
            found[variant].append(CLIENTS / lab.figure(said, r"tps = ([0-9.]+)") * 1000)
    return found


def judge(rounds: Rounds) -> Outcome:
    return judge_reduction(CLAIM, rounds)
