# SPDX-License-Identifier: GPL-3.0-or-later
"""Of the database's roles, what they hold instead of the inventory's passwords."""

from __future__ import annotations

from typing import Any

from ansible_collections.firstbell.stack.plugins.module_utils._core.scram import role_verifier
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist.data import _acl, compare_passwords

EXPECTED = {"owner_role": "school_owner", "app_role": "school_app", "monitoring_role": "school_monitoring"}
SECRETS = {"database_owner_password": "one" * 12, "database_app_password": "two" * 12}


def roles(**verifiers: str | None) -> list[dict[str, Any]]:
    return [{"name": name, "verifier": verifier} for name, verifier in verifiers.items()]


def test_a_role_has_the_password_of_the_inventory_or_not() -> None:
    found = compare_passwords(
        roles(
            school_owner=role_verifier("one" * 12, "school_owner", "school"),
            school_app=role_verifier("password", "school_app", "school"),
            school_monitoring="of nobody knows what",
            postgres=None,
        ),
        "school",
        EXPECTED,
        SECRETS,
    )
    assert {one["name"]: one["own_password"] for one in found} == {
        "school_owner": True,
        "school_app": False,
        "school_monitoring": True,
        "postgres": True,
    }


def test_verifiers_are_not_passed_on() -> None:
    assert [list(one) for one in compare_passwords(roles(school_app="x"), "school", EXPECTED, SECRETS)] == [
        ["name", "own_password", "once"]
    ]


def test_a_role_is_known_by_its_verifier_under_another_name() -> None:
    verifier = role_verifier("one" * 12, "school_owner", "school")
    found = compare_passwords(roles(x=verifier, school_app="x", postgres=None), "school", EXPECTED, SECRETS)
    assert [one["once"] for one in found] == ["school_owner", "", ""]


def test_passwords_of_the_cache_are_counted_and_not_passed_on() -> None:
    told = "user app on sanitize-payload #1f #2e ~* +@all\nuser default off nopass\nuser\n\n"
    assert _acl(told) == {
        "app": ["on", "sanitize-payload", "~*", "+@all", "passwords=2"],
        "default": ["off", "nopass"],
    }
