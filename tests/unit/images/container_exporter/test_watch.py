# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills for memory are counted once, and not forgotten when their container ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import watch

ONE, OTHER = "a" * 64, "b" * 64


def write(root: Path, identity: str, kills: int) -> None:
    directory = root / "docker" / identity
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "memory.events").open("r+" if (directory / "memory.events").exists() else "w") as file:
        file.write(f"oom {kills}\noom_kill {kills}\n")


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("memory\n")
    return tmp_path


def test_what_was_before_is_no_news_and_what_follows_is(root: Path) -> None:
    write(root, ONE, 3)
    seen = watch.Watch(root)
    seen.find(0)
    seen.look()
    assert seen.killed() == {ONE: 0}
    write(root, ONE, 4)
    seen.look()
    assert seen.killed() == {ONE: 1}


def test_a_new_container_counts_from_its_beginning(root: Path) -> None:
    seen = watch.Watch(root)
    seen.find(0)
    write(root, ONE, 2)
    seen.find(1)
    seen.look()
    assert seen.killed() == {ONE: 2}


def test_the_count_of_an_ended_container_is_kept_for_an_hour(root: Path) -> None:
    seen = watch.Watch(root)
    seen.find(0)
    write(root, ONE, 0)
    write(root, OTHER, 0)
    seen.find(1)
    write(root, ONE, 1)
    seen.look()
    shutil.rmtree(root / "docker" / ONE)
    seen.find(2)
    assert seen.killed() == {ONE: 1, OTHER: 0}
    assert set(seen.running()) == {OTHER}
    seen.find(3 + watch.KEPT_SECONDS)
    assert set(seen.killed()) == {OTHER}


def test_a_container_that_is_started_again_goes_on(root: Path) -> None:
    seen = watch.Watch(root)
    seen.find(0)
    write(root, ONE, 1)
    seen.find(1)
    seen.look()
    shutil.rmtree(root / "docker" / ONE)
    seen.find(2)
    write(root, ONE, 1)
    seen.find(3)
    seen.look()
    assert seen.killed() == {ONE: 2}
    assert set(seen.running()) == {ONE}
