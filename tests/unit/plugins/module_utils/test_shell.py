# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.firstbell.stack.plugins.module_utils._shell import without_secrets

SPEC: dict[str, Any] = {
    "name": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "login": {"type": "dict", "options": {"user": {}, "token": {"no_log": True}}},
    "secrets": {"type": "list", "elements": "dict", "options": {"name": {}, "value": {"no_log": True}}},
}


def test_secrets_at_any_depth_are_replaced_and_nothing_else() -> None:
    params = {
        "name": "app",
        "password": "hunter2",
        "login": {"user": "anna", "token": "t0ken"},
        "secrets": [{"name": "env", "value": 'A="x"\nB="y"\n'}, {"name": "none", "value": None}],
        "unknown": [1, 2],
    }
    hidden = "NOT_LOGGING_PARAMETER"
    assert without_secrets(params, SPEC) == {
        "name": "app",
        "password": hidden,
        "login": {"user": "anna", "token": hidden},
        "secrets": [{"name": "env", "value": hidden}, {"name": "none", "value": None}],
        "unknown": [1, 2],
    }
    assert params["password"] == "hunter2", "the module itself still needs the value"
