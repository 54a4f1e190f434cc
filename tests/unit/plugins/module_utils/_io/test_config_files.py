# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of configuration files, and the note of a reload."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._io.config_files import HostConfigFiles


@pytest.fixture
def files(tmp_path: Path) -> HostConfigFiles:
    return HostConfigFiles(str(tmp_path / "run" / "reload"))


def aged(path: Path, nanoseconds: int) -> Path:
    os.utime(path, ns=(nanoseconds, nanoseconds))
    return path


def test_newest_counts_nanoseconds_below_directories(files: HostConfigFiles, tmp_path: Path) -> None:
    below = tmp_path / "conf" / "sites"
    below.mkdir(parents=True)
    (below / "one").touch()
    plain = tmp_path / "plain"
    plain.touch()
    aged(plain, 1_000_000_001)
    aged(below / "one", 1_000_000_003)
    aged(below, 1_000_000_002)
    aged(tmp_path / "conf", 1_000_000_002)
    assert files.newest([str(plain)], missing_ok=False) == 1_000_000_001
    assert files.newest([str(plain), str(tmp_path / "conf")], missing_ok=False) == 1_000_000_003
    (below / "one").unlink()
    assert files.newest([str(tmp_path / "conf")], missing_ok=False) > 1_000_000_003


def test_dangling_link_is_passed_over(files: HostConfigFiles, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "link").symlink_to("nowhere")
    assert files.newest([str(tmp_path / "conf")], missing_ok=False) > 0


def test_missing_file(files: HostConfigFiles, tmp_path: Path) -> None:
    path = str(tmp_path / "missing")
    assert files.newest([path], missing_ok=True) == 0
    with pytest.raises(InputError, match="config_paths"):
        files.newest([path], missing_ok=False)


def test_note(files: HostConfigFiles, tmp_path: Path) -> None:
    assert files.reloaded("web") == 0
    files.note_reloaded("web", 123)
    files.note_reloaded("web", 456)
    assert files.reloaded("web") == 456
    assert files.reloaded("other") == 0
    assert [path.name for path in (tmp_path / "run" / "reload").iterdir()] == ["web"]
    files.forget("web")
    files.forget("web")
    assert files.reloaded("web") == 0
