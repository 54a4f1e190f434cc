# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations import maintenance
from ansible_collections.firstbell.stack.plugins.module_utils._operations import common, diagnose, maintain

from unit.quiet_stack import CONFIG, NOW, haproxy, seen, table


def test_sources_are_asked_side_by_side_and_one_that_hangs_keeps_nobody_waiting() -> None:
    def slow() -> dict[str, int]:
        time.sleep(1.5)
        return {}

    def broken() -> dict[str, int]:
        raise OSError("no route")

    begin = time.monotonic()
    found, errors = common.ask({"slow": slow, "broken": broken, "well": lambda: {"a": 1}, "list": lambda: [1]}, 0.4)
    assert time.monotonic() - begin < 1.4
    assert errors == {"slow": "it took longer than 0 s", "broken": "no route"}
    assert found["well"]["a"] == 1
    assert found["well"]["at"] <= time.time()
    assert found["list"] == [1]


@pytest.mark.parametrize(
    ("kind", "without"),
    [("daily", {"sessions", "backups", "prometheus", "peaks"}), ("weekly", {"backups"}), ("monthly", {"capacity"})],
)
def test_what_is_switched_off_is_not_asked(kind: str, without: set[str]) -> None:
    bare = replace(CONFIG, prometheus="", sessions="", backup=False)
    assert set(diagnose.sources(CONFIG)) - set(diagnose.sources(replace(CONFIG, domain=""))) == {"site"}
    assert set(maintain.sources(kind, CONFIG)) - set(maintain.sources(kind, bare)) == without
    assert set(diagnose.sources(CONFIG)) - set(diagnose.sources(bare)) == {"prometheus"}


@pytest.fixture
def config_path(tmp_path: Path) -> str:
    path = tmp_path / "operations.json"
    known = {
        "stack": "school",
        "directory": str(tmp_path / "school"),
        "database": "school",
        "prometheus": "/prometheus",
    }
    path.write_text(json.dumps(known), encoding="utf-8")
    (tmp_path / "school" / "monitoring" / "textfile").mkdir(parents=True)
    return str(path)


@pytest.mark.parametrize("broken", [False, True])
def test_the_diagnosis_as_a_command(
    config_path: str, broken: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    look = seen()
    if broken:
        look["edge"]["rows"][1] = haproxy("app", "BACKEND", act="0")
    monkeypatch.setattr(diagnose, "sources", lambda _config: {name: lambda n=name: look[n] for name in look})
    monkeypatch.setattr(diagnose, "_BETWEEN", 0.01)
    monkeypatch.setattr(diagnose.look, "__defaults__", (0.01,))
    assert diagnose.main(config_path, ["--json"]) == (2 if broken else 0)
    said = json.loads(capsys.readouterr().out)
    assert [item["rule"] for item in said["findings"]] == (["edge-down"] if broken else [])
    assert said["not_looked_at"] == {}
    assert diagnose.main(config_path, []) == (2 if broken else 0)
    text = capsys.readouterr().out
    assert ("1. [BROKEN] No replica of the application passes" if broken else "Nothing is wrong") in text


def test_what_there_is_nobody_to_ask_as_was_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    look = {**seen(), "cache": {"not_asked": "it answers"}}
    monkeypatch.setattr(diagnose, "sources", lambda _config: {name: lambda n=name: dict(look[n]) for name in look})
    found = diagnose.look(CONFIG, 0.01)
    assert found.absent == {"cache": "it answers"}
    assert "cache" not in found.seen
    assert found.database == "school"


def test_the_week_analyzes_what_is_stale_unless_it_only_looks(
    config_path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    look = seen()
    look["database"]["tables"].append(table("logs", changed=9000.0))
    images = {"images": 3, "installed": True, "ended": time.time(), "ok": True, "unwanted": 0}
    records = {"drill": {"ended": time.time(), "success": True, "kind": "random"}}
    backups = {"records": records, "since": NOW}
    asked: dict[str, Any] = {"database": look["database"], "images": images, "backups": backups}
    analyzed: list[str] = []
    monkeypatch.setattr(maintain, "sources", lambda _kind, _config: {name: lambda n=name: asked[n] for name in asked})
    monkeypatch.setattr(maintain.database, "analyze", lambda _s, _d, schema, name: analyzed.append(f"{schema}.{name}"))
    assert maintain.main(config_path, ["weekly", "--dry-run"]) == 0
    assert analyzed == []
    assert "public.logs: 9000 rows changed" in capsys.readouterr().out
    assert not (tmp_path / "school" / "records").exists()
    look["database"]["statements_since"] = time.time() - 9 * 86400
    assert maintain.main(config_path, ["weekly"]) == 0
    assert analyzed == ["public.logs"]
    assert "changed: ANALYZE public.logs" in capsys.readouterr().out
    kept = list((tmp_path / "school" / "records").glob("maintenance_weekly-*.json"))
    assert len(kept) == 1
    snapshot = tmp_path / "school" / "records" / "statements.json"
    first = snapshot.read_bytes()
    assert sorted(json.loads(first)["counted"]) == ["1 school_app t", "2 school_app t"]
    assert maintain.main(config_path, ["weekly"]) == 0
    assert snapshot.read_bytes() == first
    assert "; max since " in capsys.readouterr().out
    assert json.loads(kept[0].read_text(encoding="utf-8"))["passed"] is True
    assert (
        (tmp_path / "school" / "operations" / "weekly.txt")
        .read_text(encoding="utf-8")
        .startswith(maintenance.KINDS["weekly"])
    )
    metrics = (tmp_path / "school" / "monitoring" / "textfile" / "school_maintenance.prom").read_text(encoding="utf-8")
    assert 'firstbell_maintenance_findings{kind="weekly",stack="school"} 0' in metrics


def test_a_configuration_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (diagnose.main, maintain.main):
        assert command(str(tmp_path / "none.json"), ["daily"] if command is maintain.main else []) == 1
        assert "run the playbook site" in capsys.readouterr().err
