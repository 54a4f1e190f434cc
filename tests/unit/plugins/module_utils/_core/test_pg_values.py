# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as PostgreSQL's guc.c reads them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.pg_values import (
    Parameter,
    ValueRefusedError,
    parse,
    parse_given,
    range_of,
    shown_as,
)
from hypothesis import given, settings
from hypothesis import strategies as st

MOST = str(2**31 - 1)


def integer(unit: str = "", least: str = str(-(2**31)), most: str = MOST) -> Parameter:
    return Parameter("a", "0", "integer", unit, min_val=least, max_val=most)


def real(unit: str = "") -> Parameter:
    return Parameter("a", "0", "real", unit, min_val="-1", max_val="1.79769e+308")


KB, BLOCKS, MB, BYTES = integer("kB"), integer("8kB"), integer("MB"), integer("B")
SEGMENTS = integer("16MB")
MS, S, MIN = integer("ms"), integer("s"), integer("min")


@pytest.mark.parametrize(
    ("parameter", "text", "expected"),
    [
        (integer(), "42", 42),
        (integer(), " 42 ", 42),
        (integer(), "+42", 42),
        (integer(), "-42", -42),
        (integer(), "0x2A", 42),
        (integer(), "-0x2a", -42),
        (integer(), "052", 42),
        (integer(), "42.4", 42),
        # To the nearest even number, as C's rint.
        (integer(), "0.5", 0),
        (integer(), "1.5", 2),
        (integer(), "2.5", 2),
        (integer(), ".9", 1),
        (integer(), "4.2e1", 42),
        (integer(), "42e0", 42),
        (integer(), "0x1.8p1", 3),
        (BLOCKS, "256MB", 32768),
        (BLOCKS, "262144kB", 32768),
        (BLOCKS, "32768", 32768),
        (BLOCKS, "0.25GB", 32768),
        (BLOCKS, "16385kB", 2048),
        (BLOCKS, "12kB", 2),
        (BLOCKS, "4kB", 0),
        (SEGMENTS, "1GB", 64),
        (KB, "1.5MB", 1536),
        (KB, "512B", 0),
        (KB, "1535B", 1),
        (KB, "1536B", 2),
        # A fraction of a unit goes to the nearest multiple of the next smaller one first.
        (KB, "30.1GB", 31561728),
        (KB, "0.0001GB", 0),
        (MB, "1TB", 1048576),
        (BYTES, "1kB", 1024),
        (S, "1min", 60),
        (S, "1.5min", 90),
        (S, "1500ms", 2),
        (S, "500ms", 0),
        (S, "1d", 86400),
        (MS, "1s", 1000),
        (MS, "1500us", 2),
        (MIN, "1d", 1440),
        (MIN, "90s", 2),
        (MIN, "0.5h", 30),
        (MS, "2min ", 120000),
        (real(), "0.9", 0.9),
        (real(), "9e-1", 0.9),
        (real(), " -.5", -0.5),
        (real("ms"), "2ms", 2.0),
        (real("ms"), "1500us", 1.5),
        (real("ms"), "1s", 1000.0),
    ],
)
def test_numbers(parameter: Parameter, text: str, expected: float) -> None:
    found = parse(parameter, text)
    assert found == expected
    assert isinstance(found, int) == (parameter.vartype == "integer")


@pytest.mark.parametrize(
    ("parameter", "text", "reason"),
    [
        (integer(), "", "is no number"),
        (integer(), "a", "is no number"),
        (integer(), "4 2", "plain number"),
        (integer(), "42kB", "plain number"),
        (integer(), "08", "plain number"),
        (integer(), "0x", "plain number"),
        (integer(), "--4", "is no number"),
        (integer(), "nan", "is no number"),
        (integer(), "1e400", "is more than an integer holds"),
        (integer(), "2147483648", "is more than an integer holds"),
        (integer(), "99999999999999999999", "is more than an integer holds"),
        (KB, "4mb", "B, kB, MB, GB, TB"),
        (KB, "4 KB", "B, kB, MB, GB, TB"),
        (KB, "4MB4", "B, kB, MB, GB, TB"),
        (KB, "4s", "B, kB, MB, GB, TB"),
        (KB, "3TB", "is more than an integer holds"),
        (S, "1m", "us, ms, s, min, h, d"),
        (S, "1 hour", "us, ms, s, min, h, d"),
        (integer("kB", "64", MOST), "63", "64kB to 2147483647kB"),
        (real(), "-2", "out of range"),
        (real(), "x", "is no number"),
    ],
)
def test_numbers_that_it_refuses(parameter: Parameter, text: str, reason: str) -> None:
    with pytest.raises(ValueRefusedError, match=reason):
        parse(parameter, text)


@pytest.mark.parametrize("text", ["on", "ON", "true", "t", "tr", "yes", "y", "1"])
def test_true(text: str) -> None:
    assert parse(Parameter("a", "off", "bool"), text) is True


