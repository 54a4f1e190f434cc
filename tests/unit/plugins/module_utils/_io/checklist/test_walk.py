# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import walk


def test_of_a_large_folder_what_lies_highest_is_seen_and_the_next_one_is_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "_MOST_FILES", 4)
    for name in ("home/a/node_modules/", "home/b/", "srv/"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / name / str(number)).write_text("")
    (tmp_path / "srv/link").symlink_to(tmp_path / "home")
    cut: list[str] = []
    found = list(walk.below([f"{tmp_path}/home", f"{tmp_path}/none", f"{tmp_path}/srv"], "", cut=cut))
    assert {path for path in found if "/home/" in path} >= {f"{tmp_path}/home/b/{number}" for number in range(3)}
    assert len([path for path in found if "/srv/" in path]) == 3
    assert cut == []
    monkeypatch.setattr(walk, "_MOST_FILES", 2)
    list(walk.below([f"{tmp_path}/home", f"{tmp_path}/srv"], "", cut=cut))
    assert cut == [f"{tmp_path}/home"]
