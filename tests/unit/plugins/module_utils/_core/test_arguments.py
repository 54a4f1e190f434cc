# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.arguments import keywords
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError


def test_what_is_given_comes_back() -> None:
    assert keywords({"b": 2, "a": 1}, "url", ["a"], ["b", "c"]) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"host": "topsecret"}, "url: user is missing; it takes user, host"),
        ({"user": "topsecret", "hots": 1}, r"url: there is no 'hots'; did you mean host\?"),
        ({"user": "topsecret", "zzz": 1}, "url: there is no 'zzz'; it takes user, host"),
        ({5: "topsecret"}, "url: there is no 5"),
        ("topsecret", "url takes a dictionary with user, host"),
        (None, "url takes a dictionary"),
    ],
)
def test_what_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        keywords(value, "url", ["user"], ["host"])
    assert "topsecret" not in str(error.value)
