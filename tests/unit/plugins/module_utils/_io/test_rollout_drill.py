# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill's walk through its steps, on an engine that is as quick as thought."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._core.rollout_drill import Answer, Targets
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_engine import ConflictError
from ansible_collections.firstbell.stack.plugins.module_utils._io import rollout_drill, steady_load

SPEC: dict[str, Any] = {
    "Name": "academy_app",
    "TaskTemplate": {"ContainerSpec": {"Image": "app:1", "Env": ["A=1"], "Healthcheck": {"Test": ["CMD", "true"]}}},
    "Mode": {"Replicated": {"Replicas": 2}},
    "UpdateConfig": {"FailureAction": "rollback", "Delay": 1, "Monitor": 1},
}


class Engine:
    """Carries out what is written at once, and goes back from what is unhealthy or was killed."""

    def __init__(self) -> None:
        self.spec, self.before, self.status = copy.deepcopy(SPEC), copy.deepcopy(SPEC), "completed"
        self.written: list[dict[str, Any]] = []
        self.killed: list[str] = []
        self.conflicts, self.looks = 1, 0

    def service(self, name: str) -> dict[str, Any] | None:
        if name != SPEC["Name"]:
            return None
        self.looks -= 1
        status = {"State": "updating" if self.looks > 0 else self.status, "Message": ""}
        return {"ID": "s", "Version": {"Index": 1}, "Spec": copy.deepcopy(self.spec), "UpdateStatus": status}

    def update_service(self, _service: Any, spec: Any) -> None:
        if self.conflicts:
            self.conflicts -= 1
            raise ConflictError("update out of sequence")
        self.written.append(copy.deepcopy(dict(spec)))
        self.before, self.spec, self.status = self.spec, copy.deepcopy(dict(spec)), "completed"
        self.looks = 4
        if self.spec["TaskTemplate"]["ContainerSpec"]["Healthcheck"]["Test"] != ["CMD", "true"]:
            self.go_back()

    def go_back(self) -> None:
        self.spec, self.status, self.looks = self.before, "rollback_completed", 0

    def tasks(self, _service: str) -> list[dict[str, Any]]:
        since = (datetime.now(timezone.utc) - timedelta(seconds=10)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        number = self.spec["TaskTemplate"]["ContainerSpec"]["Env"][-1]
        return [
            {
                "ID": f"{number} {slot}",
                "Slot": slot,
                "DesiredState": "running",
                "Spec": copy.deepcopy(self.spec["TaskTemplate"]),
                "Status": {
                    "State": "running",
                    "Timestamp": since,
                    "ContainerStatus": {"ContainerID": f"{number} {slot}"},
                },
            }
            for slot in range(self.spec["Mode"]["Replicated"]["Replicas"])
        ]

    def signal(self, container: str, name: str) -> None:
        assert name == "SIGKILL"
        self.killed.append(container)
        self.go_back()


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def running(_aim: Any) -> Iterator[steady_load.Load]:
        found = steady_load.Load(time.monotonic(), [])
        yield found
        found.answers.extend(Answer(due / 1000, 0.001, "200") for due in range(int(found.now() * 1000) + 1))

    monkeypatch.setattr(steady_load, "running", running)
    monkeypatch.setattr(rollout_drill.time, "sleep", lambda _seconds: None)


def wishes(**more: Any) -> rollout_drill.Wishes:
    values: dict[str, Any] = {"service": "academy_app", "rollouts": 6, "most": 3, "targets": Targets(ratio=1000)}
    return rollout_drill.Wishes(**{**values, "before": 0, "after": 0, "patience": 5, **more})


AIM = steady_load.Aim("https://school.test", "127.0.0.1", ["/"], 10)


def test_it_goes_through_all_steps_and_leaves_the_service_as_it_was(load: None) -> None:
    engine = Engine()
    record = rollout_drill.rehearse(engine, wishes(), AIM)  # type: ignore[arg-type]
    assert [item.name for item in record.items] == [
        "one replica more",
        "a version that works",
        "a version that works",
        "a version that never gets healthy",
        "a version that works",
        "a version that crashes under load",
        "the version from before the drill",
        "one replica less",
    ]
    assert [item.finding for item in record.items] == [""] * 8
    assert engine.spec == SPEC
    assert [spec["Mode"]["Replicated"]["Replicas"] for spec in engine.written] == [3] * 7 + [2]
    assert {container.split()[0] for container in engine.killed} == {"FIRSTBELL_DRILL=6"}
    marks = [spec["TaskTemplate"]["ContainerSpec"]["Env"][1:] for spec in engine.written]
    assert len({mark[0] for mark in marks if mark}) == 5  # each version is another one


def test_a_bad_version_that_stays_is_a_failure(load: None) -> None:
    engine = Engine()
    engine.go_back = lambda: None  # type: ignore[method-assign]
    record = rollout_drill.rehearse(engine, wishes(most=2), AIM)  # type: ignore[arg-type]
    assert not record.passed
    assert "a version that never gets healthy: ended as converged instead of rolled_back" in "\n".join(record.findings)
    assert engine.spec == SPEC


def test_what_breaks_off_leaves_the_service_as_it_was(load: None, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    monkeypatch.setattr(engine, "signal", lambda *_what: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(FirstbellError, match="ended by signal 15; the service is as before"):
        rollout_drill.rehearse(engine, wishes(), AIM)  # type: ignore[arg-type]
    assert engine.spec == SPEC


@pytest.mark.parametrize(
    ("spec", "name", "message"),
    [
        (SPEC, "other_app", "no such replicated service"),
        ({**SPEC, "Mode": {"Global": {}}}, "academy_app", "no such replicated service"),
        (rollout_drill.drill.varied(SPEC, "x", 1), "academy_app", "as a drill that was interrupted has left it"),
    ],
)
def test_there_must_be_something_to_drill_with(load: None, spec: dict[str, Any], name: str, message: str) -> None:
    engine = Engine()
    engine.spec = spec
    with pytest.raises(FirstbellError, match=message):
        rollout_drill.rehearse(engine, wishes(service=name), AIM)  # type: ignore[arg-type]


@pytest.mark.parametrize(("source", "calls"), [("steady", ["status", "pause", "resume"]), ("paused", ["status"])])
def test_the_autoscaler_is_paused_unless_it_is(load: None, tmp_path: Path, source: str, calls: list[str]) -> None:
    command, log = tmp_path / "autoscaler", tmp_path / "log"
    command.write_text(f"#!/bin/sh\necho $1 >>{log}\necho '{json.dumps({'source': source})}'\n", encoding="utf-8")
    command.chmod(0o755)
    rollout_drill.rehearse(Engine(), wishes(autoscaler=str(command)), AIM)  # type: ignore[arg-type]
    assert log.read_text(encoding="utf-8").split() == calls
