# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queueing model against known values, and replays of made and recorded load."""

from __future__ import annotations

import datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler import drawing, queueing, weeks
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.calendar import parse
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.simulation import Result, replay

from unit.errors import error_of
from unit.school import anytime, school, settings

MONDAY = datetime.date(2027, 3, 1)


@pytest.mark.parametrize(
    ("servers", "load", "expected"),
    [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (3, 2.0, 4 / 9), (10, 8.0, 0.40918)],  # Erlang C, from tables
)
def test_the_share_of_requests_that_wait(servers: int, load: float, expected: float) -> None:
    assert queueing.waiting_probability(servers, load) == pytest.approx(expected, rel=1e-4)


def test_a_single_server_has_exponential_times() -> None:
    """M/M/1: the time is exponential with rate mu - lambda; its 95th percentile is ln(20) times the mean."""
    assert queueing.quantile(0.95, 50, 0.01, 1) == pytest.approx(2.99573 / (100 - 50), rel=1e-4)
    assert queueing.tail(0.02, 50, 0.01, 1) == pytest.approx(2.718281828**-1, rel=1e-6)


def test_the_formula_has_no_step_where_its_two_rates_meet() -> None:
    near, exact, far = (queueing.tail(0.02, rate, 0.01, 2) for rate in (100 - 1e-4, 100, 100 + 1e-4))
    assert near == pytest.approx(exact, rel=1e-4)
    assert far == pytest.approx(exact, rel=1e-4)


def test_more_than_is_carried_waits_and_is_worked_off() -> None:
    queue = queueing.Queue(0.01)
    first = queue.step(150, 1, 10)
    assert first.waiting == pytest.approx(500)
    assert first.formula.behind == pytest.approx(2.5)
    assert queue.step(0, 1, 10).waiting == 0
    assert queue.step(10, 1, 10).p95 < 0.05


@pytest.mark.parametrize(
    ("cpus", "servers", "working", "longer"),
    [
        (0, 3, 3, 0.0),  # one CPU each
        (8, 3, 3, 0.0),  # CPUs to spare
        (4, 3, 3, 0.0),
        (3.5, 3, 3, 0.5),  # half of a CPU for what a request takes elsewhere
        (2, 1, 1, 0.0),
        (2, 2, 2, 1.0),
        (2, 3, 2, 1.0),  # a third replica serves nobody more
        (0.5, 2, 1, 1.5),
    ],
)
def test_replicas_of_one_host_share_its_cpus(cpus: float, servers: int, working: int, longer: float) -> None:
    found = queueing.Queue(0.01, cpus).at_once(servers)
    assert found == (working, pytest.approx(0.01 + longer * queueing.BESIDE))


def test_a_third_replica_on_two_cpus_is_no_faster() -> None:
    two, three = queueing.Queue(0.01, 2), queueing.Queue(0.01, 2)
    assert two.step(150, 2, 10).p95 == three.step(150, 3, 10).p95
    assert queueing.Queue(0.01).step(150, 3, 10).p95 < three.step(150, 3, 10).p95


def test_the_mix_has_the_measured_mean() -> None:
    assert queueing.service_time() == pytest.approx(0.0061, abs=0.0002)


@pytest.mark.parametrize("kind", list(weeks.KINDS))
def test_a_made_week_is_the_same_each_time_and_has_its_first_bell(kind: str) -> None:
    zone = parse(school()).zone
    week = list(weeks.made(kind, MONDAY, zone, 600))
    assert week == list(weeks.made(kind, MONDAY, zone, 600))
    assert len(week) == 7 * 24 * 240
    by_hour = [0.0] * 24
    for load in week:
        by_hour[datetime.datetime.fromtimestamp(load.at, zone).hour] += load.requests
    assert by_hour.index(max(by_hour)) == 8
    assert max(load.sessions for load in week) == pytest.approx(600 * weeks.KINDS[kind][0], rel=0.12)


CSV = """time,requests,sessions
2027-03-01T08:00:00+01:00,10,100
2027-03-01T08:05:00+01:00,90,
2027-03-01T07:10:00Z,20,
"""


