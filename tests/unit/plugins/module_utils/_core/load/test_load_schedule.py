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


def test_arrivals_of_a_scenario_keep_their_distance() -> None:
    moments = [moment for moment, name in arrivals({"scan": 50.0, "page": 7.0}, 10) if name == "scan"]
    assert [b - a for a, b in zip(moments, moments[1:])] == pytest.approx([0.02] * (len(moments) - 1))


def test_scenarios_of_one_rate_do_not_come_together() -> None:
    moments = [moment for moment, _name in arrivals({"a": 2.0, "b": 2.0}, 10)]
    assert min(b - a for a, b in zip(moments, moments[1:])) > 0.2


def test_a_rate_of_nothing_never_arrives() -> None:
    assert list(arrivals({"a": 0.0}, 10)) == []


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_are_values_that_were_seen(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_nothing_has_no_percentile() -> None:
    assert set(spread([]).values()) == {0.0}
