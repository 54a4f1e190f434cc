# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Days, seasons and edges of bands, on every day of a year and in zones whose clocks jump oddly."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.calendar import calendar_findings, parse
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.clock import wall
from hypothesis import given
from hypothesis import strategies as st

from unit.errors import error_of
from unit.school import ALWAYS, BANDS, school

#: Summer time north and south, at midnight (no 00:30 on one day, two on another), by half an
#: hour, before 08:00 by two hours, none at all, and far from Greenwich.
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
]


def moment(zone: str, *parts: int, fold: int = 0) -> float:
    return datetime.datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).timestamp()  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ((2027, 3, 1, 7, 59), ("night", 1, 2)),
        ((2027, 3, 1, 8, 0), ("school", 2, 4)),
        ((2027, 3, 1, 18, 0), ("evening", 1, 4)),
        ((2027, 3, 1, 22, 0), ("night", 1, 2)),
        ((2027, 3, 2, 0, 0), ("night", 1, 2)),
        ((2027, 3, 6, 12, 0), ("school", 1, 2)),  # a Saturday
        ((2027, 5, 10, 12, 0), ("school", 3, 6)),  # exams
        ((2027, 5, 15, 12, 0), ("school", 1, 3)),  # a Saturday in exams: 1.5 x 0.5
        ((2027, 5, 10, 23, 0), ("night", 2, 3)),
        ((2027, 7, 1, 12, 0), ("school", 1, 2)),  # summer
        ((2027, 6, 30, 12, 0), ("school", 2, 4)),
        ((2026, 12, 25, 12, 0), ("school", 1, 2)),  # a single day
    ],
)
def test_a_moment_has_its_band_and_factor(when: tuple[int, ...], expected: tuple[str, int, int]) -> None:
    window = parse(school()).at(moment("Europe/Berlin", *when))
    assert (window.band, window.minimum, window.maximum) == expected


def test_a_date_counts_instead_of_weekday_and_season() -> None:
    fair = {"name": "school fair", "date": "2027-07-10", "factor": 2}  # a Saturday in summer
    window = parse(school(dates=[fair])).at(moment("Europe/Berlin", 2027, 7, 10, 12, 0))
    assert (window.minimum, window.maximum) == (4, 8)
    assert "school fair x 2" in window.why


def test_a_season_may_go_over_new_year() -> None:
    calendar = parse(school(seasons=[{"name": "Christmas", "from": "12-22", "to": "01-06", "factor": 0.5}]))
    factors = {day: calendar.factor(datetime.date(*day))[0] for day in [(2026, 12, 21), (2026, 12, 31), (2027, 1, 6)]}
    assert list(factors.values()) == [1, 0.5, 0.5]


def test_the_29th_of_february_is_part_of_a_season() -> None:
    calendar = parse(school(seasons=[{"name": "carnival", "from": "02-25", "to": "02-29", "factor": 0.5}]))
    assert calendar.factor(datetime.date(2028, 2, 29))[0] == 0.5
    assert calendar.factor(datetime.date(2027, 3, 1))[0] == 1


@pytest.mark.parametrize("zone", ZONES)
def test_the_minimum_of_eight_o_clock_is_ordered_before_it_on_every_day_of_the_year(zone: str) -> None:
    calendar = parse({"timezone": zone, "bands": BANDS})
    for year in (2027, 2028):
        for number in range(366 if year == 2028 else 365):
            day = datetime.date(year, 1, 1) + datetime.timedelta(days=number)
            bell = moment(zone, day.year, day.month, day.day, 8)
            assert calendar.at(bell).minimum == 2
            assert calendar.ahead(bell - 180, 180).minimum == 2, day
            assert calendar.ahead(bell - 60, 60).minimum == 2, day
            assert calendar.ahead(bell - 241, 180).minimum == 1, day


@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 2 * 366 * 24 * 60),
    edge=st.integers(0, 24 * 60 - 1),
)
def test_the_clock_on_the_wall_never_goes_back(zone: str, minute: int, edge: int) -> None:
    """So that an edge in a doubled hour happens once, and one in an hour that is left out happens."""
    begin = moment(zone, 2027, 1, 1) + minute * 60
    where = ZoneInfo(zone)
    shown = [wall(begin + step * 300, where) for step in range(36)]
    assert shown == sorted(shown)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("edge", ["00:30", "02:30"])
def test_each_band_begins_once_a_day(zone: str, edge: str) -> None:
    bands = [
        {"name": "one", "from": edge, "minimum": 2, "maximum": 2},
        {"name": "other", "from": "13:00", "minimum": 1, "maximum": 1},
    ]
    calendar = parse({"timezone": zone, "bands": bands})
    begin = moment(zone, 2027, 1, 1, 13, 30)
    names = [calendar.at(begin + step * 600).band for step in range(365 * 144)]
    begun = sum(left != right and right == "one" for left, right in zip(names, names[1:]))
    assert begun == 365


