# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.firstbell.stack.plugins.module_utils._core.redact import redact, secret_values
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_failure import Failure


def test_secrets_of_a_file_are_its_longer_values() -> None:
    text = "//registry.test/:_authToken=abcdefgh\nA='quoted value'\nFLAG=true\n-----BEGIN\n"
    assert secret_values(text) == ["abcdefgh", "quoted value"]


def test_the_password_of_an_address_is_a_secret_of_its_own() -> None:
    assert secret_values('DATABASE_URL="postgresql://app:hunter2hunter2@pool:6432/app"') == [
        "postgresql://app:hunter2hunter2@pool:6432/app",
        "hunter2hunter2",
    ]


def test_values_and_passwords_in_addresses_are_hidden() -> None:
    assert redact("login with hunter2 at redis://app:other@redis", ["hunter2"]) == (
        "login with ******** at redis://********@redis"
    )


def test_a_failure_shows_nothing_that_a_crashing_container_printed() -> None:
    failure = Failure(
        "crash_looping",
        "web: its log:\n  env is topsecret",
        [{"id": "t1", "exit_code": 1, "error": "exit 1", "health_output": "bad key topsecret"}],
        ["env is topsecret"],
    )
    shown = failure.without(["topsecret"])
    assert "topsecret" not in repr(shown)
    assert shown.tasks[0]["exit_code"] == 1
    assert shown.reason == "crash_looping"
