# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy by properties, and by traces of load."""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.calendar import parse
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.policy import (
    History,
    Order,
    Reading,
    State,
    decide,
)
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from unit.school import BANDS, anytime, play, school, settings

HOUR = 3600
ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True)
NAMES = ["sessions", "requests", "cpu", "p95", "queue"]


def requests(value: float) -> dict[str, float]:
    return {"requests": value}


@given(
    values=st.lists(st.dictionaries(st.sampled_from(NAMES), ANY_NUMBER), min_size=1, max_size=30),
    now=st.integers(1_700_000_000, 1_900_000_000),
    current=st.integers(0, 20),
    cap=st.integers(1, 8),
    fallback=st.none() | st.integers(1, 9),
)
@hypothesis_settings(deadline=None)
def test_never_none_and_never_more_than_the_caps(
    values: list[dict[str, float]], now: int, current: int, cap: int, fallback: int | None
) -> None:
    calendar, history = parse(school()), History()
    wanted = settings(
        targets={"sessions": 200.0, "requests": 50.0, "cpu": 0.6, "p95": 0.3, "queue": 5.0},
        caps={"autoscaler_maximum": cap, "the plan": 7},
        fallback=fallback,
    )
    for step, metrics in enumerate(values):
        at = now + 10 * step
        readings = {name: Reading(value, at) for name, value in metrics.items()}
        decision, history = decide(at, calendar, readings, State(current), history, settings=wanted)
        current = decision.replicas
        assert 1 <= decision.minimum <= current <= decision.maximum <= min(cap, 7)
        assert decision.reasons


@given(st.data())
@hypothesis_settings(deadline=None, max_examples=25)
def test_at_most_two_changes_of_direction_in_an_hour(data: st.DataObject) -> None:
    levels = data.draw(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 400)), min_size=2, max_size=25))
    course = [float(level) for steps, level in levels for _ in range(steps)]
    trace = play(lambda at: requests(course[int(at / 10)]), (len(course) - 1) * 10)
    assert trace.most_turns() <= 2


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Antarctica/Troll", "Africa/Cairo"])
def test_the_replicas_of_eight_o_clock_stand_a_minute_before_it_on_every_day_of_the_year(zone: str) -> None:
    """With replicas that take their two minutes to start; load is low, so only the calendar asks."""
    calendar = parse({"timezone": zone, "bands": BANDS})
    for number in range(365):
        day = datetime.date(2027, 1, 1) + datetime.timedelta(days=number)
        bell = datetime.datetime(day.year, day.month, day.day, 8, tzinfo=ZoneInfo(zone)).timestamp()
        trace = play(lambda _: requests(1.0), 400, begin=bell - 400, calendar=calendar)
        ordered = next(at for at, _ in trace.moves)
        assert ordered + 120 <= bell - 60, day
        assert ordered >= bell - 240, day


