# SPDX-License-Identifier: GPL-3.0-or-later
"""Canonical values to ServiceSpec and back."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_options import wanted_service
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_spec import (
    DIGEST_LABEL,
    actual_values,
    digest,
    same_tasks,
    service_spec,
)

NETWORKS = {"academy_data": "net1", "academy_edge": "net2"}
NAMES = {"net1": "academy_data", "net2": "academy_edge"}

FULL: dict[str, Any] = {
    "name": "academy_app",
    "image": "academy/app:1",
    "command": ["/usr/bin/node"],
    "args": ["server.js"],
    "env": {"PORT": 3000, "A": "b=c"},
    "labels": {"tier": "app"},
    "networks": [{"name": "academy_edge"}, {"name": "academy_data", "aliases": ["app"]}],
    "publish": [{"published": 443, "target": 8443}],
    "mounts": [
        {"source": "/opt/x", "target": "/y", "read_only": True},
        {"type": "tmpfs", "target": "/tmp", "size": "64MB"},
        {"type": "volume", "source": "data", "target": "/data"},
    ],
    "secrets": [{"name": "env", "value": "x", "target": "app.env"}],
    "replicas": 2,
    "constraints": ["node.role == manager"],
    "limits": {"cpus": 2.0, "memory": "2GB", "pids": 256},
    "reservations": {"cpus": 0.5, "memory": "512MB"},
    "health": {"test": ["CMD", "true"]},
    "cap_add": ["NET_BIND_SERVICE"],
    "ulimits": {"nofile": 65536},
    "sysctls": {"net.core.somaxconn": 1024},
    "update": {"max_failure_ratio": 0.1},
    "log": {"driver": "json-file", "options": {"max-size": "10m"}},
}
WANTED = wanted_service(FULL, "cluster")
SECRET = WANTED.secrets[0].swarm_name
PLAIN = wanted_service({"name": "academy_web", "image": "academy/web:1"})


def spec_of(wanted: Any = WANTED) -> dict[str, Any]:
    return copy.deepcopy(service_spec(wanted.name, wanted.values, NETWORKS, {SECRET: "sec1"}))


def as_engine_answers(value: Any) -> Any:
    """Like the engine's JSON: Go leaves out what is empty, except pointers, which hold zeros."""
    pointers = {"Delay", "MaxAttempts", "Window", "StopGracePeriod", "Init", "ForceUpdate", "Replicas", "Global"}
    if isinstance(value, dict):
        answered = {key: as_engine_answers(item) for key, item in value.items()}
        return {key: item for key, item in answered.items() if item or key in pointers}
    if isinstance(value, list):
        return [as_engine_answers(item) for item in value]
    return value


