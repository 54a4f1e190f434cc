#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries the claims: ``run.py [NAME ...]``, all of them or the named ones; keeps the results and writes the table.

``run.py table`` only writes the table.
The experiments ``start`` and ``efficiency`` need images of the example app; playbooks/benchmark.yml makes them.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmark.claims import lab, model, table


def machine() -> str:
    """What it was measured on, and how busy that was: a ratio on a busy machine is worth less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} CPUs, {memory:.0f} GB, load {os.getloadavg()[0]:.0f} before it"


def main(arguments: list[str]) -> int:
    if arguments == ["table"]:
        return table.main()
    known = {one.CLAIM.name: one for one in table.EXPERIMENTS}
    if unknown := set(arguments) - set(known):
        print(f"no claim {', '.join(sorted(unknown))}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in arguments or known:
        experiment = known[name]
        if missing := [variable for variable in getattr(experiment, "NEEDS", ()) if variable not in os.environ]:
            print(f"{name}: skipped, {' and '.join(missing)} name no images", flush=True)
            continue
        seen, now = machine(), datetime.datetime.now(datetime.timezone.utc)
        with lab.running() as laboratory:
            rounds = experiment.measure(laboratory, model.ROUNDS)
        outcome = experiment.judge(rounds)
        print(f"{name}: {outcome.verdict}: {outcome.words}", *outcome.notes, sep="\n  ", flush=True)
        kept = {name: [round(value, 3) for value in values] for name, values in rounds.items()}
        content = {"at": f"{now:%Y-%m-%d}", "machine": seen, "rounds": kept}
        table.RESULTS.mkdir(exist_ok=True)
        (table.RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return table.main()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
