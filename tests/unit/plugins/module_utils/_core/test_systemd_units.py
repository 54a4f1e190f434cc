# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.systemd_units import (
    Found,
    Unit,
    parse_timestamp,
    parse_unit,
    plan,
)

TEXT = "[Timer]\nOnCalendar=weekly\n"
TIMER = Unit("a.timer", TEXT, True, "started")
GOOD = Found(TEXT, modified_at=100, enabled=True, active_state="active", active_since=200)


def steps(unit: Unit, found: Found) -> list[str]:
    return [change.what for change in plan([unit], {unit.name: found})]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (GOOD, []),
        (Found(None), ["write", "reload", "enable", "start"]),
        (Found("old", 100, False, True, "active", 200), ["write", "reload", "restart"]),
        (Found(TEXT, 100, False, False, "active", 200), ["enable"]),
        (Found(TEXT, 100, False, True, "inactive", 0), ["start"]),
        (Found(TEXT, 100, False, True, "failed", 50), ["start"]),
        # An earlier run was killed after it had written the file, and before it acted.
        (Found(TEXT, 300, True, True, "active", 200), ["reload", "restart"]),
        (Found(TEXT, 300, False, True, "active", 200), ["restart"]),
        # A condition of the unit is not met here: of this file, or of the one before.
        (Found(TEXT, 100, False, True, "inactive", 0, skipped_at=200), []),
        (Found(TEXT, 300, False, True, "inactive", 0, skipped_at=200), ["start"]),
        (Found("old", 100, False, True, "inactive", 0, skipped_at=200), ["write", "reload", "start"]),
    ],
)
def test_steps_follow_from_the_state(found: Found, expected: list[str]) -> None:
    assert steps(TIMER, found) == expected


def test_a_service_that_its_timer_starts_is_left_alone() -> None:
    service = Unit("a.service", "x\n", None, "any")
    assert steps(service, Found("x\n", 300, False, False, "inactive", 0)) == []
    assert steps(service, Found("y\n", 300, False, False, "active", 400)) == ["write", "reload"]


def test_all_files_are_written_before_anything_starts() -> None:
    service = Unit("a.service", "x\n", None, "any")
    changes = plan([TIMER, service], {"a.timer": Found(None), "a.service": Found(None)})
    assert [f"{change.what} {change.name}" for change in changes] == [
        "write a.timer",
        "write a.service",
        "reload systemd",
        "enable a.timer",
        "start a.timer",
    ]


def test_an_absent_unit_is_stopped_before_it_is_removed() -> None:
    gone = parse_unit("a.timer", None, True, "started")
    assert steps(gone, GOOD) == ["stop", "disable", "remove", "reload"]
    assert steps(gone, Found(None)) == []


def test_content_ends_with_a_newline() -> None:
    assert parse_unit("a.service", "x", None, "any").content == "x\n"


@pytest.mark.parametrize("name", ["a", "a.conf", "../a.service", "a b.service", ".service"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is no name of a unit"):
        parse_unit(name, "x", None, "any")


def test_a_timestamp_keeps_its_fraction() -> None:
    assert parse_timestamp("Thu 1970-01-01 00:01:40.250000 UTC") == 100.25
    assert parse_timestamp("") == 0.0
