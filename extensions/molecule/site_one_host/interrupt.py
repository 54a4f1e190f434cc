# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a playbook several times and ends each run in the middle of a task.

    interrupt.py PLAYBOOK INVENTORY

The whole process group gets the signal, as with Ctrl-C or when a terminal is closed. A
run that ends by itself before its moment is an error.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

#: Task, seconds after its start, signal: in each of them something is half done.
MOMENTS = (
    ("docker : Install Debian's engine", 3.0, signal.SIGKILL),
    ("images : Make the images", 4.0, signal.SIGINT),
    ("app : Apply the image's Prisma migrations", 1.0, signal.SIGKILL),
    ("app : Roll out the application", 1.5, signal.SIGKILL),
)


def interrupt(playbook: str, inventory: str, task: str, seconds: float, number: signal.Signals) -> None:
    program = Path(sys.executable).with_name("ansible-playbook")
    with subprocess.Popen(
        [str(program), "-i", inventory, playbook],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    ) as run:
        assert run.stdout is not None
        seen = []
        for line in run.stdout:
            seen.append(line)
            if line.startswith("TASK") and task in line:
                break
        else:
            sys.exit(f"the run ended before {task}:\n{''.join(seen[-60:])}")
        time.sleep(seconds)
        if run.poll() is not None:
            sys.exit(f"the run ended within {seconds} s of {task}:\n{run.stdout.read()}")
        os.killpg(run.pid, number)
        run.stdout.close()
    print(f"{number.name} {seconds} s into {task}", flush=True)


if __name__ == "__main__":
    for moment in MOMENTS:
        interrupt(*sys.argv[1:3], *moment)
