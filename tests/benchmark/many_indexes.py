#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures how long pg_indexes takes to plan 3,000 indexes of 1,000 tables on a real server.

A third of them is there by another name, a third has another definition than the index of its name, a
third is missing. It is the whole run of the module in check mode, its process included. The best of
five must be under LIMIT: what else the machine does can only add to it. The median is given, too.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from integration import postgres_server  # noqa: E402
from integration.harness import run_module  # noqa: E402

TABLES, ROUNDS, LIMIT = 1000, 5, 2.0


def make(server: postgres_server.Server, database: str) -> list[dict[str, Any]]:
    """The tables with two indexes each besides the primary key's, and the wanted ones."""
    wanted = []
    with server.connect(database) as connection:
        for number in range(TABLES):
            table, name = f"Table{number}", f"index{number}"
            connection.execute(
                f'CREATE TABLE "{table}" (id int PRIMARY KEY, student int, marked timestamptz, name text);'
                f'CREATE INDEX ON "{table}" (student); CREATE INDEX {name} ON "{table}" (marked)'
            )
            wanted += [
                {"table": table, "columns": ["student"]},
                {"table": table, "name": name, "columns": [{"column": "marked", "order": "desc"}, "student"]},
                {"table": table, "columns": ["name", "marked"], "include": ["student"]},
            ]
    return wanted


def main() -> int:
    with postgres_server.running(postgres_server.DEPLOYED) as server, server.database("many") as database:
        wanted = make(server, database)
        arguments = {**server.login(database), "indexes": wanted, "blocked": "skip", "replace": True}
        for advice in (False, True):
            taken = []
            for _round in range(ROUNDS):
                started = time.monotonic()
                result = run_module("pg_indexes", {**arguments, "advice": advice}, check=True)
                taken.append(time.monotonic() - started)
                if result["summary"] != {"keep": TABLES, "replace": TABLES, "create": TABLES}:
                    sys.exit(f"not what was planned: {result['summary']}")
            verdict = "ok" if advice or min(taken) < LIMIT else f"TOO SLOW, {LIMIT} s are wanted"
            what = f"{len(wanted)} indexes of {TABLES} tables planned" + (
                ", with advice on all of them" if advice else ""
            )
            median = statistics.median(taken)
            print(f"{what}: best {min(taken):.2f} s, median {median:.2f} s, {ROUNDS} rounds: {verdict}", flush=True)
            if verdict != "ok":
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
