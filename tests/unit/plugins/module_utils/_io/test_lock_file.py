# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock's file: whole or not there, and one writer at a time."""

from __future__ import annotations

import pathlib
import threading
import time

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._core.runlock import Owner, Record
from ansible_collections.firstbell.stack.plugins.module_utils._io.lock_file import LockFile

RECORD = Record(Owner("m", "b", "n", 1, 2, "u", "h", "p"), "token", 1.0, 2.0, 3.0)


def test_write_read_remove(tmp_path: pathlib.Path) -> None:
    file = LockFile(str(tmp_path / "lock" / "run.json"))
    with file.exclusively(create=True):
        assert file.read() is None
        file.write(RECORD)
        assert file.read() == RECORD
    assert [path.name for path in file.path.parent.iterdir()] == ["run.json"]
    with file.exclusively(create=False):
        file.remove()
        file.remove()
        assert file.read() is None


def test_nothing_is_made_without_create(tmp_path: pathlib.Path) -> None:
    file = LockFile(str(tmp_path / "lock" / "run.json"))
    with file.exclusively(create=False):
        assert file.read() is None
    assert list(tmp_path.iterdir()) == []


def test_one_at_a_time(tmp_path: pathlib.Path) -> None:
    inside, most = 0, 0

    def enter() -> None:
        nonlocal inside, most
        with LockFile(str(tmp_path / "run.json")).exclusively(create=True):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path: pathlib.Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (tmp_path / ".run.json.new").symlink_to(victim)
    with pytest.raises(FirstbellError, match="cannot write the lock"):
        LockFile(str(tmp_path / "run.json")).write(RECORD)
    assert victim.read_text() == "keep"


def test_a_directory_that_cannot_be_made_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "lock").write_text("a file")
    with (
        pytest.raises(FirstbellError, match=r"cannot write the lock .*lock"),
        LockFile(str(tmp_path / "lock" / "run.json")).exclusively(create=True),
    ):
        pass
