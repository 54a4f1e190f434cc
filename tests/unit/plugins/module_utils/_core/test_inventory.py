# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else removed or changed is missed, and what a command of ours did is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.inventory import after_work, damage

KNOWN = {"a": [1, 10], "b": [2, 10]}


@pytest.mark.parametrize(
    ("present", "said"),
    [
        (KNOWN, ""),
        ({**KNOWN, "c": [3, 30]}, ""),
        ({"a": [1, 10]}, "b is gone"),
        ({"a": [1, 10], "b": [2, 11]}, "b is changed"),
        ({"a": [0, 10]}, "b is gone, and a is changed"),
        ({"a": [1, 11], "b": [2, 11]}, "a, b are changed"),
    ],
)
def test_damage_is_named(present: dict[str, Any], said: str) -> None:
    assert damage(KNOWN, present) == said


def test_of_many_files_a_few_are_named() -> None:
    assert damage({name: [1, 1] for name in "abcde"}, {}) == "a, b, c and 2 more are gone"


@pytest.mark.parametrize(
    ("before", "after", "known"),
    [
        # added and removed by the command
        (KNOWN, {"b": [2, 10], "c": [3, 30]}, {"b": [2, 10], "c": [3, 30]}),
        # lost before
        ({"b": [2, 10]}, {"b": [2, 10]}, KNOWN),
        # changed before
        ({**KNOWN, "a": [1, 11]}, {**KNOWN, "a": [1, 11]}, KNOWN),
    ],
)
def test_only_what_the_command_did_is_forgotten(before: Any, after: Any, known: Any) -> None:
    assert after_work(KNOWN, before, after) == known
