# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._io import system
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import engine

FIRST = '{"verdict": "succeeded", "image": "app:1"}\n'
FAILED = '{"verdict": "failed", "image": "app:2"}\n'


@pytest.mark.parametrize(("text", "image"), [(None, ""), ("", ""), (FAILED, ""), (FIRST + FAILED, "app:1")])
def test_what_was_deployed_last_is_the_last_that_succeeded(
    monkeypatch: pytest.MonkeyPatch, text: str | None, image: str
) -> None:
    monkeypatch.setattr(system, "read_text", lambda _path: text)
    assert engine.gather_released("school")["image"] == image


def test_versions_that_can_be_gone_back_to_are_the_three_before(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(FIRST.replace("app:1", f"app:{number}") for number in (1, 2, 1, 3, 4, 5))
    monkeypatch.setattr(system, "read_text", lambda _path: lines + FAILED)
    expected = {"on_record": True, "image": "app:5", "former": ["app:4", "app:3", "app:1"]}
    assert engine.gather_released("school") == expected
    monkeypatch.setattr(system, "read_text", lambda _path: None)
    assert engine.gather_released("school") == {"on_record": False, "image": "", "former": []}


@pytest.mark.parametrize("torn", ['{"verdict": "succ', "[]", '{"verdict": "succeeded"}'])
def test_a_record_that_is_cut_off_is_told(monkeypatch: pytest.MonkeyPatch, torn: str) -> None:
    monkeypatch.setattr(system, "read_text", lambda _path: FIRST + torn)
    with pytest.raises(FirstbellError, match=r"line 2 of /opt/school/app/deployments\.jsonl is no record"):
        engine.gather_released("school")


def test_hosts_of_a_swarm_of_one_name_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def node(identity: str, state: str) -> dict[str, object]:
        spec = {"Availability": "active", "Role": "worker"}
        return {"ID": identity, "Description": {"Hostname": "bell2"}, "Spec": spec, "Status": {"State": state}}

    monkeypatch.setattr(engine.engine_api, "call", lambda *_words: [node("a", "down"), node("b", "ready")])
    assert [(one["id"], one["name"], one["role"], one["state"]) for one in engine._nodes()] == [
        ("a", "bell2", "worker", "down"),
        ("b", "bell2", "worker", "ready"),
    ]


def test_ports_that_others_may_reach_are_told_from_those_of_the_host_alone() -> None:
    ports = {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
        "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8081"}],
        "82/tcp": None,
    }
    assert engine._ports(ports) == {"published": [8080, 8081], "exposed": [8080]}


def test_what_docker_update_has_set_is_told() -> None:
    service = {"CpuShares": 0, "CpuPeriod": 0, "CpusetCpus": "", "BlkioWeight": None, "RestartPolicy": {"Name": ""}}
    assert engine._by_hand(service) == []
    changed = {**service, "CpuShares": 2, "CpusetCpus": "0", "RestartPolicy": {"Name": "always"}}
    assert engine._by_hand(changed) == ["CpuShares 2", "CpusetCpus 0", "RestartPolicy always"]


def test_addresses_are_those_of_all_tasks_in_all_networks() -> None:
    tasks = [{"NetworksAttachments": [{"Addresses": ["10.0.1.3/24"]}, {"Addresses": ["10.0.2.3/24"]}]}, {}]
    assert engine.addresses([*tasks, {"NetworksAttachments": [{"Addresses": None}]}]) == ["10.0.1.3", "10.0.2.3"]
