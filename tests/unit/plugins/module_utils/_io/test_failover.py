# SPDX-License-Identifier: GPL-3.0-or-later
"""What was frozen is thawed, whatever becomes of who froze it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io import failover, failover_clients


def start_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"


def within(seconds: float, pid: int, wanted: bool) -> bool:
    end = time.monotonic() + seconds
    while stopped(pid) is not wanted:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def frozen() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as process:
        os.kill(process.pid, signal.SIGSTOP)
        assert within(5, process.pid, wanted=True)
        yield process.pid
        process.kill()


def guard(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", failover._GUARD, *arguments], stdin=subprocess.PIPE)


def test_the_end_of_who_froze_it_thaws_a_process(frozen: int) -> None:
    with guard("60", f"{frozen}:{start_of(frozen)}") as process:
        assert not within(0.3, frozen, wanted=False)
        assert process.stdin
        process.stdin.close()
    assert within(5, frozen, wanted=False)


def test_so_does_the_end_of_its_time(frozen: int) -> None:
    with guard("0.1", f"{frozen}:{start_of(frozen)}") as process:
        assert process.wait(10) == 0
        assert within(5, frozen, wanted=False)


def test_another_process_of_the_same_number_is_left_alone(frozen: int) -> None:
    with guard("0", f"{frozen}:1", "4194999:1") as process:
        assert process.wait(10) == 0
    assert stopped(frozen)


@pytest.mark.parametrize(("password", "written"), [("a:b\\c", "a\\:b\\\\c"), ("plain", "plain")])
def test_a_password_is_written_as_libpq_reads_it(password: str, written: str) -> None:
    assert failover_clients._escaped(password) == written
