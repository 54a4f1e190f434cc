# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
import pathlib
import signal
import time

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.firstbell.stack.plugins.action import run_lock

FORK = multiprocessing.get_context("fork")
DEADLINE = 20.0


def worker(answer: pathlib.Path, killing: bool) -> None:
    """What a task's worker takes for its run; ``killing`` ends that run first."""
    if killing:
        run = os.getppid()
        os.kill(run, signal.SIGKILL)
        while os.getppid() == run:
            time.sleep(0.01)
    try:
        found = str(run_lock._main_process())
    except AnsibleActionFail as error:
        found = str(error)
    answer.with_suffix(".new").write_text(found)
    answer.with_suffix(".new").rename(answer)


def run(answer: pathlib.Path, killing: bool) -> None:
    process = FORK.Process(target=worker, args=(answer, killing))
    process.start()
    process.join()


@pytest.mark.parametrize("killing", [False, True])
def test_a_worker_knows_its_run_even_when_that_was_killed(tmp_path: pathlib.Path, killing: bool) -> None:
    answer = tmp_path / "answer"
    process = FORK.Process(target=run, args=(answer, killing))
    process.start()
    process.join(DEADLINE)
    deadline = time.monotonic() + DEADLINE
    while not answer.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    expected = f"run_lock: the run of this task (pid {process.pid}) was killed" if killing else str(process.pid)
    assert answer.read_text() == expected
