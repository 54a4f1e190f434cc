# SPDX-License-Identifier: GPL-3.0-or-later
"""What the alert drill leaves to a run after it, and that everything goes back."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._alerts import drill, faults, sessions
from ansible_collections.firstbell.stack.plugins.module_utils._alerts import host as host_module
from ansible_collections.firstbell.stack.plugins.module_utils._alerts.host import Host
from ansible_collections.firstbell.stack.plugins.module_utils._core.alert_drill.catalogue import FAULTS
from ansible_collections.firstbell.stack.plugins.module_utils._core.alert_drill.model import Config
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._io import system

ENTRY = '"school_app" "SCRAM-SHA-256$4096:x"\n\n# kept\n'


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Host:
    addresses = dict.fromkeys(("prometheus", "alertmanager"), "http://localhost")
    others = {"user": "admin", "rules": {}, "thresholds": {}}
    return Host(Config("school", str(tmp_path), "one", "receiver:1", "school", **addresses, **others))


class Broken(faults.Injector):
    """Cannot be taken back as often as it is told."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.seen: list[Mapping[str, Any]] = []

    def take_back(self, host: Host, facts: Mapping[str, Any]) -> None:
        self.seen.append(facts)
        if len(self.seen) <= self.failures:
            raise FirstbellError("the host is busy")