def test_a_recorded_course_holds_each_line_until_the_next() -> None:
    course = weeks.recorded(CSV, "peak.csv")
    assert [load.requests for load in course] == [10] * 20 + [90] * 20 + [20]
    assert (course[0].sessions, course[20].sessions) == (100, 900)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "peak.csv: it has no two lines with the columns time and requests; write time,requests,sessions first"),
        ("time,requests\n1,2\nx,3\n", "line 3 cannot be read; write it like 2027-03-01T08:00:00+01:00,84.5,640"),
        ("time,requests\n1,2\n2027-03-01T08:00:00,3\n", "line 3 cannot be read"),
        ("time,requests\n1,2\n2,nan\n", "line 3 has no number that load can have"),
        ("time,requests\n1,2\n2,-1\n", "line 3 has no number that load can have"),
        ("time,requests\n2,2\n2,1\n", "line 3 is not later than the one before; sort the lines by time"),
        ("time,requests\n0,2\n1e9,1\n", "longer than eight weeks"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(text: str, message: str) -> None:
    assert message in str(error_of(weeks.recorded, text, "peak.csv"))


def test_a_week_that_nobody_knows_is_refused() -> None:
    error = error_of(lambda: list(weeks.made("holiday", MONDAY, parse(school()).zone, 1)))
    assert "take one of school, exam, summer" in str(error)


def run(loads: list[weeks.Load], **changes: Any) -> Result:
    calendar = changes.pop("calendar", None) or anytime()
    wanted = settings(targets={"requests": 80.0, "cpu": 0.6, "queue": 5.0}, caps={"maximum": 3})
    return replay(loads, calendar, wanted, service=queueing.service_time(), **changes)


def level(*rates: float) -> list[weeks.Load]:
    """An hour of each rate."""
    return [
        weeks.Load(weeks.STEP * n, rates[int(n * weeks.STEP / 3600)], 0)
        for n in range(int(len(rates) * 3600 / weeks.STEP))
    ]


def test_the_figures_are_those_of_the_model() -> None:
    result = run(level(100, 100))
    assert result.fixed.p95 == pytest.approx(queueing.quantile(0.95, 100, queueing.service_time(), 3), rel=1e-3)
    assert result.fixed.hours == 6
    assert result.scaled.hours == pytest.approx(4, abs=0.1)  # 100 at 80 a replica: two
    assert result.saved == pytest.approx(1 / 3, abs=0.02)


def test_a_replica_serves_when_it_has_started() -> None:
    slow = run(level(10, 230, 230), start=120)
    fast = run(level(10, 230, 230), start=15)
    assert slow.scaled.hours == fast.scaled.hours
    assert slow.scaled.worst > 4 * fast.scaled.worst
    assert slow.scaled.late > fast.scaled.late >= slow.fixed.late


def test_a_goal_that_is_missed_is_called_missed() -> None:
    verdict = drawing.verdict("flood", run(level(230, 230)))
    assert "goal of 40% fewer replica-hours missed" in verdict
    late = drawing.verdict("cold", run(level(10, 480, 10), start=120))
    assert "NOT within the objective of 500 ms" in late
    assert "times that of the fixed number" in late


def test_the_drawings_hold_every_replay() -> None:
    zone = parse(school()).zone
    results = {"day <1>": run(level(*[20] * 8, *[150] * 8)), "other": run(level(1, 1))}
    text = drawing.text(results, zone, queueing.service_time())
    assert "Thu 1970-01-01 .1111111122222222" in text
    picture = ElementTree.fromstring(drawing.svg(results, zone))
    assert len(picture.findall(".//{http://www.w3.org/2000/svg}polyline")) == 8
    assert "href" not in ElementTree.tostring(picture, encoding="unicode")


def test_two_school_days_and_a_sunday_save_what_s97_claims() -> None:
    """40 % fewer replica-hours at a p95 within a tenth of that of three replicas (S97)."""
    calendar = parse(school())
    week = list(weeks.made("school", MONDAY, calendar.zone, 600))
    days = [load for load in week if load.at < week[0].at + 2 * weeks.DAY or load.at >= week[-1].at - weeks.DAY]
    result = run(days, calendar=calendar)
    assert result.saved >= drawing.GOAL
    assert result.scaled.p95 <= result.fixed.p95 * (1 + drawing.EQUAL)
    assert result.scaled.turns <= 2
