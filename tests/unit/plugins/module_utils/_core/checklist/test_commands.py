# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the controller in the report."""

from __future__ import annotations

import re

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.commands import Controller


@pytest.mark.parametrize(
    ("inventories", "text", "expected"),
    [
        (["inventories/mine"], "there: make site", "there: make site INVENTORY=inventories/mine"),
        (["inventories/mine"], "make verify ONLY=S31.", "make verify INVENTORY=inventories/mine ONLY=S31."),
        (
            ["inventories/mine"],
            "make drill ARGS='--tags alerts', then make check",
            "make drill INVENTORY=inventories/mine ARGS='--tags alerts', then make check INVENTORY=inventories/mine",
        ),
        (["a", "b"], "make check", 'make check INVENTORY="a -i b"'),
        (["inventories/sandbox"], "make site ARGS='-e x=y'", "make site ARGS='-e x=y'"),
        ([], "make site", "make site"),
        (["mine"], "make sites, make it, remake site", "make sites, make it, remake site"),
    ],
)
def test_with_the_makefile_the_inventory_is_named(inventories: list[str], text: str, expected: str) -> None:
    assert Controller(inventories, has_makefile=True).typed(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("make site; then", "ansible-playbook -i mine firstbell.stack.site; then"),
        ("make check", "ansible-playbook -i mine firstbell.stack.site --check --diff"),
        ("make site ARGS='-e x=y'", "ansible-playbook -i mine firstbell.stack.site -e x=y"),
        ("make verify ONLY=S31,S32", "ansible-playbook -i mine firstbell.stack.verify -e verify_only=S31,S32"),
    ],
)
def test_without_it_the_playbook_of_the_collection_is(text: str, expected: str) -> None:
    assert Controller(["mine"], has_makefile=False).typed(text) == expected


def test_no_check_names_a_playbook_in_another_way() -> None:
    assert [one.id for one in CHECKS if re.search(r"ansible-playbook|firstbell\.stack\.", one.fix)] == []