@pytest.fixture(name="ended")
def _ended(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    ended: list[tuple[str, ...]] = []
    monkeypatch.setattr(drill.Receiver, "end", lambda _self, alerts: ended.append(alerts))
    monkeypatch.setattr(drill, "_PAUSE", 0.0)
    return ended


def test_every_fault_can_be_put_in_and_taken_back() -> None:
    known = {**faults.INJECTORS, **sessions.DATABASE}
    assert set(known) == {fault.name for fault in FAULTS}
    for injector in known.values():
        assert type(injector).put is not faults.Injector.put
        assert type(injector).take_back is not faults.Injector.take_back


def test_the_journal_knows_what_is_in_place(host: Host) -> None:
    assert host.journal() == {}
    host.note("redis-stopped", {"redis": 1})
    host.note("task-missing", {})
    host.forget("task-missing")
    assert Host(host.config).journal() == {"redis-stopped": {"redis": 1}}


def test_one_drill_at_a_time(host: Host) -> None:
    with host.lock(), pytest.raises(FirstbellError, match="another alert drill"), Host(host.config).lock():
        pass
    with host.lock():
        pass


def test_what_was_put_in_last_goes_first_and_the_receiver_at_the_end(
    host: Host, ended: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = Broken(0), Broken(2)
    monkeypatch.setattr(drill, "_ALL", {"a": first, "b": last})
    host.note("a", {"x": 1})
    host.note("b", {})
    assert drill.put_back(host) == []
    assert (first.seen, len(last.seen)) == ([{"x": 1}], 3)
    assert host.journal() == {}
    assert "CacheDown" in ended[0]


def test_what_cannot_be_taken_back_is_told_and_left_for_the_next_run(
    host: Host, ended: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill, "_ALL", {"a": Broken(9), "b": Broken(0)})
    host.note("b", {})
    host.note("a", {})
    (problem,) = drill.put_back(host)
    assert "a could not be taken back: the host is busy; then type school-alerts clean" in problem
    assert list(host.journal()) == ["a"]
    assert ended


class Programs:
    """What would be run, and what it says."""

    def __init__(self, said: Mapping[str, system.Result]) -> None:
        self.said = said
        self.typed: list[str] = []

    def run(self, argv: list[str], timeout: float = 120, check: bool = True) -> system.Result:
        line = " ".join(argv)
        self.typed.append(line)
        return next((result for part, result in self.said.items() if part in line), system.Result(0, "", ""))


def test_a_service_is_frozen_and_goes_on(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs({"status=paused": system.Result(0, "c1\n", ""), "docker ps": system.Result(0, "c1\n", "")})
    monkeypatch.setattr(system, "run", programs.run)
    injector = faults.INJECTORS["postgres-paused"]
    injector.put(host, {})
    assert programs.typed[-1] == "docker pause c1"
    injector.take_back(host, {})
    assert "docker unpause c1" in programs.typed
    # Once more, it runs already.
    programs.said = {"status=paused": system.Result(0, "", ""), "docker ps": system.Result(0, "c1\n", "")}
    programs.typed.clear()
    injector.take_back(host, {})
    assert not [line for line in programs.typed if "unpause" in line]


def test_what_does_not_run_cannot_be_frozen(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "run", Programs({}).run)
    with pytest.raises(FirstbellError, match="school_postgres has no task"):
        faults.INJECTORS["postgres-paused"].put(host, {})


@pytest.mark.parametrize(
    ("command", "said", "refused"),
    [
        ("RESUME", "", False),
        ("RESUME", "ERROR:  database school is not paused", False),
        ("PAUSE", "ERROR:  already suspended/paused", False),
        ("RESUME", "ERROR:  no such database: school", True),
    ],
)
def test_the_pool_is_paused_and_goes_on(
    host: Host, monkeypatch: pytest.MonkeyPatch, command: str, said: str, refused: bool
) -> None:
    programs = Programs({"docker ps": system.Result(0, "c1\n", ""), command: system.Result(bool(said), "", said)})
    monkeypatch.setattr(system, "run", programs.run)
    pool = faults.PausedPool()
    with pytest.raises(FirstbellError, match="no such database") if refused else contextlib.nullcontext():
        pool.put(host, {}) if command == "PAUSE" else pool.take_back(host, {})
    assert programs.typed[-1].endswith(f'--command={command} "school"')


@pytest.mark.parametrize(
    "line", ['"school_drill" "SCRAM-SHA-256$4096:y"', "hostssl school school_drill samenet scram-sha-256"]
)
def test_a_role_is_let_in_for_its_time_only(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "OWNER", None)
    path = tmp_path / "list"
    path.write_text(ENTRY, encoding="utf-8")
    for _twice in range(2):
        sessions._keep_lines(str(path), "school_drill", line, 0o400)
        assert path.read_text(encoding="utf-8") == f"{ENTRY}{line}\n"
    for _twice in range(2):
        sessions._keep_lines(str(path), "school_drill", "", 0o400)
        assert path.read_text(encoding="utf-8") == ENTRY


@pytest.mark.parametrize(
    ("users", "allowed", "asked"),
    [
        ([], 5, 4.0),  # nobody is there
        ([({}, 3.0)], 5, 4.0),
        ([({}, 150.0)], 5, 50.0),  # 50 of 200 are 25 %, five times what is allowed
        ([({}, 150.0)], 20, 150.0),  # half of all at most
    ],
)
def test_errors_are_a_share_of_what_users_send(
    host: Host, monkeypatch: pytest.MonkeyPatch, users: list[Any], allowed: float, asked: float
) -> None:
    class Prometheus:
        def query(self, query: str) -> list[Any]:
            assert 'proxy="site"' in query
            return users

    monkeypatch.setattr(Host, "prometheus", lambda _self: Prometheus())
    busy = Host(dataclasses.replace(host.config, thresholds={"error_percent": allowed}))
    assert faults.Errors()._rate(busy) == pytest.approx(asked)


def test_prometheus_is_given_what_it_is_to_ask_and_then_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "OWNER", None)
    monkeypatch.setattr(host_module, "OWNER", (-1, -1))
    noted: list[str] = []
    monkeypatch.setattr(Host, "noted", lambda _self, name, *_paths: noted.append(name))
    file = Path(host.config.directory, "monitoring/prometheus/drill/certificate.json")
    injector = faults.INJECTORS["certificate-ending"]
    injector.put(host, {})
    (group,) = json.loads(file.read_text(encoding="utf-8"))
    assert group["labels"]["instance"] == group["labels"]["__param_target"] == "https://alert-receiver:8443/"
    injector.take_back(host, {})
    (group,) = json.loads(file.read_text(encoding="utf-8"))
    assert group["labels"] == {"__drill": "over"}
    assert noted == ["prometheus"] * 2
