# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of the database with 400 clients, with and without the pool."""

from __future__ import annotations

import time

from . import lab
from .model import Claim, Outcome, Rounds
from .model import judge as judge_reduction

CLAIM = Claim(
    name="memory",
    claimed="memory of the database used 25 % better",
    how="400 clients that read; working set of the database, and of the pool where there is one, after 8 s",
    unit="MB",
    variants={"naive": "400 connections to PostgreSQL", "ours": "400 to PgBouncer, pool of 20"},
    least=0.25,
)
CLIENTS = 400


def measure(laboratory: lab.Lab, rounds: int) -> dict[str, list[float]]:
    settings = {**lab.profile(), "max_connections": CLIENTS + 20}
    laboratory.start(settings)
    laboratory.pgbench("database", "-i", "-q", "-s", "5")
    found: dict[str, list[float]] = {name: [] for name in CLAIM.variants}
    for _round in range(rounds):
        for variant in CLAIM.variants:
            laboratory.start(settings)
            if variant == "ours":
                laboratory.start_pool()
            target = "pool" if variant == "ours" else "database"
            client = laboratory.client(target, "-n", "-S", "-c", str(CLIENTS), "-j", "2", "-T", "20")
            try:
                _wait_for_clients(laboratory)
                time.sleep(8)
                found[variant].append(laboratory.working_set() / 2**20)
            finally:
                client.remove(force=True, v=True)
    return found


def _wait_for_clients(laboratory: lab.Lab) -> None:
    """Until the first of them works: connecting takes its time."""
    with laboratory.connect() as connection:
        for _turn in range(150):
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'"
            ).fetchone()
            if row is not None and row[0] >= lab.POOL / 2:
                return
            time.sleep(0.2)


def judge(rounds: Rounds) -> Outcome:
    return judge_reduction(CLAIM, rounds)
