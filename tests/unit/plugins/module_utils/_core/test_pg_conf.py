# SPDX-License-Identifier: GPL-3.0-or-later
"""The managed configuration file."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import pg_conf
from hypothesis import given, settings
from hypothesis import strategies as st


def test_render() -> None:
    text = pg_conf.render({"work_mem": "8MB", "cluster_name": "it's \\ here"})
    assert text == f"{pg_conf.HEADER}\ncluster_name = 'it''s \\\\ here'\nwork_mem = '8MB'\n"
    assert pg_conf.is_managed(text)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("work_mem = 8MB", {"work_mem": "8MB"}),
        ("work_mem 8MB # so", {"work_mem": "8MB"}),
        ("  Work_Mem='8MB'#so", {"work_mem": "8MB"}),
        ("a.b = 'x''y\\'z\\\\ \\101 \\n'", {"a.b": "x'y'z\\ A \n"}),
        ("# work_mem = 8MB", {}),
        ("include 'other.conf'", {"include": "other.conf"}),
        ("work_mem", {}),
        ("work_mem = 'open", {}),
        ("work_mem = 1 2", {}),
    ],
)
def test_read(line: str, found: dict[str, str]) -> None:
    assert pg_conf.read(f"{line}\n") == found


def test_the_last_line_counts() -> None:
    assert pg_conf.read("a = 1\nA = 2\n") == {"a": "2"}


@pytest.mark.parametrize(
    ("text", "managed"), [(None, True), ("", True), (" \n", True), ("work_mem = 1\n", False), ("# x\n", False)]
)
def test_whose_file_it_is(text: str | None, managed: bool) -> None:
    assert pg_conf.is_managed(text) is managed


VALUES = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]))


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,20}(\.[a-z_]{1,9})?", fullmatch=True), VALUES))
def test_what_is_written_is_read(wanted: dict[str, str]) -> None:
    assert pg_conf.read(pg_conf.render(wanted)) == wanted
