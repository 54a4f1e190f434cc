# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of the containers' names, which a unit of the host writes."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "roles" / "monitoring" / "files" / "container_listing.py"


@pytest.fixture(name="module", scope="module")
def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("container_listing", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["container_listing"] = module
    spec.loader.exec_module(module)
    return module


def labels(task: str) -> dict[str, str]:
    return {"com.docker.swarm.service.name": "school_app", "com.docker.swarm.task.name": task}


def event(action: str, identity: str, task: str = "school_app.1.x", **attributes: str) -> dict[str, Any]:
    return {"Action": action, "time": 5, "Actor": {"ID": identity, "Attributes": {**labels(task), **attributes}}}


def test_a_task_is_its_service_and_slot(module: ModuleType) -> None:
    assert module.task_of(labels("school_app.2.k4j5")) == "school_app.2"
    assert module.task_of({"com.docker.swarm.task.name": "x.1.y"}) == ""
    assert module.task_of({}) == ""


def test_what_is_no_task_is_left_out(module: ModuleType) -> None:
    listing = module.Listing()
    listing.started("a", {"some": "label"}, 1.0)
    assert not listing.containers


def test_the_first_container_of_a_task_is_no_restart(module: ModuleType) -> None:
    listing = module.Listing()
    for identity in ("a", "b", "c"):
        module.take(listing, event("start", identity))
        module.take(listing, event("start", identity))
        module.take(listing, event("die", identity, exitCode="1"))
    module.take(listing, event("start", "c"))
    assert listing.restarts == {"school_app.1": {"service": "school_app", "count": 3}}


@pytest.mark.parametrize(
    ("actions", "killed"),
    [
        (["oom", "137"], True),
        (["137"], False),
        (["oom", "1"], False),
        (["oom", "0"], False),
    ],
)
def test_a_kill_for_memory_needs_both_signs(module: ModuleType, actions: list[str], killed: bool) -> None:
    listing = module.Listing()
    module.take(listing, event("start", "a"))
    for action in actions:
        module.take(listing, event("oom", "a") if action == "oom" else event("die", "a", exitCode=action))
    assert listing.containers["a"]["killed"] is killed


def test_what_ended_is_told_of_for_an_hour(module: ModuleType) -> None:
    listing = module.Listing()
    listing.started("a", labels("school_app.1.x"), 1.0)
    listing.started("b", labels("school_app.2.x"), 1.0)
    listing.present({"b"}, 100.0)
    assert set(json.loads(listing.text(101.0))["containers"]) == {"a", "b"}
    listing.present({"b"}, 101.0 + module.KEPT)
    assert set(listing.containers) == {"b"}


def test_one_that_lives_after_all_is_not_forgotten(module: ModuleType) -> None:
    listing = module.Listing()
    listing.started("a", labels("school_app.1.x"), 1.0)
    listing.present(set(), 2.0)
    listing.present({"a"}, 30.0)
    listing.present({"a"}, 30.0 + module.KEPT)
    assert set(listing.containers) == {"a"}
    assert listing.restarts["school_app.1"]["count"] == 0


def test_services_that_end_by_themselves_miss_no_task(module: ModuleType) -> None:
    listing = module.Listing()
    status = {"DesiredTasks": 3, "RunningTasks": 2}
    listing.count(
        [
            {"Spec": {"Name": "school_app", "Mode": {"Replicated": {}}}, "ServiceStatus": status},
            {"Spec": {"Name": "school_job", "Mode": {"ReplicatedJob": {}}}, "ServiceStatus": status},
        ]
    )
    assert listing.services == {"school_app": {"desired": 3, "running": 2}}


def test_hosts_of_the_swarm_are_told_with_whether_they_answer(module: ModuleType) -> None:
    listing = module.Listing(hosts={"gone": False})
    seen = [("bell1", "ready"), ("bell2", "down"), ("twin", "down"), ("twin", "ready")]
    listing.joined([{"Description": {"Hostname": name}, "Status": {"State": state}} for name, state in seen])
    assert listing.hosts == {"bell1": True, "bell2": False, "twin": False}


def test_without_a_leader_the_hosts_of_before_are_told(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(path: str) -> list[Any]:
        if path.startswith("/services") and not has_leader:
            raise OSError("/services: HTTP/1.0 503 Service Unavailable")
        return [{"Description": {"Hostname": "bell1"}, "Status": {"State": "ready"}}] if path == "/nodes" else []

    monkeypatch.setattr(module, "get", get)
    listing = module.Listing()
    for has_leader in (True, False, True):
        module.refresh(listing, 100.0)
        assert json.loads(listing.text(100.0))["swarm"] == {"hosts": {"bell1": True}, "has_leader": has_leader}


def test_restarts_of_a_removed_service_are_forgotten(module: ModuleType) -> None:
    listing = module.Listing(services={"school_redis": {"desired": 1, "running": 1}})
    listing.started("a", labels("school_app.1.x"), 1.0)
    listing.present({"a"}, 2.0)
    assert not listing.restarts


def test_the_file_is_replaced_in_one_step_and_may_be_read(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "containers.json"
    module.write(path, "old")
    module.write(path, module.Listing().text(1.5))
    assert json.loads(path.read_text())["time"] == 1.5
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["containers.json"]


NET_DEV = """Inter-|   Receive                            |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 481390  7048 0 0 0 0 0 0   481390  7048 0 0 0 0 0 0
  eth0: 3586685 14500 0 0 0 0 0 0 13609062 12345 0 0 0 0 0 0
  eth1:      84     2 0 0 0 0 0 0     1156    14 0 0 0 0 0 0
vethab1:     10     2 0 0 0 0 0 0       20    14 0 0 0 0 0 0
"""


def test_bytes_are_counted_by_container_and_by_device_of_the_host(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "7").write_text(NET_DEV, encoding="ascii")
    monkeypatch.setattr(module, "NETWORK", f"{tmp_path}/{{pid}}")
    monkeypatch.setattr(module, "process_of", lambda identity: {"a": 7, "b": 8}[identity])
    listing = module.Listing()
    for identity in ("a", "b"):
        listing.started(identity, labels(f"school_app.{identity}.x"), 1.0)
    listing.carried({"a", "b", "stranger"})
    assert listing.containers["a"]["network"] == [3586779, 13610238]
    assert "network" not in listing.containers["b"]
    listing.carried({"b"})
    assert listing.processes == {"b": 8}
    lines = module.of_host(module.network(7)).splitlines()
    assert 'node_network_receive_bytes_total{device="eth0"} 3586685' in lines
    assert 'node_network_transmit_bytes_total{device="eth1"} 1156' in lines
    assert not [line for line in lines if "veth" in line or '"lo"' in line]


def test_the_table_of_connections_is_the_hosts(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNTRACK", str(tmp_path))
    assert "conntrack" not in module.of_host({})
    (tmp_path / "nf_conntrack_count").write_text("85\n", encoding="ascii")
    (tmp_path / "nf_conntrack_max").write_text("262144\n", encoding="ascii")
    lines = module.of_host({}).splitlines()
    assert "node_nf_conntrack_entries 85" in lines
    assert "node_nf_conntrack_entries_limit 262144" in lines
