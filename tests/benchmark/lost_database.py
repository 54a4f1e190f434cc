#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what is lost, and for how long, when a large database is destroyed at a random moment.

    tests/benchmark/lost_database.py --inventory inventories/sandbox --destroy firstbell

DESTROYS the database of a stack that serves the example application, and restores it. It gets GIGABYTES of rows
and a backup. Then rows are committed at a constant rate; after a random time the database is killed and its
directory removed. The playbook restore brings it back. Fails unless all rows but those of the last 60 seconds are
there again and writes are taken within 60 s and 6 s for each GB.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from live_stack import ROOT, Stack

TOOLS = ROOT / "extensions" / "molecule" / "backup"
RATE = 50
LOSE = """
CREATE TABLE IF NOT EXISTS written (number bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp());
TRUNCATE written;
"""


def main(arguments: list[str] | None = None) -> int:
    """Fill, back up, write, destroy, restore, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", type=Path, default=ROOT / "inventories" / "sandbox")
    parser.add_argument("--gigabytes", type=float, default=3.0)
    parser.add_argument("--destroy", required=True, metavar="STACK", help="the name of the stack")
    parser.add_argument("--prepare", action="store_true", help="only write the rows and make the backup")
    parser.add_argument("--prepared", action="store_true", help="take what --prepare has made")
    options = parser.parse_args(arguments)
    stack = Stack(options.inventory)
    if stack.name != options.destroy:
        parser.error(f"this stack is called {stack.name}")
    command = f"{stack.name}-backup"
    if not options.prepared:
        print(f"the database has {stack.fill(options.gigabytes):.2f} GB", flush=True)
        print(stack.run(f"{command} backup --type full --repository 1"), end="", flush=True)
    if options.prepare:
        return 0
    stack.sql(LOSE)
    for name in ("writer.py", "judge.py"):
        stack.run(f"cat > /root/{name}", (TOOLS / name).read_text(encoding="utf-8"))
    database, socket = stack.name.replace("-", "_"), f"/opt/{stack.name}/run/postgres"
    stack.run(
        f"rm -f /root/written; systemd-run --quiet --unit firstbell-writer "
        f"python3 /root/writer.py {socket} {database} /root/written {RATE}"
    )
    seconds = random.SystemRandom().uniform(30, 90)
    time.sleep(seconds)
    disaster = stack.run(
        f"date +%s.%N; docker kill --signal KILL $(docker ps -q --filter name={stack.name}_postgres) >/dev/null; "
        f"rm -rf /opt/{stack.name}/data/postgres/17/data; systemctl stop firstbell-writer"
    ).split()[0]
    print(f"destroyed after {seconds:.0f} s", flush=True)
    print(
        stack.ansible("ansible-playbook", str(ROOT / "playbooks/restore.yml"), "-e", f"restore_overwrite={stack.name}")
    )
    judge = f"python3 /root/judge.py {socket} {database} /root/written {disaster} 60 60 6"
    print(stack.run(f"{judge} /opt/{stack.name}/backup/records/restore.json"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
