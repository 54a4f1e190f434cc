# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's files on the controller."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.firstbell.stack.plugins.action import checklist_report

from unit.healthy_stack import results


class Action(checklist_report.ActionModule):
    """One that needs no task and no connection."""

    def __init__(self, **args: Any) -> None:
        self._task: Any = SimpleNamespace(args=args)

    def validate_argument_spec(self, argument_spec: Any = None, **_more: Any) -> Any:
        defaults = {name: one["default"] for name, one in argument_spec.items() if "default" in one}
        return None, {**defaults, **self._task.args}


@pytest.fixture(autouse=True)
def _no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda *_args, **_more: {})


def write(folder: Path, moment: float, monkeypatch: pytest.MonkeyPatch, **more: Any) -> dict[str, Any]:
    monkeypatch.setattr(checklist_report.time, "time", lambda: moment)
    looked = more.pop("looked", {"bell1": {"results": results(), "facts": {"seconds": 12.5}}})
    args = {"stack": "school", "domain": "school.org", "profile": "small", "directory": str(folder), "looked": looked}
    found: dict[str, Any] = Action(**{**args, **more}).run()
    return found


def test_one_report_has_three_forms_and_is_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = write(tmp_path / "new", 1_795_400_000.0, monkeypatch)
    assert told["changed"] is False
    assert told["counts"]["fail"] == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        f"school-verify-{stem}.{form}" for stem in ("latest", "20261123T021320Z") for form in ("json", "xml", "html")
    }
    latest = json.loads((tmp_path / "new/school-verify-latest.json").read_text())
    assert latest["seconds"] == 12.5
    assert told["path"].endswith("school-verify-latest.html")


def test_the_next_report_knows_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 1_795_400_000.0, monkeypatch)
    told = write(tmp_path, 1_795_400_100.0, monkeypatch, looked={"bell1": {"results": results("fail")}})
    latest = json.loads((tmp_path / "school-verify-latest.json").read_text())
    assert [one["after"] for one in latest["changes"]] == ["fail"]
    assert len(latest["history"]) == 2
    assert told["counts"]["fail"] == 1


def test_only_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write(tmp_path, 1_795_400_000.0 + number, monkeypatch, keep=2)
    assert len(list(tmp_path.glob("school-verify-2*.json"))) == 2
    assert len(list(tmp_path.glob("*"))) == 9


def test_a_part_has_a_history_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 1_795_400_000.0, monkeypatch)
    write(tmp_path, 1_795_400_001.0, monkeypatch, partial=True)
    part = json.loads((tmp_path / "school-verify-part-latest.json").read_text())
    assert len(part["history"]) == 1


def test_a_damaged_report_does_not_stop_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "school-verify-20261122T000000Z.json").write_text("{")
    (tmp_path / "school-verify-20261122T000001Z.json").write_text("{}")
    assert write(tmp_path, 1_795_400_000.0, monkeypatch)["counts"]["fail"] == 0


def test_a_host_that_was_not_reached_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = write(tmp_path, 1_795_400_000.0, monkeypatch, looked={"bell1": {"unreachable": True, "msg": "no route"}})
    assert told["counts"]["fail"] == 1
    assert any("no route" in line for line in told["summary"])


@pytest.mark.parametrize(
    ("makefile", "command"),
    [
        (True, "make site INVENTORY=inventories/mine"),
        (False, "ansible-playbook -i inventories/mine firstbell.stack.site"),
    ],
)
def test_commands_are_those_that_started_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, makefile: bool, command: str
) -> None:
    if makefile:
        (tmp_path / "Makefile").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checklist_report.context, "CLIARGS", {"inventory": (str(tmp_path / "inventories/mine"),)})
    args = {"stack": "school", "domain": "school.org", "profile": "small", "directory": "reports"}
    looked = {"bell1": {"results": results("fail", measured="2 of 6", reason="why", fix="Mend it, then make site")}}
    told = Action(**args, looked=looked).run(task_vars={"playbook_dir": str(tmp_path / "playbooks")})
    assert f"(why). Mend it: Mend it, then {command}" in "\n".join(told["summary"])
