# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the repositories that were removed or changed are missed until they are read, or removed in order."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._backup import inventory
from ansible_collections.firstbell.stack.plugins.module_utils._backup.host import Host
from ansible_collections.firstbell.stack.plugins.module_utils._core.backup_config import Config, Limits, PostgresConfig


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for folder in ("records", "files/repository/data", "repository/postgres/backup/school/one/bundle"):
        (tmp_path / "backup" / folder).mkdir(parents=True)
    (tmp_path / "backup/repository/postgres/backup/school/one/bundle/1").write_text("data")
    for name in ("config", "data/aa", "data/bb"):
        (tmp_path / "backup/files/repository" / name).write_text(name)
    postgres = PostgresConfig("image", 17, "school", Limits(0.5, 2**29, 64))
    return Host(Config("school", str(tmp_path), postgres, {"files": {"image": "restic"}}))


def look(host: Host, *labels: str, code: int = 0) -> list[str]:
    stanza: Any = SimpleNamespace(
        repositories=[SimpleNamespace(number=1, code=code)],
        backups=[SimpleNamespace(repository=1, label=label) for label in labels],
    )
    return [finding.problem for finding in inventory.of_database(host, inventory.listing(host), stanza)]


def bundle(host: Host) -> Path:
    return Path(host.config.repository) / "backup/school/one/bundle/1"


def test_a_file_of_a_backup_that_was_changed_is_missed_until_all_was_read(host: Host) -> None:
    inventory.add(host, "one")
    assert look(host, "one") == []
    bundle(host).write_text("damaged")
    assert look(host, "one") == look(host, "one") == ["of the backup one, bundle/1 is changed"]
    assert look(host, code=99) == []
    assert look(host, "one") != []
    inventory.accept(host, inventory.DATABASE)
    assert look(host, "one") == []


def test_one_that_is_gone_is_missed_while_its_backup_is_listed(host: Host) -> None:
    assert look(host, "one") == []
    bundle(host).unlink()
    assert look(host, "one") == ["of the backup one, bundle/1 is gone"]
    assert look(host) == []
    assert look(host, "one") == []


def test_a_backup_without_any_files_is_missed_elsewhere(host: Host) -> None:
    assert look(host, "one", "two") == []
    bundle(host).parents[1].rename(Path(host.config.directory) / "lost")
    assert look(host, "one") == []
    (Path(host.config.directory) / "lost").rename(bundle(host).parents[1])
    assert look(host, "one") == []


def test_what_the_database_could_not_read_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "UID", os.getuid())
    assert inventory.unreadable(host) == []
    bundle(host).chmod(0)
    found = inventory.unreadable(host)
    assert found[0].problem.startswith(f"{bundle(host)} cannot be read by user")
    assert f"chmod --recursive u+rX {host.config.repository}/archive" in found[0].fix
    bundle(host).chmod(0o640)
    monkeypatch.setattr(inventory, "UID", os.getuid() + 1)
    assert "backup/school and 3 more cannot be read" in inventory.unreadable(host)[0].problem


def pack(host: Host, name: str) -> Path:
    return Path(host.config.backup) / "files/repository/data" / name


def missed(host: Host) -> list[str]:
    return [finding.problem for finding in inventory.of_files(host)]


def test_a_pack_that_vanished_is_missed_and_what_restic_removes_is_not(host: Host) -> None:
    assert missed(host) == []
    pack(host, "aa").unlink()
    with inventory.working(host):
        pack(host, "bb").unlink()
        pack(host, "cc").write_text("new")
    assert missed(host) == ["of the repository, data/aa is gone"]
    pack(host, "cc").write_text("changed")
    assert missed(host) == ["of the repository, data/aa is gone, and data/cc is changed"]
    inventory.accept(host, inventory.FILES)
    assert missed(host) == []


def test_nothing_is_said_while_a_command_is_at_work(host: Host) -> None:
    assert missed(host) == []
    pack(host, "aa").unlink()
    with Host(host.config).lock("files-backup", name="files/lock"):
        assert missed(host) == []
    assert missed(host) == ["of the repository, data/aa is gone"]


def test_a_command_that_was_cut_off_may_have_removed_what_is_gone(host: Host) -> None:
    assert missed(host) == []

    def cut_off() -> None:
        with inventory.working(host):
            pack(host, "aa").unlink()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert missed(host) == []


def test_a_repository_that_is_made_anew_has_no_past(host: Host) -> None:
    assert missed(host) == []
    for name in ("aa", "bb", "../config"):
        pack(host, name).unlink()
    with inventory.working(host):
        pack(host, "../config").write_text("another")
    assert missed(host) == []
