# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.units import (
    GB,
    KB,
    MAX_DURATION,
    MAX_SIZE,
    MB,
    TB,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.errors import error_of

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("1B", 1),
        ("1kB", KB),
        ("256MB", 256 * MB),
        ("4GB", 4 * GB),
        ("2TB", 2 * TB),
        ("128 MB", 128 * MB),
        ("512k", 512 * KB),
        ("3g", 3 * GB),
        ("3GiB", 3 * GB),
        ("1.5GB", 1536 * MB),
        ("3.8GB", 4080218931),
        (0, 0),
        (268435456, 268435456),
        (MAX_SIZE, MAX_SIZE),
    ],
)
def test_sizes_that_are_read(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8",
        "yes",
        "-1MB",
        -1,
        True,
        None,
        1.5,
        float("nan"),
        "8 GB ",
        " 8GB",
        "8  GB",
        "8GB\n",
        "٨GB",
        "8GBB",
        "8XB",
        "GB",
        "1e9MB",
        "1,5GB",
        "99999999TB",
        10**30,
        pytest.param(10**5000, id="an int too long to print"),
        ["4GB"],
    ],
)
def test_sizes_that_are_refused(text: object) -> None:
    with pytest.raises(InputError, match="memory: "):
        parse_size(text, "memory")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1, "1B"), (1536, "1536B"), (1536 * MB, "1536MB"), (GB, "1GB"), (TB, "1TB")]
)
def test_sizes_that_are_written(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize("size", [-1, True, "1MB", 1.0])
def test_what_is_no_size(size: object) -> None:
    with pytest.raises(InputError):
        format_size(size)  # type: ignore[arg-type]


@REPEATABLE
@given(st.integers(0, MAX_SIZE))
def test_a_written_size_is_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10.0),
        ("500ms", 0.5),
        ("1h30m", 5400.0),
        ("15min", 900.0),
        ("1d", 86400.0),
        ("1m30s", 90.0),
        ("250us", 0.00025),
        ("1.5s", 1.5),
        ("0s", 0.0),
        (10, 10.0),
        (0.25, 0.25),
    ],
)
def test_durations_that_are_read(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "s",
        "-1s",
        -1,
        "1s1h",
        "1s1s",
        "10 s",
        "10s ",
        "1y",
        True,
        None,
        float("inf"),
        float("nan"),
        10**400,
        [],
    ],
)
def test_durations_that_are_refused(text: object) -> None:
    with pytest.raises(InputError, match="timeout: "):
        parse_duration(text, "timeout")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (10, "10s"), (0.5, "500ms"), (5400, "1h30m"), (90, "1m30s"), (1.5, "1s500ms"), (86400, "24h")],
)
def test_durations_that_are_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize("seconds", [-1, True, "1s", float("nan"), MAX_DURATION * 2])
def test_what_is_no_duration(seconds: object) -> None:
    with pytest.raises(InputError):
        format_duration(seconds)  # type: ignore[arg-type]


@REPEATABLE
@given(st.integers(0, 10**15))
def test_a_written_duration_is_read_back(microseconds: int) -> None:
    assert round(parse_duration(format_duration(microseconds / 10**6)) * 10**6) == microseconds


@REPEATABLE
@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.binary(), st.lists(st.integers())))
def test_rubbish_raises_only_our_own_errors(value: object) -> None:
    for parse in (parse_size, parse_duration):
        assert "\n" not in str(error_of(parse, value))
