# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which week of a calendar is replayed as what."""

from __future__ import annotations

import datetime
import re

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler import config, report, weeks
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.calendar import parse
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.simulation import replay

from unit.errors import error_of
from unit.school import BANDS, school

DATA = {
    "simulated": True,
    "calendar": school(bands=[*BANDS[1:], {**BANDS[0], "maximum": 3}]),
    "caps": {"autoscaler_maximum": 3},
    "triggers": {"cpu": 0.6},
    "queries": {"cpu": "x"},
}
RECORDED = "time,requests\n2027-03-01T07:00:00Z,10\n2027-03-01T08:00:00Z,300\n2027-03-01T09:00:00Z,10\n"


@pytest.mark.parametrize(
    ("kind", "expected"), [("school", (2027, 3, 1)), ("exam", (2027, 5, 10)), ("summer", (2027, 7, 5))]
)
def test_a_week_is_looked_for_in_the_calendar(kind: str, expected: tuple[int, int, int]) -> None:
    assert report.monday(parse(school()), kind, datetime.date(2027, 2, 24)) == datetime.date(*expected)


def test_a_recorded_course_is_replayed() -> None:
    text, picture = report.simulate(
        config.parse(DATA), first=datetime.date(2027, 3, 1), course=RECORDED, course_name="peak.csv"
    )
    assert "Mon 2027-03-01 ........233....." in text
    assert "recorded: goal of" in picture


def test_a_year_has_each_kind_of_week_as_often_as_the_calendar() -> None:
    days = parse(school())
    levels = [weeks.Load(weeks.STEP * n, 10, 10) for n in range(240)]
    result = replay(levels, days, config.parse(DATA).settings, service=0.006)
    said = report._year(days, datetime.date(2027, 1, 1), dict.fromkeys(weeks.KINDS, result))
    # The season of every year has whole weeks of exams and of summer; the rest is school.
    counts = [int(word) for word in re.findall(r"(\d+) (?:school|exam|summer)", said)]
    assert sum(counts) == 52
    assert min(counts) >= 1
    assert f"{result.saved:.0%} saved" in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": 0}, "users: 0 is out of range"),
        ({"fixed": 0}, "fixed: 0 is out of range; write a number of replicas"),
    ],
)
def test_figures_that_cannot_be_meant_are_refused(changes: dict[str, int], message: str) -> None:
    day = datetime.date(2027, 3, 1)
    assert message in str(error_of(lambda: report.simulate(config.parse(DATA), first=day, **changes)))  # type: ignore[arg-type]
