# SPDX-License-Identifier: GPL-3.0-or-later
"""What was lost: rows that were acknowledged before the disaster and are not in the restored database.

usage: judge.py SOCKET DATABASE NOTES DISASTER RECOVERY_POINT RECOVERY_TIME RECOVERY_TIME_PER_GB RECORD

DISASTER is when the data was destroyed, in seconds since 1970. Fails unless both objectives are held.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psycopg


def main(arguments: list[str]) -> int:
    socket, database, notes = arguments[:3]
    disaster, point, base, per_gb = (float(word) for word in arguments[3:7])
    record = json.loads(Path(arguments[7]).read_text(encoding="utf-8"))
    acknowledged = dict(line.split() for line in Path(notes).read_text(encoding="ascii").splitlines() if line)
    before = {int(number): float(at) for number, at in acknowledged.items() if float(at) <= disaster}
    with psycopg.connect(host=socket, user="postgres", dbname=database) as connection:
        found = {row[0] for row in connection.execute("SELECT number FROM written")}
    lost = sorted(set(before) - found)
    newest = max((number for number in before if number in found), default=0)
    holes = [number for number in lost if number < newest]
    seconds = disaster - before[lost[0]] if lost else 0.0
    allowed = base + per_gb * record["database_bytes"] / 1e9
    print(
        f"{len(before)} rows were acknowledged, {len(lost)} of them lost: "
        f"the last {seconds:.1f} s (allowed {point:.0f}). "
        f"Writable after {record['seconds_to_writable']:.1f} s (allowed {allowed:.1f}), {record['proof']}."
    )
    if holes:
        print(f"rows are missing before the newest one that is there: {holes[:10]}")
    ended = not holes and newest and seconds <= point and record["seconds_to_writable"] <= allowed
    return 0 if ended else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
