# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.load.capacity import (
    STEPS,
    Tried,
    broken,
    carried,
    next_users,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def search(knee: int, first: int, most: int) -> list[Tried]:
    tried: list[Tried] = []
    while (users := next_users(tried, first, most)) is not None:
        tried.append(Tried(users, users <= knee))
    return tried


@settings(deadline=None)
@given(st.integers(30, 4000), st.integers(20, 1500))
def test_the_knee_is_found(knee: int, first: int) -> None:
    tried = search(knee, first, 20_000)
    assert len(tried) <= STEPS
    if len(tried) < STEPS:
        low, high = carried(tried), broken(tried)
        assert high is not None
        assert low <= knee < high
        assert high - low <= max(10, 0.1 * low) or low == 0


@pytest.mark.parametrize(
    ("knee", "first", "most", "expected"),
    [(10_000, 100, 500, 500), (0, 100, 500, 0), (500, 100, 500, 500), (105, 100, 500, 100)],
)
def test_the_ends_of_a_search(knee: int, first: int, most: int, expected: int) -> None:
    tried = search(knee, first, most)
    assert carried(tried) == expected
    assert all(one.users <= most for one in tried)


def test_a_number_above_one_that_did_not_hold_is_not_believed() -> None:
    assert carried([Tried(100, True), Tried(150, False), Tried(200, True)]) == 100
