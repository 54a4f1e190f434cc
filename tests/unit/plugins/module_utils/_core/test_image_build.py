# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions of a host that makes images."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import image_build
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.image_build import CacheEntry, Request

DEBIAN = Request("debian", "firstbell/debian:d", wanted=False, suite="trixie")
NODE = Request("node", "firstbell/node:n", "firstbell/debian:d", wanted=False)
REDIS = Request("redis", "firstbell/redis:r", "firstbell/debian:d")
APP = Request("app-x", "firstbell/app-x:a", "firstbell/node:n")
ALL = [DEBIAN, NODE, REDIS, APP]
D, N, R, A = (request.reference for request in ALL)
DAY = 86400.0


@pytest.mark.parametrize(
    ("present", "cached", "decisions"),
    [
        ((), (), {D: "build", R: "build", N: "build", A: "build"}),
        ((R, A), (), {R: "present", A: "present"}),
        ((), (R, A, D), {R: "load", A: "load"}),
        ((R,), (D,), {R: "present", D: "load", N: "build", A: "build"}),
        ((D, R), (N,), {R: "present", N: "load", A: "build"}),
        ((R, D, N), (D, N), {R: "present", N: "present", A: "build"}),
    ],
)
def test_a_base_is_only_made_where_something_is_built_on_it(
    present: tuple[str, ...], cached: tuple[str, ...], decisions: dict[str, str]
) -> None:
    assert image_build.decide(ALL, present, cached) == decisions


def test_bases_come_before_what_is_built_on_them() -> None:
    assert list(image_build.decide([APP, NODE, DEBIAN], (), ())) == [D, N, A]


def test_a_base_nobody_described_is_an_error() -> None:
    with pytest.raises(InputError, match="firstbell/node:n is needed"):
        image_build.decide([APP], (), ())


def test_requests_come_as_dictionaries() -> None:
    (request,) = image_build.parse_requests(
        [{"name": "debian", "reference": D, "wanted": False, "suite": "trixie", "packages": ["passwd"]}]
    )
    assert request.packages == ("passwd",)
    assert request.file_name == "debian-d.tar"


def test_the_cache_loses_what_is_old_then_what_is_too_much() -> None:
    entries = [
        CacheEntry("new", 4, 1 * DAY),
        CacheEntry("older", 4, 2 * DAY),
        CacheEntry("oldest", 1, 3 * DAY),
        CacheEntry("ancient", 1, 99 * DAY),
        CacheEntry("needed", 5, 98 * DAY),
        CacheEntry(".new.tar.1", 50, 10.0),
        CacheEntry(".old.tar.1", 50, DAY),
    ]
    gone = image_build.expired(entries, 90 * DAY, 10, {"needed"})
    assert sorted(gone) == [".old.tar.1", "ancient", "older"]
    assert image_build.expired(entries[:3], 90 * DAY, 100) == []


def test_the_end_of_a_log_shows_no_secret() -> None:
    lines = [f"line {number}" for number in range(100)]
    lines[-2] = "token=hunter2hunter2 from https://me:pass@registry.test/x"
    text = image_build.last_lines("\n".join(lines) + "\n\n", ["hunter2", "hunter2hunter2"])
    assert text.splitlines()[0] == "line 60"
    assert text.splitlines()[-2] == "token=******** from https://********@registry.test/x"
