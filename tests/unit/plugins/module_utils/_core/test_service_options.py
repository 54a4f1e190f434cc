# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a service: what is refused, and what equal services look like."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_options import (
    capabilities,
    constraint_text,
    wanted_service,
)

PLAIN: dict[str, Any] = {"name": "academy_web", "image": "academy/web:1"}


def values(**options: Any) -> dict[str, Any]:
    return wanted_service({**PLAIN, **options}, "cluster").values


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, ["name", "letters"]),
        ({"name": "a b"}, ["name", "a b"]),
        ({"name": "-a"}, ["name"]),
        ({"name": "a" * 64}, ["name", "63"]),
        ({"image": None}, ["image", "tag"]),
        ({"image": "a b"}, ["image"]),
        ({"limits": {"memory": "512"}}, ["limits.memory", "512MB"]),
        ({"limits": {"memory": "-1MB"}}, ["limits.memory"]),
        ({"limits": {"memory": "5MB"}}, ["limits.memory", "6MB"]),
        ({"limits": {"cpus": -1}}, ["limits.cpus"]),
        ({"limits": {"cpus": "two"}}, ["limits.cpus", "0.5"]),
        ({"limits": {"pids": -1}}, ["limits.pids", "0"]),
        ({"limits": {"memory": "64MB"}, "reservations": {"memory": "65MB"}}, ["reservations.memory", "65MB", "64MB"]),
        ({"limits": {"cpus": 1}, "reservations": {"cpus": 1.5}}, ["reservations.cpus", "1.5"]),
        ({"mounts": [{"type": "tmpfs", "source": "/x", "target": "/t"}]}, ["mounts[/t].source", "tmpfs"]),
        ({"mounts": [{"source": "x", "target": "/t"}]}, ["mounts[/t].source", "type: volume"]),
        ({"mounts": [{"type": "volume", "source": "/x", "target": "/t"}]}, ["mounts[/t].source", "type: bind"]),
        ({"mounts": [{"type": "volume", "target": "/t"}]}, ["mounts[/t].source"]),
        ({"mounts": [{"source": "/x", "target": "/t", "size": "1MB"}]}, ["mounts[/t]", "tmpfs"]),
        ({"mounts": [{"type": "tmpfs", "target": "/t", "size": "64"}]}, ["mounts[/t].size"]),
        ({"mounts": [{"type": "tmpfs", "target": "/t", "mode": "rwx"}]}, ["mounts[/t].mode", "quotes"]),
        ({"mounts": [{"type": "tmpfs", "target": "t"}]}, ["mounts[t].target", "absolute"]),
        ({"mounts": [{"type": "tmpfs", "target": "/t"}, {"source": "/x", "target": "/t/"}]}, ["mounts", "twice"]),
        ({"publish": [{"published": 0, "target": 80}]}, ["publish.published", "65535"]),
        ({"publish": [{"published": 80, "target": 70000}]}, ["publish.target", "70000"]),
        ({"publish": [{"published": 80, "target": 80}, {"published": 80, "target": 81}]}, ["publish", "80/tcp"]),
        ({"publish": [{"published": 80, "target": 80, "mode": "ingress"}]}, ["publish", "endpoint_mode: vip"]),
        (
            {"publish": [{"published": 80, "target": 80}], "mode": "global", "update": {"order": "start-first"}},
            ["update.order", "stop-first"],
        ),
        ({"mode": "global", "replicas": 2}, ["replicas", "global"]),
        ({"replicas": -1}, ["replicas"]),
        ({"env": {"A": True}}, ["env.A", "quotes"]),
        ({"env": {"A": None}}, ["env.A"]),
        ({"env": {"A=B": "1"}}, ["env", "A=B"]),
        ({"labels": {"a": ["b"]}}, ["labels.a"]),
        ({"networks": [{"name": "n"}, {"name": "n"}]}, ["networks", "twice"]),
        ({"constraints": ["node.role"]}, ["constraints", "=="]),
        ({"health": {"test": []}}, ["health.test", "CMD"]),
        ({"health": {"test": ["curl"]}}, ["health.test", "CMD"]),
        ({"health": {"test": ["CMD"]}}, ["health.test"]),
        ({"health": {"test": ["CMD-SHELL", "a", "b"]}}, ["health.test", "one line"]),
        ({"health": {"test": ["CMD", "a"], "interval": "0s"}}, ["health.interval", "1ms"]),
        ({"health": {"test": ["CMD", "a"], "interval": "10"}}, ["health.interval", "10s"]),
        ({"health": {"test": ["CMD", "a"], "retries": 0}}, ["health.retries"]),
        ({"ulimits": {"nofile": "many"}}, ["ulimits.nofile", "soft:hard"]),
        ({"ulimits": {"nofile": "2:1"}}, ["ulimits.nofile"]),
        ({"stop_grace_period": "soon"}, ["stop_grace_period"]),
        ({"restart": {"max_attempts": -1}}, ["restart.max_attempts"]),
        ({"update": {"parallelism": -1}}, ["update.parallelism"]),
        ({"update": {"max_failure_ratio": 2}}, ["update.max_failure_ratio"]),
        ({"update": {"monitor": "0s"}}, ["update.monitor"]),
        ({"secrets": [{"name": "a", "value": ""}]}, ["secrets[a].value", "0 bytes"]),
        ({"secrets": [{"name": "a b", "value": "x"}]}, ["secrets[a b].name"]),
        ({"secrets": [{"name": "a" * 40, "value": "x"}]}, ["secrets[", "at most 39"]),
        ({"secrets": [{"name": "a", "value": "x", "mode": "9"}]}, ["secrets[a].mode"]),
        ({"secrets": [{"name": "a", "value": "x"}, {"name": "a", "value": "y"}]}, ["secrets", "twice"]),
        (
            {"secrets": [{"name": "a", "value": "x", "target": "f"}, {"name": "b", "value": "y", "target": "f"}]},
            ["secrets", "target"],
        ),
        ({"secrets": [{"name": "a", "value": "x"}], "user": "postgres"}, ["user", "1001:1001"]),
    ],
)
def test_refused(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        wanted_service({**PLAIN, **options})
    assert [word for word in words if word not in str(caught.value)] == []


def test_error_hides_secret() -> None:
    with pytest.raises(InputError) as caught:
        wanted_service({**PLAIN, "secrets": [{"name": "a", "value": "hidden" * 100_000}]})
    assert "hidden" not in str(caught.value)
    assert "hidden" not in repr(wanted_service({**PLAIN, "secrets": [{"name": "a", "value": "hidden"}]}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"user": None, "env": None, "limits": None, "replicas": 1, "cap_drop": ["all"]}),
        ({"limits": {"memory": "1GB"}}, {"limits": {"memory": 1024**3, "cpus": 0, "pids": 0}}),
        ({"limits": {"cpus": 0.5}}, {"limits": {"cpus": "0.50"}}),
        ({"stop_grace_period": "1m30s"}, {"stop_grace_period": "90s"}),
        ({"env": {"A": 1, "B": "2"}}, {"env": {"B": 2, "A": "1"}}),
        ({"networks": [{"name": "a"}, {"name": "b"}]}, {"networks": [{"name": "b", "aliases": []}, {"name": "a"}]}),
        ({"constraints": ["node.role==manager"]}, {"constraints": ["node.role == manager"]}),
        ({"cap_add": ["CAP_CHOWN", "setuid"]}, {"cap_add": ["SETUID", "chown", "CHOWN"]}),
        ({"ulimits": {"nofile": 5}}, {"ulimits": {"nofile": "5:5"}}),
        (
            {"mounts": [{"source": "/a/", "target": "/b"}]},
            {"mounts": [{"type": "bind", "source": "/a", "target": "/b/"}]},
        ),
        (
            {"mounts": [{"type": "tmpfs", "target": "/t"}]},
            {"mounts": [{"type": "tmpfs", "target": "/t", "mode": "1777", "size": 0}]},
        ),
    ],
)
def test_same_service(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert values(**one) == values(**other)


def test_order_follows_host_ports() -> None:
    port = {"published": 80, "target": 8080}
    assert values()["update"]["order"] == "start-first"
    assert values(publish=[port])["update"]["order"] == "stop-first"
    assert values(publish=[port])["rollback"]["order"] == "stop-first"
    assert values(publish=[port], update={"order": "start-first"})["update"]["order"] == "start-first"
    ingress = values(publish=[{**port, "mode": "ingress"}], endpoint_mode="vip")
    assert ingress["update"]["order"] == "start-first"


def test_default_is_locked_down() -> None:
    plain = values()
    assert plain["user"] == "1001:1001"
    assert plain["read_only"] is True
    assert plain["cap_drop"] == ["ALL"]
    assert plain["update"]["failure_action"] == "rollback"


def test_secret_entry() -> None:
    wanted = wanted_service({**PLAIN, "secrets": [{"name": "env", "value": "x", "target": "app.env"}]}, "cluster")
    (entry,) = wanted.values["secrets"]
    (content,) = wanted.secrets
    assert content.swarm_name == f"academy_web_env_{entry['version']}"
    assert content.content == b"x"
    assert (entry["target"], entry["mode"], entry["uid"], entry["gid"]) == ("app.env", 0o400, "1001", "1001")


def test_capabilities() -> None:
    assert capabilities(["CAP_NET_ADMIN", "chown "]) == ["CHOWN", "NET_ADMIN"]


def test_constraint_that_is_none_is_left_alone() -> None:
    assert constraint_text("what ever") == "what ever"
