# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dumps were when they were made is remembered, of as many as are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._backup.dump import RECORD, remember
from ansible_collections.firstbell.stack.plugins.module_utils._backup.host import Host
from ansible_collections.firstbell.stack.plugins.module_utils._backup.metrics import read_record
from ansible_collections.firstbell.stack.plugins.module_utils._core.backup_config import Config, Limits, PostgresConfig


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for folder in ("records", "dumps"):
        (tmp_path / "backup" / folder).mkdir(parents=True)
    postgres = PostgresConfig("image", 17, "school", Limits(0.5, 2**29, 64), dumps_kept=2)
    return Host(Config("school", str(tmp_path), postgres))


def make(host: Host, day: int, accept: bool = False) -> Path:
    path = Path(host.config.backup) / f"dumps/school-2026110{day}-010000.dump.enc"
    path.write_text(f"dump {day}", encoding="utf-8")
    remember(host, path.name, accept)
    return path


def known(host: Host) -> list[str]:
    return [name[13:15] for name in sorted(read_record(host, RECORD))]


def test_as_many_are_known_as_are_kept(host: Host) -> None:
    for day in (1, 2, 3):
        make(host, day)
    assert known(host) == ["02", "03"]
    assert all(one["size"] == len("dump 1") and len(one["sha256"]) == 64 for one in read_record(host, RECORD).values())


def test_one_that_is_gone_stays_known_until_that_is_accepted(host: Host) -> None:
    make(host, 1).unlink()
    make(host, 2)
    assert known(host) == ["01", "02"]
    make(host, 2, accept=True)
    assert known(host) == ["02"]


def test_one_that_was_changed_stays_known_as_it_was_until_that_is_accepted(host: Host) -> None:
    path = make(host, 1)
    was = read_record(host, RECORD)[path.name]
    path.write_text("another", encoding="utf-8")
    make(host, 2)
    assert read_record(host, RECORD)[path.name] == was
    make(host, 2, accept=True)
    assert read_record(host, RECORD)[path.name] != was
