# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of the requirements is checked on a running stack, or says why not."""

from __future__ import annotations

import re

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import ROWS

from repo.conftest import ROOT

TEXT = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
WHOLE, _, CHECKED = TEXT.partition("## What `verify` checks")
LINES = re.findall(r"^\| (S[0-9]+) \| (.+) \|$", CHECKED, re.MULTILINE)
SAID = dict(LINES)


def test_every_row_is_listed_once_in_both_tables() -> None:
    assert [row for row, _said in LINES] == list(ROWS)
    assert re.findall(r"^\| (S[0-9]+) \|", WHOLE, re.MULTILINE) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_its_checks_or_says_why_there_are_none(row: str) -> None:
    named = [one.id for one in CHECKS if row in one.rows]
    if named:
        assert re.findall(r"`([a-z-]+)`", SAID[row]) == named
    else:
        assert re.fullmatch(r"no: .{10,}", SAID[row])