def test_no_short_band_is_stepped_over() -> None:
    bands = [*ALWAYS, {"name": "bell", "from": "08:00", "minimum": 5, "maximum": 9}]
    bands.append({"name": "lessons", "from": "08:01", "minimum": 2, "maximum": 6})
    window = parse({"bands": bands}).ahead(moment("UTC", 2027, 3, 1, 7, 55), 600)
    assert (window.minimum, window.maximum) == (5, 9)


def band(**changes: Any) -> dict[str, Any]:
    return {"bands": [{"name": "day", "from": "08:00", "minimum": 1, "maximum": 2, **changes}]}


def season(**changes: Any) -> dict[str, Any]:
    return school(seasons=[{"name": "exams", "from": "05-10", "to": "06-04", "factor": 1.5, **changes}])


A_DAY = {"name": "a", "date": "12-25", "factor": 1}
RETAKE = {"name": "retake", "from": "2027-08-30", "to": "2027-09-03", "factor": 2}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "bands: None is no list"),
        ({"bands": []}, "bands: there is none; write one such as {name: all day"),
        ({"bands": ["08:00"]}, "has no entries; write name, from, minimum, maximum"),
        (band(**{"from": "8 Uhr"}), "bands.day.from: '8 Uhr' is no time of day; write it in quotes, like \"08:00\""),
        (band(**{"from": "24:00"}), "no time of day"),
        (band(minimum=0), "bands.day.minimum: 0 is no number of replicas; write a whole number from 1"),
        (band(minimum=True), "no number of replicas"),
        (band(maximum="3"), "no number of replicas"),
        (band(minimum=3), "minimum 3 is more than maximum 2; swap or change them"),
        (band(minimun=3), "nothing is called 'minimun'; did you mean minimum?"),
        ({"bands": [{"name": "day", "from": "08:00", "minimum": 1}]}, "bands.day: maximum is missing"),
        ({"bands": [*ALWAYS, *ALWAYS]}, "two bands are called 'always'"),
        ({"bands": [*ALWAYS, {**ALWAYS[0], "name": "b"}]}, "always and b both begin at 00:00; change one of them"),
        (school(timezone="Europe/Berlni"), "is no time zone of this host; did you mean Europe/Berlin?"),
        (school(timezone="../../etc/passwd"), "is no time zone"),
        (school(weekdays={"sonday": 0.5}), "weekdays: nothing is called 'sonday'; did you mean sunday?"),
        (school(weekdays={"sunday": 0}), "weekdays.sunday: 0 is no factor; write a number above 0"),
        (season(factor=float("nan")), "seasons.exams.factor: nan is no factor"),
        (season(factor=150), "no factor"),
        (season(**{"from": "31.05."}), "seasons.exams.from: '31.05.' is no date; write it like \"2027-05-10\""),
        (season(**{"from": "02-30"}), "there is no '02-30'"),
        (season(**{"from": "2027-02-29", "to": "2027-03-01"}), "there is no '2027-02-29'"),
        (season(**{"from": "2027-05-10"}), "write the year at both ends, or at neither"),
        (season(**{"from": "2027-07-10", "to": "2027-06-04"}), "ends on 2027-06-04 before it begins on 2027-07-10"),
        (
            school(dates=[A_DAY, {**A_DAY, "name": "b", "date": "2026-12-25"}]),
            "a and b both hold 2026-12-25; leave one",
        ),
        (school(seasons=[*school()["seasons"], RETAKE]), "summer and retake both hold 2027-08-30; let one end before"),
        (school(holidays=[]), "nothing is called 'holidays'"),
    ],
)
def test_a_calendar_that_cannot_be_meant_is_refused_with_its_place_and_fix(data: object, message: str) -> None:
    assert message in str(error_of(parse, data))


def test_a_users_calendar_is_judged_before_there_is_a_plan() -> None:
    assert calendar_findings({"firstbell_domain": "school.example"}) == []
    assert calendar_findings({"autoscaler_seasons": school()["seasons"]}) == []
    (finding,) = calendar_findings({"autoscaler_weekdays": {"sunday": 0}})
    assert finding.name == "autoscaler_weekdays.sunday"
    assert "0 is no factor" in finding.problem


def test_a_time_that_yaml_has_read_as_minutes_is_that_time() -> None:
    assert parse(band(**{"from": 1080})).bands[0].start == 18 * 60