@pytest.mark.parametrize("season", [("school", 2), ("exams", 3), ("weekend", 1)])
def test_the_minimum_follows_the_season(season: tuple[str, int]) -> None:
    day = {"school": (2027, 3, 1), "exams": (2027, 5, 10), "weekend": (2027, 3, 6)}[season[0]]
    bell = datetime.datetime(*day, 8, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    trace = play(lambda _: requests(1.0), 600, begin=bell, calendar=parse(school()))
    assert trace.replicas[-1] == season[1]


def test_a_step_is_answered_at_once_and_left_after_the_window() -> None:
    trace = play(lambda at: requests(220.0 if 600 <= at < 1800 else 20.0), 3600)
    assert trace.moves == [(600, 1), (2100, -1)]
    assert trace.replicas[60] == 5
    assert "down to 1, the highest wish of the last 5 min" in trace.decisions[210].reasons


def test_a_spike_is_answered_and_kept_for_the_window() -> None:
    trace = play(lambda at: requests(150.0 if at == 600 else 40.0), 1800)
    assert trace.moves == [(600, 1), (910, -1)]


def test_a_sawtooth_does_not_pull_the_replicas_along() -> None:
    trace = play(lambda at: requests(20 + at % 1200 / 1200 * 230), 2 * HOUR)
    assert trace.most_turns() <= 2
    for at, decision in zip(trace.times, trace.decisions):
        assert decision.replicas * 50 * 1.1 >= 20 + at % 1200 / 1200 * 230


@pytest.mark.parametrize("level", [10, 48, 50, 52, 100, 104, 151, 249])
@pytest.mark.parametrize("replicas", [1, 4])
def test_noise_of_a_tenth_never_makes_it_turn(level: float, replicas: int) -> None:
    noise = random.Random(level)
    trace = play(lambda _: requests(level * noise.uniform(0.9, 1.1)), HOUR + 600, replicas=replicas)
    directions = {direction for _, direction in trace.moves}
    assert len(directions) <= 1
    assert len(trace.moves) <= 4


def test_the_tolerance_is_a_tenth() -> None:
    assert play(lambda _: requests(110.0), 10, replicas=2).replicas == [2, 2]
    assert play(lambda _: requests(110.2), 10, replicas=2).replicas == [3, 3]
    assert play(lambda _: requests(90.0), HOUR, replicas=2).replicas[-1] == 2
    assert play(lambda _: requests(89.0), HOUR, replicas=2).replicas[-1] == 2
    assert play(lambda _: requests(44.9), HOUR, replicas=2).replicas[-1] == 1


def test_the_largest_wish_wins() -> None:
    wanted = settings(targets={"sessions": 200.0, "requests": 50.0, "cpu": 0.6})
    trace = play(lambda _: {"sessions": 500.0, "requests": 80.0, "cpu": 2.9}, 0, wanted=wanted)
    assert (trace.replicas, trace.decisions[0].source) == ([5], "cpu")


def test_pressure_doubles_at_most_and_waits_for_what_was_started() -> None:
    wanted = settings(targets={"requests": 50.0, "p95": 0.3})
    trace = play(lambda _: {"requests": 40.0, "p95": 9.0}, 130, wanted=wanted)
    assert trace.moves == [(0, 1), (60, 1), (120, 1)]
    assert [trace.replicas[step] for step in (0, 6, 12)] == [2, 4, 6]


def test_pressure_below_its_target_says_nothing() -> None:
    wanted = settings(targets={"requests": 50.0, "queue": 5.0})
    trace = play(lambda _: {"requests": 140.0, "queue": 0.0}, HOUR, replicas=3, wanted=wanted)
    assert set(trace.replicas) == {3}


@pytest.mark.parametrize("lost", [{}, {"requests": math.nan}, {"requests": math.inf}, {"requests": -1.0}])
def test_without_metrics_it_holds_and_then_falls_back(lost: Mapping[str, float]) -> None:
    wanted = settings(fallback=4)
    trace = play(lambda at: lost if 600 <= at < 2400 else requests(90.0), 3600, replicas=2, wanted=wanted)
    assert set(trace.replicas[:89]) == {2}
    assert trace.decisions[70].source == "hold"
    assert trace.moves[0] == (900, 1)
    assert trace.replicas[92] == 4
    assert trace.decisions[92].source == "fallback"
    assert trace.moves[1] == (2700, -1)  # 300 s of real wishes after the metrics are back
    assert trace.replicas[-1] == 2


def test_the_fallback_is_the_bands_maximum_if_nothing_is_said() -> None:
    assert play(lambda _: {}, 600).replicas[-1] == 6


def test_a_metric_that_is_missing_beside_others_stops_scaling_down_only() -> None:
    wanted = settings(targets={"requests": 50.0, "cpu": 0.6})
    trace = play(lambda at: {"requests": 10.0 if at < HOUR else 200.0}, 2 * HOUR, replicas=3, wanted=wanted)
    assert trace.moves == [(HOUR, 1)]


def test_old_readings_and_those_of_the_future_count_as_none() -> None:
    for at in (39.0, 161.0, math.nan):
        metrics = {"requests": Reading(500.0, at)}
        decision, _ = decide(100.0, anytime(), metrics, State(2), History(), settings=settings())
        assert (decision.replicas, decision.source) == (2, "hold")


def test_nothing_goes_down_before_a_whole_window_was_watched() -> None:
    trace = play(lambda _: requests(1.0), 600, replicas=3)
    assert trace.moves == [(300, -1)]


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -86400, 86400])
def test_a_clock_that_is_set_begins_the_watch_anew(jump: int) -> None:
    """Neither is anything held for ever, nor is a gap taken for a time that was watched."""

    def clock(at: float) -> float:
        return at + (jump if at >= 1e9 + 600 else 0)

    trace = play(lambda at: requests(240.0 if at < 500 else 20.0), 3600, begin=1e9, clock=clock)
    assert [at - 1e9 for at, _ in trace.moves] == [0, 900]


