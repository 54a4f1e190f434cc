# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/hardening.md name checks that exist, and every check that names an item is in its row."""

from __future__ import annotations

import re

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS

from repo.conftest import ROOT

TEXT = (ROOT / "docs" / "hardening.md").read_text(encoding="utf-8")
DOCKER, _, POSTGRES = TEXT.partition("\n## Docker\n")[2].partition("\n## PostgreSQL\n")
CELLS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if re.match(r"\| (?:[0-9]|no number)", line)]
STATES = ("asserted by `", "built in ", "not applicable: ", "exception: ")
IDS = {one.id for one in CHECKS}
NUMBERS = [
    (one.id, number)
    for one in CHECKS
    for listed in re.findall(r"CIS Docker ([0-9., ]+)", one.target)
    for number in listed.replace(" ", "").split(",")
]


def test_there_are_rows_of_both_benchmarks() -> None:
    assert DOCKER.count("\n| ") > 80
    assert POSTGRES.count("\n| ") > 40
    assert len(NUMBERS) > 8


@pytest.mark.parametrize("cells", CELLS, ids=lambda cells: " ".join(cells[:2]))
def test_a_row_says_how_it_stands_by_checks_and_places_that_exist(cells: list[str]) -> None:
    _item, _asked, here = cells
    assert here.startswith(STATES)
    set_as_code = re.findall(r"`([^`]+)`", here)
    assert {word for word in set_as_code if re.fullmatch(r"[a-z]+(?:-[a-z]+)*", word)} <= IDS
    for place in (word for word in set_as_code if re.match(r"(?:roles|images)/", word)):
        assert (ROOT / place).exists(), f"{place} does not exist"
    if "asserted by" in here.replace("not asserted", ""):
        assert set(set_as_code) & IDS


@pytest.mark.parametrize(("check", "number"), NUMBERS)
def test_a_check_that_names_an_item_is_in_its_row(check: str, number: str) -> None:
    rows = [here for item, _asked, here in CELLS if number in item.split(", ")]
    assert len(rows) == 1, f"{number} has no row of its own"
    assert f"`{check}`" in rows[0]