@pytest.mark.parametrize("text", ["off", "OFF", "of", "false", "f", "no", "n", "0"])
def test_false(text: str) -> None:
    assert parse(Parameter("a", "off", "bool"), text) is False


@pytest.mark.parametrize("text", ["", "o", "2", " on", "truely", "yess", "nope"])
def test_neither(text: str) -> None:
    with pytest.raises(ValueRefusedError, match="neither on nor off"):
        parse(Parameter("a", "off", "bool"), text)


@pytest.mark.parametrize(
    ("name", "values", "text", "expected"),
    [
        ("wal_level", ("minimal", "replica", "logical"), "hot_standby", "replica"),
        ("wal_level", ("minimal", "replica", "logical"), "Logical", "logical"),
        ("synchronous_commit", ("local", "remote_write", "remote_apply", "on", "off"), "true", "on"),
        ("synchronous_commit", ("local", "remote_write", "remote_apply", "on", "off"), "0", "off"),
        ("wal_compression", ("pglz", "lz4", "zstd", "on", "off"), "on", "pglz"),
        ("wal_compression", ("pglz", "lz4", "zstd", "on", "off"), "yes", "pglz"),
        ("log_min_messages", ("debug5", "debug2", "info", "fatal"), "debug", "debug2"),
        ("password_encryption", ("md5", "scram-sha-256"), "SCRAM-SHA-256", "scram-sha-256"),
    ],
)
def test_enums(name: str, values: tuple[str, ...], text: str, expected: str) -> None:
    assert parse(Parameter(name, "", "enum", enumvals=values), text) == expected


@pytest.mark.parametrize("text", ["", "true", "full", "repl"])
def test_enums_that_it_refuses(text: str) -> None:
    with pytest.raises(ValueRefusedError, match="none of minimal, replica"):
        parse(Parameter("wal_level", "", "enum", enumvals=("minimal", "replica")), text)


@pytest.mark.parametrize(
    ("parameter", "value", "text", "parsed"),
    [
        (Parameter("jit", "on", "bool"), False, "off", False),
        (KB, 8192, "8192", 8192),
        (real(), 1.1, "1.1", 1.1),
        (Parameter("search_path", ""), ["$user", "public"], '"$user", public', ("$user", "public")),
        (Parameter("shared_preload_libraries", ""), ["a", "b c"], 'a, "b c"', ("a", "b c")),
        (Parameter("log_destination", ""), "stderr,CSVLOG", "stderr,CSVLOG", ("stderr", "csvlog")),
        (Parameter("archive_command", ""), "cp %p /x, y", "cp %p /x, y", "cp %p /x, y"),
        (Parameter("plugin.names", ""), ["a", "b"], "a, b", "a, b"),
    ],
)
def test_what_a_user_gives(parameter: Parameter, value: Any, text: str, parsed: Any) -> None:
    assert parse_given(parameter, value) == (text, parsed)


@pytest.mark.parametrize("value", [None, {"a": 1}, "a\nb", "a\0b", float("nan"), ["a"], object()])
def test_what_a_user_may_not_give(value: Any) -> None:
    with pytest.raises(InputError):
        parse_given(Parameter("cluster_name", ""), value)


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (integer("8kB", "16", "1073741823"), "128kB to 8589934584kB"),
        (Parameter("a", "", "bool"), "on, off"),
        (Parameter("a", "", "enum", enumvals=("b", "c")), "b, c"),
        (Parameter("a", ""), ""),
    ],
)
def test_ranges(parameter: Parameter, expected: str) -> None:
    assert range_of(parameter) == expected


def test_a_fixed_setting_has_no_range() -> None:
    assert (
        parse(Parameter("block_size", "8192", "integer", context="internal", min_val="8192", max_val="8192"), "1") == 1
    )


UNITS = st.sampled_from(["", "B", "kB", "8kB", "16MB", "MB", "ms", "s", "min"])


@settings(deadline=None)
@given(UNITS, st.integers(-(2**31), 2**31 - 1))
def test_what_is_shown_is_the_same_value(unit: str, number: int) -> None:
    parameter = integer(unit)
    assert parse(parameter, shown_as(parameter, str(number))) == number


@settings(deadline=None)
@given(UNITS, st.integers(0, 10**6), st.sampled_from(["kB", "MB", "ms", "s", "min", "h", "d"]))
def test_a_text_is_read_the_same_as_what_is_shown_of_it(unit: str, number: int, given_unit: str) -> None:
    parameter = integer(unit)
    try:
        value = parse(parameter, f"{number}{given_unit}")
    except ValueRefusedError:
        return
    assert parse(parameter, shown_as(parameter, str(value))) == value


@settings(deadline=None)
@given(st.sampled_from(["bool", "integer", "real", "enum", "string"]), UNITS, st.text())
def test_any_text_is_a_value_or_is_refused(vartype: str, unit: str, text: str) -> None:
    parameter = Parameter("a", "", vartype, unit, enumvals=("on", "off"))
    try:
        first = parse(parameter, text)
    except ValueRefusedError:
        return
    assert parse(parameter, text) == first
