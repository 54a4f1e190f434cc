# SPDX-License-Identifier: GPL-3.0-or-later
"""Look, plan, write, wait: with an engine that does at once what it is told."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_engine import ConflictError, ServiceError
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_run import Run

AT = "2027-01-15T07:00:00Z"
HEALTH = {"test": ["CMD", "true"]}


class FakeEngine:
    """Keeps services and secrets in memory; tasks follow the spec at once."""

    def __init__(self) -> None:
        self.specs: dict[str, Any] = {}
        self.previous: dict[str, Any] = {}
        self.secret_store: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.signals: list[tuple[str, str]] = []
        self.before_write: list[Callable[[], None]] = []
        self.drops: tuple[str, ...] = ()
        self.update_status: dict[str, Any] | None = None
        self.left_containers: list[str] = []
        self.starts_tasks = True
        self.start_interval_known = True

    def knows_start_interval(self) -> bool:
        return self.start_interval_known

    def cluster_id(self) -> str:
        return "cluster"

    def service(self, name: str) -> dict[str, Any] | None:
        if name not in self.specs:
            return None
        found = {"ID": f"id-{name}", "Spec": copy.deepcopy(self.specs[name]), "UpdatedAt": AT}
        if self.update_status:
            found["UpdateStatus"] = self.update_status
        return found

    def services(self) -> list[dict[str, Any]]:
        return [{"Spec": spec, "PreviousSpec": self.previous.get(name)} for name, spec in self.specs.items()]

    def _store(self, spec: Mapping[str, Any]) -> None:
        self.specs[spec["Name"]] = copy.deepcopy(dict(spec))
        for key in self.drops:
            self.specs[spec["Name"]]["TaskTemplate"]["ContainerSpec"].pop(key)

    def create_service(self, spec: Mapping[str, Any]) -> None:
        self.writes.append("create")
        self._store(spec)

    def update_service(self, service: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        if self.before_write:
            self.before_write.pop(0)()
            raise ConflictError("update out of sequence")
        self.writes.append("update")
        self.previous[spec["Name"]] = service["Spec"]
        self.update_status = None
        self._store(spec)

    def roll_back(self, service: Mapping[str, Any]) -> None:
        raise AssertionError("not asked for")

    def remove_service(self, name: str) -> None:
        self.writes.append("remove")
        del self.specs[name]

    def tasks(self, service_id: str) -> list[dict[str, Any]]:
        spec = self.specs[service_id.removeprefix("id-")]
        count = spec["Mode"]["Replicated"]["Replicas"] if self.starts_tasks else 0
        return [
            {
                "ID": f"t{slot}",
                "Slot": slot,
                "NodeID": "n",
                "Spec": spec["TaskTemplate"],
                "Status": {"State": "running", "Timestamp": AT},
                "DesiredState": "running",
                "CreatedAt": AT,
            }
            for slot in range(count)
        ]

    def down_nodes(self) -> frozenset[str]:
        return frozenset()

    def networks(self) -> dict[str, str]:
        return {"data": "net1"}

    def secrets(self) -> list[dict[str, Any]]:
        return list(self.secret_store.values())

    def create_secret(self, name: str, labels: Mapping[str, str], content: bytes) -> str:
        self.writes.append("secret")
        self.secret_store[name] = {"ID": f"sec-{name}", "Spec": {"Name": name, "Labels": dict(labels)}}
        return f"sec-{name}"

    def remove_secret(self, secret_id: str) -> None:
        self.writes.append("remove secret")
        del self.secret_store[secret_id.removeprefix("sec-")]

    def containers(self, service: str, ended: bool = False) -> list[str]:
        return ["c1"] if service in self.specs else self.left_containers

    def container(self, container_id: str) -> dict[str, Any]:
        return {"State": {"StartedAt": "1970-01-01T00:00:00.000000100Z"}}

    def signal(self, container_id: str, name: str) -> None:
        self.signals.append((container_id, name))

    def task_log(self, task_id: str, lines: int) -> list[str]:
        return []


class FakeFiles:
    def __init__(self, newest: int = 0) -> None:
        self.time = newest
        self.marker = 0

    def newest(self, paths: list[str], missing_ok: bool) -> int:
        return self.time

    def reloaded(self, service: str) -> int:
        return self.marker

    def note_reloaded(self, service: str, newest: int) -> None:
        self.marker = newest

    def forget(self, service: str) -> None:
        self.marker = 0


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def run(engine: FakeEngine, *, check: bool = False, files: FakeFiles | None = None, **options: Any) -> Run:
    given = {"name": "web", "image": "web:1", "health": HEALTH, "wait": True, "wait_timeout": 5, **options}
    clock = iter(range(1000))
    return Run(
        options={"reload_signal": "SIGHUP", **given},
        engine=engine,
        files=files or FakeFiles(),
        check_mode=check,
        monotonic=lambda: float(next(clock)),
        now=lambda: 1_900_000_000.0,
        sleep=lambda _seconds: None,
    )


def test_create_then_nothing(engine: FakeEngine) -> None:
    assert run(engine).present()["changed"]
    again = run(engine).present()
    assert (again["changed"], again["changes"], again["containers"]) == (False, [], ["c1"])
    assert engine.writes == ["create"]


@pytest.mark.parametrize("known", [True, False])
def test_start_interval_is_left_to_engines_that_know_it(engine: FakeEngine, known: bool) -> None:
    engine.start_interval_known = known
    health = {"test": ["CMD", "true"], "start_interval": "2s"}
    run(engine, health=health).present()
    spec = next(iter(engine.specs.values()))["TaskTemplate"]["ContainerSpec"]["Healthcheck"]
    assert spec.get("StartInterval") == (2_000_000_000 if known else None)
    assert not run(engine, health=health).present()["changed"]


def test_check_mode_writes_nothing(engine: FakeEngine) -> None:
    secrets = [{"name": "a", "value": "x"}]
    assert run(engine, check=True, secrets=secrets, networks=[{"name": "missing"}]).present()["changed"]
    assert run(engine, check=True).absent()["changed"] is False
    run(engine, secrets=secrets).present()
    writes = list(engine.writes)
    assert run(engine, check=True, image="web:2").present()["changes"] == ["image", "secrets"]
    assert run(engine, check=True).absent()["changed"]
    assert engine.writes == writes


def test_faster_writer_is_planned_around(engine: FakeEngine) -> None:
    """An autoscaler scales between our reading and our writing: its number is the one that is kept."""
    run(engine).present()

    def scale() -> None:
        engine.specs["web"]["Mode"]["Replicated"]["Replicas"] = 7

    engine.before_write.append(scale)
    done = run(engine, image="web:2", keep_replicas=True).present()
    assert done["service"]["replicas"] == 7
    assert engine.specs["web"]["Mode"]["Replicated"]["Replicas"] == 7


def test_faster_writer_with_the_same_wish(engine: FakeEngine) -> None:
    run(engine).present()

    def same() -> None:
        engine.specs["web"]["TaskTemplate"]["ContainerSpec"]["Image"] = "web:2"

    engine.before_write.append(same)
    assert not run(engine, image="web:2").present()["changed"]


def test_endless_conflict_is_an_error(engine: FakeEngine) -> None:
    run(engine).present()
    engine.before_write.extend([lambda: None] * 9)
    with pytest.raises(ConflictError, match="somebody else"):
        run(engine, image="web:2").present()


def test_option_that_the_engine_drops_is_an_error(engine: FakeEngine) -> None:
    engine.drops = ("Ulimits",)
    with pytest.raises(ServiceError, match="ulimits") as caught:
        run(engine, ulimits={"nofile": 5}).present()
    assert caught.value.result["changed"]


def test_force_update_counter_is_kept(engine: FakeEngine) -> None:
    run(engine).present()
    engine.specs["web"]["TaskTemplate"]["ForceUpdate"] = 4
    assert not run(engine).present()["changed"]
    run(engine, image="web:2").present()
    assert engine.specs["web"]["TaskTemplate"]["ForceUpdate"] == 4


def test_drifted_is_what_somebody_else_did(engine: FakeEngine) -> None:
    run(engine).present()
    assert not run(engine, check=True, image="web:2").present()["drifted"]
    engine.specs["web"]["TaskTemplate"]["ContainerSpec"]["Image"] = "web:9"
    assert run(engine, check=True).present()["drifted"]


def test_secret_of_the_spec_before_is_kept(engine: FakeEngine) -> None:
    for content in ("one", "two", "three"):
        run(engine, secrets=[{"name": "a", "value": content}]).present()
    assert len(engine.secret_store) == 2
    run(engine).present()
    assert len(engine.secret_store) == 1
    run(engine, image="web:2").present()
    assert engine.secret_store == {}


def test_secrets_of_others_are_left_alone(engine: FakeEngine) -> None:
    engine.create_secret("web_x_000000000000", {}, b"")
    engine.create_secret("web2_x_000000000000", {"firstbell.service": "web2"}, b"")
    run(engine, secrets=[{"name": "a", "value": "one"}]).present()
    run(engine).present()
    engine.left_containers = []
    run(engine).absent()
    assert sorted(engine.secret_store) == ["web2_x_000000000000", "web_x_000000000000"]


def test_containers_that_stay(engine: FakeEngine) -> None:
    run(engine).present()
    engine.left_containers = ["c1"]
    with pytest.raises(ServiceError, match="docker ps") as caught:
        run(engine).absent()
    assert caught.value.result["changed"]


def test_paused_update_is_resumed(engine: FakeEngine) -> None:
    run(engine).present()
    engine.update_status = {"State": "paused"}
    done = run(engine).present()
    assert done["changes"] == ["update_status"]
    assert done["diff"] == {"before": {"update_status": "paused"}, "after": {"update_status": "resumed"}}


def test_update_of_a_run_that_was_cut_short(engine: FakeEngine) -> None:
    """Nothing to change, but the engine is still at it, and then goes back: that is no success."""
    run(engine).present()
    run(engine, image="web:2").present()
    engine.update_status = {"State": "updating"}

    def go_back(_seconds: float) -> None:
        engine.specs["web"] = engine.previous["web"]
        engine.update_status = {"State": "rollback_completed"}

    again = replace(run(engine, image="web:2"), sleep=go_back)
    with pytest.raises(ServiceError, match="rolled back") as caught:
        again.present()
    assert not caught.value.result["changed"]


def test_somebody_else_writes_while_we_wait(engine: FakeEngine) -> None:
    run(engine).present()
    engine.starts_tasks = False

    def meddle(_seconds: float) -> None:
        engine.specs["web"]["TaskTemplate"]["ContainerSpec"]["Image"] = "web:9"
        engine.starts_tasks = True

    with pytest.raises(ServiceError, match="somebody else changed image") as caught:
        replace(run(engine), sleep=meddle).present()
    assert caught.value.result["reason"] == "changed"


@pytest.mark.parametrize(
    ("newest", "marker", "signals"),
    [(50, 0, 0), (100, 0, 0), (101, 0, 1), (101, 101, 0), (102, 101, 1)],
)
def test_reload(engine: FakeEngine, newest: int, marker: int, signals: int) -> None:
    run(engine).present()
    files = FakeFiles(newest)
    files.marker = marker
    would = run(engine, check=True, files=files, config_paths=["/x"]).present()
    assert (would["reloaded"], would["changed"], engine.signals) == (bool(signals), bool(signals), [])
    done = run(engine, files=files, config_paths=["/x"]).present()
    assert done["reloaded"] == would["reloaded"]
    assert engine.signals == [("c1", "SIGHUP")] * signals
    assert not run(engine, files=files, config_paths=["/x"]).present()["changed"]


def test_new_containers_need_no_reload(engine: FakeEngine) -> None:
    run(engine).present()
    would = run(engine, check=True, files=FakeFiles(101), config_paths=["/x"], image="web:2").present()
    assert (would["changed"], would["reloaded"]) == (True, False)


def test_it_says_whether_containers_are_replaced(engine: FakeEngine) -> None:
    assert not run(engine).present()["replaced"], "there was none before"
    assert not run(engine).present()["replaced"]
    assert not run(engine, check=True, labels={"a": "b"}, replicas=2).present()["replaced"]
    for check in (True, False):
        assert run(engine, check=check, limits={"memory": "64MB"}).present()["replaced"]
    assert not run(engine).absent()["replaced"]


def test_mode_cannot_change(engine: FakeEngine) -> None:
    run(engine).present()
    with pytest.raises(FirstbellError, match="state: absent"):
        run(engine, mode="global").present()


def test_missing_network(engine: FakeEngine) -> None:
    with pytest.raises(FirstbellError, match="'edge'"):
        run(engine, networks=[{"name": "data"}, {"name": "edge"}]).present()
    assert engine.writes == []


def test_failure_tells_what_was_done(engine: FakeEngine) -> None:
    engine.starts_tasks = False
    with pytest.raises(ServiceError) as caught:
        run(engine).present()
    assert caught.value.result["changed"]
    assert caught.value.result["reason"] == "starting"
    assert run(engine, wait=False).present()["changed"] is False
