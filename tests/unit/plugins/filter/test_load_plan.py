# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.firstbell.stack.plugins.filter.load_plan import load_plan


def test_the_door_plans_one_measurement_or_a_search() -> None:
    once = load_plan({"profile": "academy", "seconds": "60", "warm": 5, "users": "", "scans": "", "rates": {}})
    assert once["load"]["rates"]["scan"] == 50.0
    assert once["users"] == once["load"]["users"] == 1000
    assert once["students"] >= 65 * 50
    wish = {"profile": "academy", "mode": "capacity", "seconds": 60, "warm": 5, "users": 500, "most_users": 4000}
    search = load_plan(wish)
    assert search["load"]["users"] == 500
    assert search["users"] == 4000
    assert search["most_seconds"] > once["most_seconds"]


@pytest.mark.parametrize(
    "wish", [{}, {"profile": "academy", "seconds": "soon", "warm": 5}, {"profile": "?", "seconds": 60, "warm": 5}]
)
def test_the_door_refuses_what_cannot_be_meant(wish: dict[str, object]) -> None:
    with pytest.raises(AnsibleFilterError):
        load_plan(wish)
