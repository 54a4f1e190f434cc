# SPDX-License-Identifier: GPL-3.0-or-later
"""Two commands do not fight, and what runs is confined."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._backup.host import Host
from ansible_collections.firstbell.stack.plugins.module_utils._core.backup_config import Config, Limits, PostgresConfig
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError


def host(directory: Path) -> Host:
    (directory / "backup" / "records").mkdir(parents=True)
    return Host(Config("school", str(directory), PostgresConfig("image", 17, "school", Limits(0.5, 2**29, 64))))


def test_the_second_one_waits_and_then_says_who_is_at_work(tmp_path: Path) -> None:
    one = host(tmp_path)
    busy = r"drill \(process \d+, since .*\) is still at work"
    with one.lock("drill"), pytest.raises(FirstbellError, match=busy), Host(one.config).lock("backup", patience=0.01):
        pass
    with one.lock("backup", patience=0.01):
        pass


def test_a_container_is_confined(tmp_path: Path) -> None:
    words = host(tmp_path).command("dump", ["--list"], "pg_restore", ["type=bind,source=/a,target=/b"])
    text = " ".join(words)
    for option in ("--network none", "--user 1001:1001", "--read-only", "--cap-drop ALL", "--pids-limit 64", "--rm"):
        assert option in text
    for option in (
        "--cpu-period 10000 --cpu-quota 5000",
        "--cpu-shares 64",
        "--memory 536870912 --memory-swap 536870912",
        "--security-opt no-new-privileges",
    ):
        assert option in text
    assert words[-2:] == ["image", "--list"]


def test_a_record_is_json(tmp_path: Path) -> None:
    path = host(tmp_path).record("drill", {"success": True})
    assert json.loads(Path(path).read_text(encoding="utf-8")) == {"success": True}


def test_commands_at_the_same_time_have_containers_of_different_names(tmp_path: Path) -> None:
    one = host(tmp_path)
    (tmp_path / "backup" / "files").mkdir()
    unlocked = one.container_name("info")
    assert unlocked == f"school-backup-info-{os.getpid()}"
    with one.lock("backup"):
        assert one.container_name("info") == "school-backup-info"
        with one.lock("offsite", name="offsite.lock"):
            assert one.container_name("info") == "school-backup-info-offsite"
    with one.lock("files-check", name="files/lock"):
        assert one.container_name("restic") == "school-backup-restic-files"
    assert one.container_name("info") == unlocked
