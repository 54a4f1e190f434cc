# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.load.wishes import (
    CROWDS,
    Load,
    load_of,
    plan_of,
    scaled,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.profiles import PROFILES


def test_every_profile_has_a_load() -> None:
    assert set(CROWDS) == set(PROFILES)


@pytest.mark.parametrize(
    ("profile", "users", "scans", "reads", "pages"),
    [
        ("small", 300, 15.0, 1.0, 30.0),
        ("medium", 1000, 50.0, 3.3333, 100.0),
        ("large", 2000, 100.0, 6.6667, 200.0),
        ("academy", 1000, 50.0, 3.3333, 100.0),
        ("stories", 100, 0.0, 3.3333, 10.0),
    ],
)
def test_the_load_of_a_profile(profile: str, users: int, scans: float, reads: float, pages: float) -> None:
    load = load_of(profile, 60)
    assert load.users == users
    assert load.rates.get("scan", 0.0) == scans
    assert load.rates["read_book"] == reads
    assert load.rates["dashboard"] == pages
    assert load.rates["morning_peak"] * 600 == pytest.approx(users, rel=0.001)


def test_what_is_given_replaces_the_profile() -> None:
    load = load_of("academy", 60, users="500", scans=75, rates={"dashboard": 0, "my_page": "2.5"})
    assert load.users == 500
    assert load.rates["scan"] == 75
    assert load.rates["my_page"] == 2.5
    assert "dashboard" not in load.rates
    assert load.rates["login_page"] == pytest.approx(500 / 300, rel=0.001)
    assert load.students >= 75 * 60


def test_fewer_users_scan_less() -> None:
    assert load_of("academy", 60, users=100).rates["scan"] == 5.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"profile": "huge"}, "profile"),
        ({"users": 0}, "load_test_users"),
        ({"users": 2.5}, "whole number"),
        ({"users": "many"}, "load_test_users"),
        ({"users": 10**6}, "load_test_users"),
        ({"scans": -1}, "load_test_scans_per_second"),
        ({"rates": {"mine": "nan"}}, "load_test_rates.mine"),
        ({"rates": {"mine": 4999, "yours": 4999}}, "at most 5000"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_of(**{"profile": "academy", "seconds": 60.0, **arguments})  # type: ignore[arg-type]


def test_a_load_scales_as_a_whole() -> None:
    load = scaled(Load(100, {"scan": 5.0, "dashboard": 10.0}, 10), 250, 20)
    assert load.rates == {"scan": 12.5, "dashboard": 25.0}
    assert load.students >= 12.5 * 20


def test_a_plan_is_bounded() -> None:
    load = load_of("academy", 65)
    once, search = plan_of(load, 60, 5, 0, 1), plan_of(load, 60, 5, 10_000, 12)
    assert once.users == 1000
    assert once.most_seconds < once.open_seconds
    assert search.users == 10_000
    assert search.most_seconds <= 3600
    assert search.students <= 200_000


@pytest.mark.parametrize(("seconds", "most"), [(4, 0), (3601, 0), (60, 30_000)])
def test_a_plan_without_bounds_is_refused(seconds: float, most: int) -> None:
    with pytest.raises(InputError):
        plan_of(load_of("small", 60), seconds, 5, most, 12)