@pytest.mark.parametrize("month", [3, 10])
def test_summer_time_begins_and_ends_without_a_flap(month: int) -> None:
    sunday = {3: datetime.date(2027, 3, 28), 10: datetime.date(2027, 10, 31)}[month]
    begin = datetime.datetime(sunday.year, sunday.month, sunday.day, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    bands = [*BANDS, {"name": "backups", "from": "02:30", "minimum": 3, "maximum": 4}]
    calendar = parse({"timezone": "Europe/Berlin", "bands": bands})
    trace = play(lambda _: requests(5.0), 5 * HOUR, begin=begin, calendar=calendar)
    assert [direction for _, direction in trace.moves] == [1]


def test_a_maximum_that_falls_waits_for_nobody() -> None:
    begin = datetime.datetime(2027, 3, 1, 21, 50, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    trace = play(lambda _: requests(195.0), 1200, begin=begin, calendar=parse(school()))
    assert trace.moves == [(begin, 1), (begin + 600, -1)]
    assert trace.replicas[-1] == 2


def test_the_second_change_of_direction_is_the_last_of_the_hour() -> None:
    busy = [(0, 600), (1200, 1300), (2400, 2500)]
    trace = play(lambda at: requests(200.0 if any(a <= at < b for a, b in busy) else 20.0), 4 * HOUR)
    assert trace.moves == [(0, 1), (900, -1), (1200, 1), (4800, -1)]
    kept = trace.decisions[200].reasons
    assert any(reason.startswith("kept at 4: the direction changed less than an hour ago") for reason in kept)


def test_a_pause_and_a_roll_out_change_nothing() -> None:
    for order, state in ((Order(paused=True), State(2)), (None, State(2, busy=True))):
        metrics = {"requests": Reading(500.0, 0)}
        decision, history = decide(0, anytime(), metrics, state, History(), settings=settings(), order=order)
        assert (decision.replicas, history.moves) == (2, ())
        assert decision.source in ("paused", "roll-out")


def test_a_person_decides_within_minimum_and_cap_for_a_while() -> None:
    calendar = parse(school())
    noon = datetime.datetime(2027, 3, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    for asked, got in ((1, 2), (3, 3), (9, 6)):
        order = Order(replicas=asked, until=noon + 60)
        metrics = {"requests": Reading(200.0, noon)}
        decision, _ = decide(noon, calendar, metrics, State(4), History(), settings=settings(), order=order)
        assert (decision.replicas, decision.source) == (got, "manual")
    after, _ = decide(noon + 60, calendar, metrics, State(4), History(), settings=settings(), order=order)
    assert after.source == "steady"


def test_a_service_that_somebody_set_to_none_gets_its_minimum() -> None:
    assert play(lambda _: requests(1.0), 0, replicas=0).replicas == [1]


def test_without_triggers_the_calendar_decides_alone() -> None:
    begin = datetime.datetime(2027, 3, 1, 7, 50, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    trace = play(lambda _: {}, 600, begin=begin, calendar=parse(school()), wanted=settings(targets={}))
    assert (trace.moves, trace.decisions[42].source) == ([(begin + 420, 1)], "calendar")
