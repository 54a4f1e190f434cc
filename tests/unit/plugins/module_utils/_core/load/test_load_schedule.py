# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.load.schedule import (
    arrivals,
    percentile,
    planned,
    spread,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0.1, 200), min_size=1),
    st.floats(1, 30),
)
def test_as_many_arrive_as_were_planned_in_order(rates: dict[str, float], seconds: float) -> None:
    moments = list(arrivals(rates, seconds))
    assert moments == sorted(moments)
    assert all(0 <= moment < seconds for moment, _name in moments)
    for name, count in planned(rates, seconds).items():
        assert abs(count - rates[name] * seconds) <= 1


def test_each_distance_has_one_arrival() -> None:
    moments = [moment for moment, name in arrivals({"scan": 50.0, "page": 7.0}, 10) if name == "scan"]
    assert [int(moment * 50) for moment in moments] == list(range(500))


@pytest.mark.parametrize(("one", "other"), [(10.0, 10.0), (20.0, 10.0), (10.0, 10 / 3)])
def test_scenarios_do_not_keep_step(one: float, other: float) -> None:
    """As often as chance has it, 5 ms behind one of the other: the share of time that is within 5 ms of one."""
    moments, behind, last = list(arrivals({"a": one, "b": other}, 600)), [], -1.0
    for moment, name in moments:
        if name == "b":
            behind.append(moment - last < 0.005)
        else:
            last = moment
    assert sum(behind) / len(behind) == pytest.approx(one * 0.005, rel=0.3)


def test_the_same_rates_arrive_at_the_same_moments() -> None:
    assert list(arrivals({"a": 3.0, "b": 5.0}, 10)) == list(arrivals({"b": 5.0, "a": 3.0}, 10))


def test_a_rate_of_nothing_never_arrives() -> None:
    assert list(arrivals({"a": 0.0}, 10)) == []


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_are_values_that_were_seen(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_nothing_has_no_percentile() -> None:
    assert set(spread([]).values()) == {0.0}
