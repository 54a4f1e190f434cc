#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what a full backup of the database does to those who use the application meanwhile.

    tests/benchmark/backup_impact.py --inventory inventories/sandbox

On a stack that serves the example application, such as `make demo` makes: the database gets GIGABYTES of rows.
RATE requests a second arrive at the edge, two of three scans that are written, the third a dashboard. In turns,
ROUNDS times, without a backup and during a full one, as its timer makes it but for the checkpoint, which is
not spread. A request's time counts from when it was due, so that one that waits for the one before is not
forgotten. Fails if the median of the 99th percentiles during backups is more than MORE above that without,
or if a request failed. The rows are removed in the end.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from live_stack import ROOT, Stack, walk

MORE = 0.20
THREADS, STUDENTS = 20, 1000
LESSONS = """
INSERT INTO "ClassSession" (name, "startsAt") SELECT 'Benchmark ' || n, now() FROM generate_series(1, 100) n
ON CONFLICT DO NOTHING;
SELECT min(id) FROM "ClassSession" WHERE name LIKE 'Benchmark %';
"""
WAITING = """
SELECT count(name) || ' files of WAL wait to be archived, the last one was ' ||
       round(extract(epoch FROM now() - last_archived_time)) || ' s ago'
FROM pg_stat_archiver LEFT JOIN pg_ls_archive_statusdir() ON name LIKE '%.ready' GROUP BY last_archived_time
"""
REMOVE = """
DROP SCHEMA IF EXISTS benchmark CASCADE;
DELETE FROM "Attendance" WHERE "sessionId" IN (SELECT id FROM "ClassSession" WHERE name LIKE 'Benchmark %');
DELETE FROM "ClassSession" WHERE name LIKE 'Benchmark %';
"""


class Load:
    """Requests that arrive at a constant rate."""

    def __init__(self, stack: Stack, rate: float, first_session: int) -> None:
        self.rate = rate
        self.first_session = first_session
        self.sent = 0
        one = stack.visitor()
        self.visitors = [one]
        for _ in range(THREADS - 1):
            more = walk.PinnedConnection(one.connection.address, stack.facts["firstbell_domain"], one.connection.tls)
            self.visitors.append(walk.Browser(more, dict(one.cookies)))

    def run(self, seconds: float, *, strict: bool = True) -> list[float]:
        """The time of each request, from when it was due; if strict, one that failed ends the program."""
        times: list[float] = []
        failed: list[str] = []
        count, began = int(self.rate * seconds), time.monotonic() + 0.1

        def visit(number: int) -> None:
            for turn in range(number, count, THREADS):
                due = began + turn / self.rate
                time.sleep(max(0.0, due - time.monotonic()))
                try:
                    self._ask(self.visitors[number], self.sent + turn)
                except (walk.WalkError, OSError, http.client.HTTPException) as error:
                    failed.append(str(error))
                    self.visitors[number].connection.close()
                times.append(time.monotonic() - due)

        threads = [threading.Thread(target=visit, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.sent += count
        if failed and strict:
            sys.exit(f"{len(failed)} of {count} requests failed: {failed[0]}")
        return times

    def _ask(self, visitor: walk.Browser, number: int) -> None:
        if number % 3 == 2:
            walk.expect("dashboard", visitor.request("GET", "/dashboard"), 200)
            return
        session, student = divmod(number, STUDENTS)
        scan = {"admissionNumber": f"A{student + 1:05}", "sessionId": self.first_session + session}
        walk.expect("scan", visitor.request("POST", "/api/scan", scan), 200, 201)


def percentile(times: list[float], share: float) -> float:
    """In milliseconds; the smallest time that so many of them do not exceed."""
    return sorted(times)[max(int(len(times) * share + 0.999999) - 1, 0)] * 1000


def during_backup(stack: Stack, measure: Callable[[], list[float]]) -> list[float]:
    """What is measured while a full backup is made; ends the program if it was not made all the time."""
    command = f"nice -n 10 ionice -c 3 {stack.name}-backup backup --type full --repository 1"
    with subprocess.Popen(stack.ssh(command), stdout=subprocess.PIPE, text=True) as backup:
        running = f"docker ps --quiet --filter name={stack.name}-backup-backup"
        while not stack.run(running):
            if backup.poll() is not None:
                sys.exit(f"the backup failed: {backup.returncode}")
            time.sleep(0.2)
        times = measure()
        print(f"{stack.sql(WAITING)} while a backup is made", flush=True)
        if backup.poll() is not None:
            sys.exit("the backup ended before the measurement: give more --gigabytes, or less --seconds")
        if backup.wait():
            sys.exit("the backup failed")
    return times


def main(arguments: list[str] | None = None) -> int:
    """Alternate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", type=Path, default=ROOT / "inventories" / "sandbox")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prepare", action="store_true", help="only write the rows; they are left")
    parser.add_argument("--prepared", action="store_true", help="take what --prepare has written")
    parser.add_argument("--keep", action="store_true", help="leave the rows")
    options = parser.parse_args(arguments)
    stack = Stack(options.inventory)
    if not options.prepared:
        # Users and students; the authority and the password are then on the controller.
        stack.ansible("ansible-playbook", str(ROOT / "playbooks" / "demo.yml"))
    print(f"the database has {stack.fill(options.gigabytes):.2f} GB", flush=True)
    if options.prepare:
        return 0
    load = Load(stack, options.rate, int(stack.sql(LESSONS)))
    load.run(10, strict=False)
    rounds: dict[str, list[list[float]]] = {"before": [], "during": []}

    def measure() -> list[float]:
        return load.run(options.seconds)

    for _ in range(options.rounds):
        rounds["before"].append(measure())
        rounds["during"].append(during_backup(stack, measure))
    newest = json.loads(stack.run(f"{stack.name}-backup info --json"))["backups"][-1]
    pace = newest["size"] / max(newest["stop"] - newest["start"], 1)
    if not options.keep:
        stack.sql(REMOVE)
    print(f"{'ms':8} {'median':>8} {'p95':>8} {'p99':>8}   p99 of each round")
    p99 = {}
    for name, measured in rounds.items():
        figures = {share: [percentile(times, share) for times in measured] for share in (0.5, 0.95, 0.99)}
        p99[name] = statistics.median(figures[0.99])
        medians = " ".join(f"{statistics.median(values):8.1f}" for values in figures.values())
        print(f"{name:8} {medians}   {', '.join(f'{value:.1f}' for value in figures[0.99])}")
    more = p99["during"] / p99["before"] - 1
    print(f"p99 during a backup {more:+.1%}, which reads {pace / 1e6:.1f} MB/s, {pace * 3600 / 1e9:.0f} GB an hour")
    return int(more > MORE)


if __name__ == "__main__":
    sys.exit(main())
