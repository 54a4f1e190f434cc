# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real runs of ansible-playbook against one host."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from integration.harness import COLLECTIONS, ModuleFailedError, run_module

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Take the lock
      firstbell.stack.run_lock:
        path: "{{ lock }}"
    - name: Ask again
      firstbell.stack.run_lock:
        path: "{{ lock }}"
        ttl: 3h
    - name: Work
      ansible.builtin.wait_for:
        path: "{{ lock }}.done"
        timeout: 60
        sleep: 1
      when: working
    - name: Give it back
      firstbell.stack.run_lock:
        path: "{{ lock }}"
        state: absent
"""


@dataclass
class Host:
    """A playbook and the place of the lock it takes."""

    playbook: pathlib.Path
    lock: pathlib.Path

    def command(self, *, working: bool = False, more: tuple[str, ...] = ()) -> list[str]:
        program = pathlib.Path(sys.executable).with_name("ansible-playbook")
        variables = {"lock": str(self.lock), "working": working, "ansible_python_interpreter": sys.executable}
        return [
            str(program) if program.exists() else "ansible-playbook",
            *("-i", "localhost,", "-c", "local", "-e", json.dumps(variables), *more, str(self.playbook)),
        ]

    def run(self, *more: str) -> tuple[int, str]:
        done = subprocess.run(
            self.command(more=more), env=_environment(), capture_output=True, text=True, check=False, timeout=120
        )
        return done.returncode, done.stdout + done.stderr

    @contextlib.contextmanager
    def at_work(self) -> Iterator[subprocess.Popen[bytes]]:
        """Another run that has the lock and works."""
        process = subprocess.Popen(
            self.command(working=True),
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not self.lock.exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "1000"}


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Host:
    playbook = tmp_path / "site.yml"
    playbook.write_text(PLAYBOOK)
    return Host(playbook, tmp_path / "lock" / "run.json")


def test_alone_it_takes_keeps_and_gives_back_without_a_change(host: Host) -> None:
    code, output = host.run()
    assert code == 0, output
    assert "changed=0" in output
    assert list(host.lock.parent.iterdir()) == []


def test_check_mode_writes_nothing(host: Host) -> None:
    code, output = host.run("--check")
    assert code == 0, output
    assert not host.lock.parent.exists()


def test_the_second_run_is_refused(host: Host) -> None:
    with host.at_work() as first:
        for mode in ((), ("--check",)):
            before = host.lock.read_text()
            code, output = host.run(*mode)
            assert code != 0
            for words in (
                f"pid {first.pid}, site.yml",
                "still running",
                f"kill {first.pid}",
                "firstbell_lock_override",
            ):
                assert words in output
            assert json.loads(host.lock.read_text())["token"] == json.loads(before)["token"]
        host.lock.with_name("run.json.done").write_text("")
        assert first.wait(timeout=60) == 0
    host.lock.with_name("run.json.done").unlink()
    assert host.run()[0] == 0


def test_a_killed_run_is_taken_over(host: Host) -> None:
    with host.at_work() as first:
        first.kill()
        # Not waited for: the killed process is a zombie until its parent looks.
        code, output = host.run("--check")
        assert code == 0, output
        assert json.loads(host.lock.read_text())["owner"]["pid"] == first.pid
        code, output = host.run()
        assert code == 0, output
        assert "took the lock over from" in output
        assert f"pid {first.pid}, site.yml" in output
        assert "has ended without giving the lock back" in output
    assert not host.lock.exists()


def test_override(host: Host) -> None:
    with host.at_work() as first:
        code, output = host.run("-e", "firstbell_lock_override=true")
        assert code == 0, output
        assert f"pid {first.pid}" in output
        assert "overridden" in output


def test_a_run_of_another_controller_counts_for_its_time(host: Host) -> None:
    owner = {"machine": "m", "boot": "b", "namespace": "n", "pid": 7, "started": 1, "user": "carol", "host": "desktop"}
    options = {"path": str(host.lock), "run": {**owner, "playbook": "deploy.yml"}}
    assert run_module("run_lock", {**options, "ttl": "1h"})["action"] == "acquire"
    code, output = host.run()
    assert code != 0
    for words in ("carol@desktop, pid 7, deploy.yml", "ends by itself in", "firstbell_lock_override"):
        assert words in output
    # A lock that was not renewed for longer than its time counts no more.
    record = json.loads(host.lock.read_text())
    host.lock.write_text(json.dumps({**record, "renewed": record["renewed"] - 3601}))
    code, output = host.run()
    assert code == 0, output
    assert "its time of 1h is over" in output
    # What the other gives back then is no longer there; what is another's stays.
    with host.at_work():
        released = run_module("run_lock", {**options, "state": "absent"})
        assert released["action"] == "nothing"
        assert released["warnings"]
        assert host.lock.exists()


def test_only_one_of_many_gets_it(host: Host) -> None:
    base = {"machine": "m", "boot": "b", "namespace": "n", "started": 1, "user": "u", "host": "h"}
    command = [sys.executable, "-m", "ansible_collections.firstbell.stack.plugins.modules.run_lock"]
    processes = []
    for pid in range(1, 9):
        process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(COLLECTIONS)}, cwd="/", text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        arguments = {"ANSIBLE_MODULE_ARGS": {"path": str(host.lock), "run": {**base, "pid": pid}}}
        assert process.stdin is not None
        process.stdin.write(json.dumps(arguments))
        processes.append(process)
    answers = [json.loads(process.communicate()[0])["action"] for process in processes]
    assert sorted(answers) == ["acquire"] + ["refuse"] * 7


def test_what_a_task_must_not_say(host: Host) -> None:
    host.playbook.write_text(PLAYBOOK.replace("ttl: 3h", "dead: x"))
    code, output = host.run()
    assert code != 0
    assert "dead is for the controller to fill in" in output
    with pytest.raises(ModuleFailedError, match="run is missing"):
        run_module("run_lock", {"path": str(host.lock)})


def test_a_file_of_something_else_is_left_alone(host: Host) -> None:
    host.lock.parent.mkdir()
    host.lock.write_text("not ours")
    code, output = host.run()
    assert code != 0
    assert "is no lock of this collection" in output
    assert host.lock.read_text() == "not ours"
    shutil.rmtree(host.lock.parent)
    assert host.run()[0] == 0
