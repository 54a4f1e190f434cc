# SPDX-License-Identifier: GPL-3.0-or-later
"""Growth, peaks and right sizes, and of which times they are."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import records
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations import monthly, spans

from unit.quiet_stack import GB, MB, NOW
from unit.reported_stack import DAY, findings, month, sections

HOUR = 3600.0


@pytest.mark.parametrize(
    ("span", "busy", "pieces"),
    [
        (2.5 * DAY, [], [(NOW - DAY, NOW), (NOW - 2 * DAY, NOW - DAY), (NOW - 2.5 * DAY, NOW - 2 * DAY)]),
        (DAY, [(NOW - 5 * HOUR, NOW - 4 * HOUR)], [(NOW - 4 * HOUR, NOW), (NOW - DAY, NOW - 5 * HOUR)]),
        # Of the time between two rehearsals too little is left; they may overlap, and last until now.
        (
            DAY,
            [(NOW - 3 * HOUR, NOW - HOUR), (NOW - 2 * HOUR, NOW - 1800), (NOW - 60, NOW)],
            [(NOW - DAY, NOW - 3 * HOUR)],
        ),
        (HOUR / 2, [(NOW - HOUR, NOW)], [(NOW - HOUR, NOW)]),
        (0.0, [], [(NOW - HOUR, NOW)]),
    ],
)
def test_pieces_without_rehearsals(
    span: float, busy: list[tuple[float, float]], pieces: list[tuple[float, float]]
) -> None:
    assert spans.quiet(NOW, span, busy) == pieces


def test_rehearsals_are_on_record() -> None:
    kept = [records.Record(kind, NOW, 600.0, True) for kind in ("load_test", "maintenance_daily", "failover_drill")]
    assert spans.rehearsals(kept) == [(NOW, NOW + 900.0)] * 2


def test_what_was_left_out_is_told() -> None:
    facts = month()
    facts["capacity"]["measured"] = 14.5 * DAY
    assert (
        sections(monthly.PARTS, facts)["peaks"].lines[0]
        == "within 15 days, without 12 hours of rehearsals and load tests"
    )


def test_a_pool_is_well_used_while_nobody_waits() -> None:
    facts = month()
    facts["capacity"]["peaks"].update({"connections of the pool": 15.0, "clients that waited for the pool": 0.0})
    assert findings(monthly.PARTS, facts) == []


@pytest.mark.parametrize(
    ("points", "per_day", "usable"),
    [
        ([(3600.0 * n, 10.0 + n / 24) for n in range(48)], 1.0, True),
        ([(3600.0 * n, 10.0 - n / 12) for n in range(48)], -2.0, True),
        ([(3600.0 * n, 10.0) for n in range(48)], 0.0, True),
        ([(60.0 * n, 10.0 + n) for n in range(48)], 1440.0, False),
        ([(0.0, 1.0), (2 * DAY, 3.0)], 1.0, False),
        ([(0.0, 1.0), (DAY / 2, float("nan")), (DAY, 2.0)], 1.0, False),
        ([(5.0, 7.0)], 0.0, False),
    ],
)
def test_a_line_through_what_was_measured(points: list[tuple[float, float]], per_day: float, usable: bool) -> None:
    line = monthly.fit(points)
    assert line is not None
    assert line.per_day == pytest.approx(per_day)
    assert line.usable is usable


def test_no_line_through_nothing() -> None:
    assert monthly.fit([]) is None
    assert monthly.fit([(1.0, float("nan"))]) is None


def test_a_short_time_is_no_basis_for_a_forecast() -> None:
    facts = month()
    facts["capacity"]["span"] = 3600.0
    facts["capacity"]["disks"] = {"/srv": [(NOW - 60 * n, GB * (1 + n / 10)) for n in range(60, -1, -1)]}
    section = sections(monthly.PARTS, facts)["growth"]
    assert not section.findings
    assert "too short for a forecast" in section.lines[0]
    assert "full_in_days" not in section.measured


LIMITS = {"app": {"memory": 256.0 * MB, "cpus": 1.0, "tasks": 2, "reserved_memory": 48.0 * MB, "reserved_cpus": 0.1}}
ROOM = {"cpus": 2.0, "memory": 512.0 * MB}


@pytest.mark.parametrize(
    ("use", "weeks", "why", "memory", "cpus"),
    [
        ({"memory": 150.0 * MB, "cpu": 0.4}, True, "", 0, 0.0),
        ({"memory": 230.0 * MB}, False, "memory limit too small", 368 * MB, 0.0),
        ({"memory": 40.0 * MB}, True, "memory limit too large", 64 * MB, 0.0),
        ({"memory": 40.0 * MB}, False, "", 0, 0.0),
        ({"cpu": 0.95}, False, "CPU limit too small", 0, 2.0),
        ({"cpu": 0.6, "throttled": 0.5}, False, "CPU limit too small", 0, 1.25),
        ({"cpu": 0.05}, True, "CPU limit too large", 0, 0.25),
        ({"cpu": 0.05}, False, "", 0, 0.0),
        ({}, True, "", 0, 0.0),
    ],
)
def test_right_sizes(use: dict[str, float], weeks: bool, why: str, memory: int, cpus: float) -> None:
    found = monthly.right_size({"app": use}, LIMITS, weeks, ROOM)
    assert all(one.fits for one in found)
    assert [one.why.partition(":")[0] for one in found] == ([why] if why else [])
    assert [(one.memory, one.cpus) for one in found] == ([(memory, cpus)] if why else [])


def test_a_cache_may_fill_its_limit_and_the_monitoring_its_cpu() -> None:
    limits = {"redis": {"memory": 100.0, "cpus": 1.0}, "prometheus": {"memory": 100.0 * MB, "cpus": 0.1}}
    uses = {"redis": {"memory": 99.0, "cpu": 0.4}, "prometheus": {"memory": 60.0 * MB, "cpu": 0.1, "throttled": 0.9}}
    assert monthly.right_size(uses, limits, True, ROOM) == []


@pytest.mark.parametrize(
    ("use", "limit", "memory", "cpus", "said"),
    [
        # The planner refuses a limit of more CPUs than the host has, and a sum that does not fit its memory.
        ({"cpu": 1.45}, {"cpus": 1.5}, 0, 2.0, "limits: {cpus: 2}"),
        ({"cpu": 1.9}, {"cpus": 2.0}, 0, 2.0, "it may use all CPUs of the host already: take a host with more of them"),
        ({"memory": 500 * MB}, {"memory": 512 * MB}, 784 * MB, 0.0, "the plan has no room for the 784.0 MB"),
        ({"memory": 500 * MB}, {"memory": 512 * MB, "tasks": 1}, 784 * MB, 0.0, "limits: {memory: 784MB}"),
    ],
)
def test_what_the_plan_refuses_is_not_advised(
    use: dict[str, float], limit: dict[str, float], memory: int, cpus: float, said: str
) -> None:
    (found,) = monthly.right_size({"app": use}, {"app": {**LIMITS["app"], **limit}}, True, ROOM)
    assert (found.memory, found.cpus) == (memory, cpus)
    assert said in monthly._act(found)


def test_a_limit_stays_above_what_is_reserved() -> None:
    limits = {"app": {**LIMITS["app"], "reserved_memory": 128.0 * MB, "reserved_cpus": 0.5}}
    found = monthly.right_size({"app": {"memory": 40.0 * MB, "cpu": 0.05}}, limits, True, ROOM)
    assert [(one.memory, one.cpus) for one in found] == [(128 * MB, 0.0), (0, 0.5)]
