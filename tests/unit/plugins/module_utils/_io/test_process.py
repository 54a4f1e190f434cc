# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of this machine."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import time

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io import process


def test_identity_of_this_process() -> None:
    me = process.identity(os.getpid(), "site.yml")
    assert (me.pid, me.playbook) == (os.getpid(), "site.yml")
    assert me.started > 0
    assert me.user
    assert me.host
    assert me == process.identity(os.getpid(), "site.yml")
    machine_id = pathlib.Path("/etc/machine-id")
    if machine_id.exists():
        assert machine_id.read_text().strip() not in repr(me)


def test_life_and_death() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        owner = process.identity(child.pid, "")
        assert process.lives(owner)
        assert not process.lives(dataclasses.replace(owner, started=owner.started + 1))
        child.kill()
        deadline = time.monotonic() + 10
        # Killed and not yet waited for: it is still in the table, as a zombie.
        while process.lives(owner) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not process.lives(owner)
        child.wait()
    assert not process.lives(owner)


def test_a_controller_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(process, "PROC", tmp_path)
    monkeypatch.setattr(process, "MACHINE_ID", tmp_path / "machine-id")
    me = process.identity(42, "")
    assert (me.machine, me.boot, me.namespace, me.started) == ("", "", "", 0)


def test_names_with_brackets(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    (tmp_path / "42").mkdir()
    fields = " ".join(str(number) for number in range(4, 30))
    (tmp_path / "42" / "stat").write_text(f"42 (a) S (b) S {fields}\n")
    monkeypatch.setattr(process, "PROC", tmp_path)
    assert process.started(42) == 22


def test_who_is_behind_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    assert process.identity(os.getpid(), "").user == "alice"
