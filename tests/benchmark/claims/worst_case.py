# SPDX-License-Identifier: GPL-3.0-or-later
"""200 connections with 16 MB of work_mem in 2 GB: what happens when 60 of them sort at once (C2)."""

from __future__ import annotations

import contextlib

from . import lab
from .model import Claim, Outcome, Rounds, check

CLAIM = Claim(
    name="worst_case",
    claimed="200 database connections with work_mem 16MB in a container of 2 GB (S16, S20, S23)",
    how="60 clients whose query sorts and hashes more than work_mem, 25 s; 1 where the kernel killed the database",
    unit="crashes",
    variants={
        "naive": "the document's settings, 60 connections to PostgreSQL",
        "ours": "the preset academy: the same settings, the pool that its memory proof allows",
    },
    rows="S20, S96, C2",
)
CLIENTS = 60
#: Four nodes that each want all of work_mem: two sorts, a hash join, an aggregate.
HEAVY = """
SELECT count(*), max(r), max(s) FROM (
    SELECT a.k, row_number() OVER (ORDER BY a.t) AS r, row_number() OVER (ORDER BY b.t DESC) AS s
    FROM (SELECT k, md5(k::text) AS t FROM generate_series(1, 180000) k) a
    JOIN (SELECT k, md5((k + 1)::text) AS t FROM generate_series(1, 180000) k) b USING (k)
) x;
"""


def measure(laboratory: lab.Lab, rounds: int) -> dict[str, list[float]]:
    plan = lab.sizing("academy", "8GB", 2)
    pool = int(plan.pgbouncer_settings["default_pool_size"]) + int(plan.pgbouncer_settings["reserve_pool_size"])
    script = laboratory.directory / "heavy.sql"
    script.write_text(HEAVY.replace("\n", " ") + "\n", encoding="utf-8")
    found: dict[str, list[float]] = {name: [] for name in CLAIM.variants}
    for _round in range(rounds):
        for variant in CLAIM.variants:
            laboratory.start(lab.profile("academy", "8GB"), memory="2g")
            if variant == "ours":
                laboratory.start_pool(pool)
            target = "pool" if variant == "ours" else "database"
            with contextlib.suppress(RuntimeError):
                laboratory.pgbench(target, "-n", "-f", str(script), "-c", str(CLIENTS), "-j", "2", "-T", "25")
            found[variant].append(float(laboratory.killed()))
    return found


def judge(rounds: Rounds) -> Outcome:
    check(CLAIM, rounds)
    crashes, ours = sum(rounds["naive"]), sum(rounds["ours"])
    of = len(rounds["naive"])
    words = f"the kernel killed the database in {crashes:.0f} of {of} rounds; behind the pool in {ours:.0f} of {of}"
    if crashes and not ours:
        return Outcome("does not hold", words, ("It holds behind a pool that opens no more than the memory carries.",))
    return Outcome("holds" if not crashes else "does not hold", words)