def test_golden_spec() -> None:
    spec = spec_of()
    assert spec["Labels"] == {"tier": "app", DIGEST_LABEL: digest(WANTED.values)}
    assert spec["Mode"] == {"Replicated": {"Replicas": 2}}
    assert spec["EndpointSpec"] == {
        "Mode": "dnsrr",
        "Ports": [{"Protocol": "tcp", "TargetPort": 8443, "PublishedPort": 443, "PublishMode": "host"}],
    }
    assert spec["UpdateConfig"] == {
        "Parallelism": 1,
        "Delay": 0,
        "FailureAction": "rollback",
        "Monitor": 30_000_000_000,
        "MaxFailureRatio": 0.1,
        "Order": "stop-first",
    }
    template = spec["TaskTemplate"]
    assert template["Resources"] == {
        "Limits": {"NanoCPUs": 2_000_000_000, "MemoryBytes": 2_147_483_648, "Pids": 256},
        "Reservations": {"NanoCPUs": 500_000_000, "MemoryBytes": 536_870_912},
    }
    assert template["Networks"] == [{"Target": "net1", "Aliases": ["app"]}, {"Target": "net2", "Aliases": []}]
    assert template["Placement"] == {"Constraints": ["node.role==manager"]}
    assert template["LogDriver"] == {"Name": "json-file", "Options": {"max-size": "10m"}}
    container = template["ContainerSpec"]
    assert container["Env"] == ["A=b=c", "PORT=3000"]
    assert container["Mounts"] == [
        {"Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": False},
        {"Type": "tmpfs", "Target": "/tmp", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": 67108864, "Mode": 0o1777}},
        {"Type": "bind", "Source": "/opt/x", "Target": "/y", "ReadOnly": True},
    ]
    assert container["Secrets"] == [
        {
            "SecretID": "sec1",
            "SecretName": SECRET,
            "File": {"Name": "app.env", "UID": "1001", "GID": "1001", "Mode": 0o400},
        }
    ]
    assert container["Ulimits"] == [{"Name": "nofile", "Soft": 65536, "Hard": 65536}]
    assert (container["CapabilityDrop"], container["CapabilityAdd"]) == (["ALL"], ["CAP_NET_BIND_SERVICE"])


@pytest.mark.parametrize("wanted", [WANTED, PLAIN])
@pytest.mark.parametrize("answer", [lambda spec: spec, as_engine_answers])
def test_what_is_written_reads_back_the_same(wanted: Any, answer: Any) -> None:
    assert actual_values(answer(spec_of(wanted)), NAMES) == wanted.values


def test_single_precision_ratio() -> None:
    spec = spec_of()
    spec["UpdateConfig"]["MaxFailureRatio"] = 0.10000000149011612
    assert actual_values(spec, NAMES) == WANTED.values


def test_service_made_by_somebody_else() -> None:
    spec = {
        "Name": "web",
        "TaskTemplate": {"ContainerSpec": {"Image": "web:1", "Isolation": "default", "DNSConfig": {}}},
        "Mode": {"Replicated": {}},
    }
    values = actual_values(spec, {})
    assert (values["replicas"], values["endpoint_mode"], values["init"]) == (1, "vip", None)
    assert values["unmanaged"] == {}
    assert values["restart"]["delay"] == 5_000_000_000


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (("Hostname",), "x", {"ContainerSpec.Hostname": "x"}),
        (("DNSConfig",), {"Nameservers": ["192.0.2.1"]}, {"ContainerSpec.DNSConfig": {"Nameservers": ["192.0.2.1"]}}),
        (("Privileges",), {"NoNewPrivileges": True}, {"ContainerSpec.Privileges": {"NoNewPrivileges": True}}),
        (("Privileges",), {"CredentialSpec": None, "NoNewPrivileges": False}, {}),
        (("TTY",), False, {}),
    ],
)
def test_unmanaged(path: tuple[str, ...], value: Any, found: dict[str, Any]) -> None:
    spec = spec_of()
    target = spec["TaskTemplate"]["ContainerSpec"]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    assert actual_values(spec, NAMES)["unmanaged"] == found


def test_mount_options_and_unknown_network_are_drift() -> None:
    spec = spec_of()
    spec["TaskTemplate"]["ContainerSpec"]["Mounts"][2]["BindOptions"] = {"Propagation": "rshared"}
    spec["TaskTemplate"]["Networks"][0]["Target"] = "gone"
    values = actual_values(spec, NAMES)
    assert values["mounts"] != WANTED.values["mounts"]
    assert [net["name"] for net in values["networks"]] == ["academy_edge", "gone"]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a spec that holds a single value."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _paths(item, (*path, key))]
    if isinstance(value, list):
        return [found for number, item in enumerate(value) for found in _paths(item, (*path, number))]
    return [path]


#: Nobody sees them: the engine's own bookkeeping, and what names the same secret and service twice.
UNSEEN = {"ForceUpdate", "Runtime", "SecretID", "Name", DIGEST_LABEL}
PLACES = [path for path in _paths(spec_of()) if path[-1] not in UNSEEN or "File" in path or "Ulimits" in path]


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_another_value_anywhere_is_one_option(path: tuple[Any, ...]) -> None:
    spec = spec_of()
    place = spec
    for key in path[:-1]:
        place = place[key]
    old = place[path[-1]]
    place[path[-1]] = not old if isinstance(old, bool) else old + 1 if isinstance(old, (int, float)) else old + "x"
    actual = actual_values(spec, NAMES)
    assert len([option for option in actual if actual[option] != WANTED.values[option]]) == 1


def test_digest_leaves_replicas_out() -> None:
    assert digest({**WANTED.values, "replicas": 9}) == digest(WANTED.values)
    assert digest({**WANTED.values, "image": "other:1"}) != digest(WANTED.values)
    json.dumps(WANTED.values)


def test_same_tasks() -> None:
    template = spec_of()["TaskTemplate"]
    task = as_engine_answers(copy.deepcopy(template))
    del task["Runtime"]
    task["Placement"] = {}
    assert same_tasks(template, task)
    assert not same_tasks({**template, "ForceUpdate": 1}, task)
    task["ContainerSpec"]["Image"] = "academy/app:2"
    assert not same_tasks(template, task)
