# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of configuration files, and the note of a reload."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._io.config_files import HostConfigFiles


@pytest.fixture
def files(tmp_path: Path) -> HostConfigFiles:
    return HostConfigFiles(str(tmp_path / "run" / "reload"))


def test_newest_counts_nanoseconds_below_directories(files: HostConfigFiles, tmp_path: Path) -> None:
    below = tmp_path / "conf" / "sites"
    below.mkdir(parents=True)
    times = []
    for path in (tmp_path / "plain", below / "one"):
        path.touch()
        times.append(path.stat().st_ctime_ns)
        time.sleep(0.01)
    assert files.newest([str(tmp_path / "plain")], missing_ok=False) == times[0]
    assert files.newest([str(tmp_path / "plain"), str(tmp_path / "conf")], missing_ok=False) == times[1] > times[0]
    (below / "one").unlink()
    assert files.newest([str(tmp_path / "conf")], missing_ok=False) > times[1]


def test_an_old_file_that_is_put_back_is_new(files: HostConfigFiles, tmp_path: Path) -> None:
    path, kept = tmp_path / "conf", tmp_path / "kept"
    path.touch()
    before = files.newest([str(path)], missing_ok=False)
    time.sleep(0.01)
    shutil.copy2(path, kept)
    kept.replace(path)
    assert path.stat().st_mtime_ns <= before < files.newest([str(path)], missing_ok=False)


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
