#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures our modules for PostgreSQL against a loop of community.postgresql's on the same server.

    tests/benchmark/run.py [TOPIC ...]     all topics, or the named ones

A topic is a folder with ``prepare.yml``, what comes before the first round, and ``round.yml``, which
has a task "Ours" and a task "Theirs" that bring about the same. Both are run in turns by one
ansible-playbook; the first round is left out. What counts is the wall time of a task with all its
items, as the controller sees it; the median is given. Ours must be FASTER times as fast.
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration import postgres_server  # noqa: E402

ROUNDS = 5
FASTER = 10


def topics() -> list[str]:
    return sorted(path.parent.name for path in HERE.glob("*/round.yml"))


def play(topic: str, server: postgres_server.Server) -> dict[str, Any]:
    """What ansible-playbook says of its rounds."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(HERE / "playbook.yml")]
    variables = {"topic": topic, "rounds": ROUNDS + 1, "server_socket": server.socket}
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.json",
    }
    done = subprocess.run(
        [*command, "-e", json.dumps(variables)], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    start = done.stdout.find("{\n")
    if start < 0:
        sys.exit(f"{topic}: ansible-playbook ended with {done.returncode}\n{done.stdout}{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout[start:])
    tasks = [task for one in result["plays"] for task in one["tasks"]]
    failed = [
        (task["task"]["name"], said["msg"]) for task in tasks for said in task["hosts"].values() if said.get("failed")
    ]
    if done.returncode or failed:
        sys.exit(f"{topic}: ansible-playbook ended with {done.returncode}: {failed}")
    return result


def seconds(result: dict[str, Any], name: str) -> list[float]:
    """How long each task of that name took; the first one, which warms up, left out."""
    tasks = [task["task"] for one in result["plays"] for task in one["tasks"] if task["task"]["name"] == name]
    return [(_time(task["duration"]["end"]) - _time(task["duration"]["start"])).total_seconds() for task in tasks][1:]


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def main(arguments: list[str]) -> int:
    wanted = arguments or topics()
    if unknown := set(wanted) - set(topics()):
        print(f"no topic {', '.join(sorted(unknown))}; there are: {', '.join(topics())}", file=sys.stderr)
        return 2
    slow = []
    with postgres_server.running(postgres_server.DEPLOYED) as server:
        for topic in wanted:
            result = play(topic, server)
            ours, theirs = seconds(result, "Ours"), seconds(result, "Theirs")
            if not len(ours) == len(theirs) == ROUNDS:
                sys.exit(f"{topic}: {len(ours)} and {len(theirs)} rounds were measured instead of {ROUNDS}")
            ratio = statistics.median(theirs) / statistics.median(ours)
            for name, values in (("ours", ours), ("theirs", theirs)):
                spread = f"{min(values):.2f} to {max(values):.2f}"
                print(f"{topic:12} {name:6} median {statistics.median(values):6.2f} s ({spread} s, {ROUNDS} rounds)")
            verdict = "ok" if ratio >= FASTER else f"TOO SLOW, {FASTER} are wanted"
            print(f"{topic:12} {ratio:.1f} times as fast: {verdict}", flush=True)
            slow += [topic] if ratio < FASTER else []
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
