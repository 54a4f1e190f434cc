# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ansible_collections.firstbell.stack.plugins.module_utils._core.records import Record
from ansible_collections.firstbell.stack.plugins.module_utils._io import records

RECORD = Record("failover_drill", 1_700_000_000, 12.5, True, {"gap_seconds": 0.2}, {"gap_seconds": 30})


def test_records_are_readable_by_all_and_the_oldest_are_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    before = os.umask(0o077)
    try:
        for later in range(4):
            written = records.write(str(folder), replace(RECORD, at=RECORD.at + later), keep=3)
    finally:
        os.umask(before)
    assert Path(written).name == "failover_drill-20231114T221323Z.json"
    assert folder.stat().st_mode & 0o777 == 0o755
    assert Path(written).stat().st_mode & 0o777 == 0o644
    assert [one.at - RECORD.at for one in records.read(str(folder))] == [1, 2, 3]
    assert sorted(path.name for path in folder.iterdir()) == sorted(one.name for one in records.read(str(folder)))


def test_what_cannot_be_read_is_told_and_what_is_none_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "load_test-20261129T050000Z.json").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    (one,) = records.read(str(tmp_path))
    assert one.record is None
    assert one.problem
    assert records.read(str(tmp_path / "missing")) == []


def test_the_node_exporter_is_told_of_the_last_of_each_kind(tmp_path: Path) -> None:
    exported = tmp_path / "monitoring/textfile"
    records.write(str(tmp_path / "records"), RECORD)
    assert not exported.exists()
    exported.mkdir(parents=True)
    records.write(str(tmp_path / "records"), replace(RECORD, at=RECORD.at + 9, passed=False, findings=("too slow",)))
    records.write(str(tmp_path / "records"), replace(RECORD, kind="load_test"))
    lines = (exported / "records.prom").read_text(encoding="utf-8").splitlines()
    assert 'firstbell_record_passed{kind="failover_drill"} 0' in lines
    assert 'firstbell_record_timestamp_seconds{kind="failover_drill"} 1700000009' in lines
    assert 'firstbell_record_passed{kind="load_test"} 1' in lines
