# SPDX-License-Identifier: GPL-3.0-or-later
"""The action around the module: selections, hosts that break, the look from outside."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.firstbell.stack.plugins.action import checklist

from unit.healthy_stack import healthy


class Action(checklist.ActionModule):
    """One whose module has answered already."""

    def __init__(self, answer: dict[str, Any], **args: Any) -> None:
        given = {"stack": "school", "host": "bell1", "address": "192.0.2.7", "secrets": {}, "expected": healthy()[1]}
        self._task: Any = SimpleNamespace(args={**given, **args})
        self.answer = answer
        self.asked: dict[str, Any] = {}

    def _execute_module(self, module_args: dict[str, Any], **_more: Any) -> dict[str, Any]:
        self.asked = module_args
        return self.answer


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[str], list[str]]]:
    asked: list[tuple[set[str], list[str]]] = []

    def gather(names: Any, addresses: list[str], _expected: Any, _facts: Any) -> Any:
        asked.append((set(names), addresses))
        return healthy()[0], {}

    monkeypatch.setattr(checklist, "gather", gather)
    monkeypatch.setattr(ActionBase, "run", lambda *_args, **_more: {})
    return asked


def answer() -> dict[str, Any]:
    return {"changed": False, "results": [{"id": "inside"}], "facts": {"authority": "", "listeners": [22]}}


def test_both_looks_come_together(outside: list[tuple[set[str], list[str]]]) -> None:
    facts = {"ansible_facts": {"default_ipv6": {"address": "2001:db8::7"}}}
    found = Action(answer()).run(task_vars=facts)
    assert found["results"][0] == {"id": "inside"}
    assert {one["verdict"] for one in found["results"][1:]} == {"pass"}
    assert outside[0][0] >= {"scan", "tls", "site", "limit", "names", "documents"}
    assert outside[0][1] == ["192.0.2.7", "2001:db8::7"]


def test_the_host_is_told_what_the_controllers_clock_says() -> None:
    action = Action(answer(), first=False)
    action.run(task_vars={})
    assert time.time() - action.asked["controller_time"] < 60
    assert action.asked["stack"] == "school"


def test_an_address_of_the_engines_bridges_is_none_of_the_host(outside: list[tuple[set[str], list[str]]]) -> None:
    bridge = {"address": "fd1b:e110:5::1", "interface": "docker_gwbridge"}
    Action(answer()).run(task_vars={"ansible_facts": {"default_ipv6": bridge}})
    assert outside[0][1] == ["192.0.2.7", ""]


def test_only_what_was_asked_for_is_looked_at(outside: list[tuple[set[str], list[str]]]) -> None:
    found = Action(answer(), only=["S37"]).run(task_vars={})
    assert [one["id"] for one in found["results"][1:]] == ["rate-limit"]
    assert outside[0][0] == {"limit"}


def test_passwords_of_others_are_looked_for_from_outside_too(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: dict[str, Any] = {}
    monkeypatch.setattr(checklist, "gather", lambda *given: (handed.update(given[3]) or healthy()[0], {}))
    Action(answer(), further_secrets={"monitoring_smtp_password": "of the mail server"}).run(task_vars={})
    assert handed["secrets"] == {"monitoring_smtp_password": "of the mail server"}


def test_other_hosts_are_not_looked_at_from_outside(outside: list[tuple[set[str], list[str]]]) -> None:
    found = Action(answer(), first=False).run(task_vars={})
    assert found["results"] == [{"id": "inside"}]
    assert outside == []


def test_a_selection_that_means_nothing_is_refused() -> None:
    with pytest.raises(AnsibleError, match="S999"):
        Action(answer(), only=["S999"]).run(task_vars={})


def test_a_module_that_breaks_leaves_the_verdict_to_the_report() -> None:
    found = Action({"failed": True, "msg": "Traceback"}).run(task_vars={})
    assert (found["failed"], found["results"], found["msg"]) == (False, [], "Traceback")


def test_a_host_that_is_not_reached_stays_unreachable() -> None:
    assert Action({"unreachable": True}).run(task_vars={})["unreachable"]
