# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.records import Record
from ansible_collections.firstbell.stack.plugins.module_utils._io import records as kept_records
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import records

RECORD = Record("load_test", 1_700_000_000, 9.0, True, {"p95_seconds": 0.2})


@pytest.fixture
def folder(tmp_path: Path) -> str:
    kept_records.write(f"{tmp_path}/records", RECORD)
    return f"{tmp_path}/records"


def test_what_only_root_can_write_is_believed(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_ROOT", Path(folder).stat().st_uid)
    (one,) = records.kept(folder)["load_test"]
    assert (one["problem"], one["passed"], one["time"]) == ("", True, RECORD.at)


@pytest.mark.parametrize("path", [".", "load_test-20231114T221320Z.json"])
def test_what_others_can_write_is_not(folder: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_ROOT", Path(folder).stat().st_uid)
    target = Path(folder) / path
    target.chmod(target.stat().st_mode | 0o002)
    (one,) = records.kept(folder)["load_test"]
    assert "could have been written by others than root" in one["problem"]


def test_rehearsed_restores_are_shown_and_those_that_could_not_run_are_not(tmp_path: Path) -> None:
    good = {"ended": 5.0, "success": True, "recovery_time": 6.0, "recovery_point": 2.0, "more": 1}
    (tmp_path / "drill-1.json").write_text(json.dumps(good))
    (tmp_path / "drill-2.json").write_text(json.dumps({"ended": 6.0, "success": False}))
    (tmp_path / "drill-3.json").write_text("{")
    (tmp_path / "drill.json").write_text(json.dumps(good))
    assert records.restores(str(tmp_path)) == [{name: good[name] for name in list(good)[:4]}]
