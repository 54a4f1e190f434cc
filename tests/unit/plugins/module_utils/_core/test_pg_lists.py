# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of names in settings."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.pg_lists import LISTS, join_list, split_list
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "text", "items"),
    [
        ("search_path", "", ()),
        ("search_path", "  ", ()),
        ("search_path", "public", ("public",)),
        ("search_path", ' "$user" ,Public', ("$user", "public")),
        ("search_path", '"My ""own"", schema"', ('My "own", schema',)),
        ("shared_preload_libraries", "$libdir/Timescale, a", ("$libdir/Timescale", "a")),
        ("shared_preload_libraries", '"a"', ("a",)),
        ("listen_addresses", "10.0.0.1, ::1,*", ("10.0.0.1", "::1", "*")),
        ("Log_Destination", "STDERR, csvlog", ("stderr", "csvlog")),
    ],
)
def test_split(name: str, text: str, items: tuple[str, ...]) -> None:
    assert split_list(name, text) == items


@pytest.mark.parametrize("text", [",", "a,", ",a", "a,,b", '"a', 'a"b"', '"a" b'])
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(InputError, match="is no list of names"):
        split_list("search_path", text)


NAMES = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1).filter(
    lambda name: name.strip() != ""
)


@settings(deadline=None)
@given(st.sampled_from(sorted(LISTS)), st.lists(NAMES))
def test_a_list_comes_back(name: str, items: list[str]) -> None:
    found = split_list(name, join_list(name, items))
    exact = name in ("search_path", "temp_tablespaces")
    assert list(found) == items or (not exact and [item.lower() for item in items] == [item.lower() for item in found])
