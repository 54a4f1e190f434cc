# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check both ways: it passes on a healthy stack, and goes red when what it looks for is broken."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS, TOPICS
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import (
    FAIL,
    PASS,
    ROWS,
    SKIPPED,
    WARN,
    Facts,
    Outcome,
)

from unit.broken_stack import BROKEN, NOT_APPLICABLE, Break, no_edge
from unit.healthy_stack import healthy

BY_ID = {one.id: one for one in CHECKS}


def outcome(name: str, breaking: Break | None = None) -> Outcome:
    seen, expected = healthy()
    if breaking:
        breaking(seen, expected)
    return BY_ID[name].judge(Facts(seen, expected))


@pytest.mark.parametrize("name", BY_ID)
def test_a_healthy_stack_passes(name: str) -> None:
    found = outcome(name)
    assert (found.verdict, found.reason) == (PASS, "")
    assert found.measured


@pytest.mark.parametrize(("name", "breaking", "said"), BROKEN)
def test_what_is_broken_is_found(name: str, breaking: Break, said: str) -> None:
    found = outcome(name, breaking)
    assert found.verdict in (FAIL, WARN)
    assert said in f"{found.measured} {found.reason}"


def test_every_check_is_shown_to_fail() -> None:
    assert {name for name, _break, _said in BROKEN} == set(BY_ID)


@pytest.mark.parametrize(("name", "breaking", "said"), NOT_APPLICABLE)
def test_what_cannot_be_checked_says_why(name: str, breaking: Break, said: str) -> None:
    found = outcome(name, breaking)
    assert found.verdict == SKIPPED
    assert said in found.reason


def _without_containers(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
    seen["engine"]["containers"].clear()


def test_without_containers_nothing_can_be_said_of_them() -> None:
    with pytest.raises(ValueError, match="no container of the stack school runs"):
        outcome("limits", _without_containers)


@pytest.mark.parametrize("name", ["users", "read-only-root", "capabilities"])
def test_another_host_need_not_have_containers(name: str) -> None:
    def other(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        seen["engine"]["containers"].clear()
        expected["first"] = False

    assert outcome(name, other).verdict == PASS


@pytest.mark.parametrize("name", ["failed-units", "timers"])
def test_the_check_that_is_made_anew_may_have_failed_before(name: str) -> None:
    def failed_once(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        unit = "school-backup-check.service"
        seen["host"]["failed_units"] = [f"{unit} loaded failed failed"]
        seen["units"]["school-backup-incr.timer"]["Triggers"] = unit
        seen["units"][unit] = {"Result": "exit-code"}

    assert outcome(name, failed_once).verdict == PASS


def test_without_the_edge_its_services_are_not_missed() -> None:
    def without(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        no_edge(seen, expected)
        for name in ("nginx", "haproxy"):
            del seen["engine"]["services"][name]

    assert outcome("services-healthy", without).verdict == PASS
    assert outcome("reservations", without).verdict == PASS


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.id)
def test_a_check_says_all_there_is_to_say(one: Any) -> None:
    assert one.rows
    assert set(one.rows) <= set(ROWS)
    assert one.topic in TOPICS
    assert all((one.title, one.target, one.command, one.fix))


def test_ids_are_unique_and_there_are_many() -> None:
    assert len(CHECKS) == len(BY_ID) > 60
