# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.secrets import (
    KNOWN_BAD,
    REQUIRED,
    check_foreign_secrets,
    check_secrets,
    entropy_bits,
    generate,
    kind_of,
    missing_secrets,
    misspelt_secrets,
)
from hypothesis import given, settings
from hypothesis import strategies as st

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)
GOOD = "N8Kq3vXzR2mWp7LtYc5HdJf9GbS4aUeT"


def problem(value: object, name: str = "database_app_password") -> str | None:
    found = check_secrets({name: value})
    return found[0].problem if found else None


def test_a_password_needs_no_escaping() -> None:
    assert generate("password", lambda size: b"\xff" * size) == "_" * 42 + "8"
    assert len(generate("password")) == 43


def test_a_key_is_what_openssl_prints() -> None:
    assert base64.b64decode(generate("key")) != base64.b64decode(generate("key"))
    assert generate("key", lambda size: b"\0" * size) == "A" * 43 + "="


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(InputError, match="did you mean password"):
        generate("pasword")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("nextauth_secret", "key"), ("NEXTAUTH_SECRET", "key"), ("backup_cipher_key", "key"), ("x_password", "password")],
)
def test_kinds_follow_from_names(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize("value", sorted(KNOWN_BAD))
def test_known_secrets_are_refused(value: str) -> None:
    assert problem(value) == "is a default or a placeholder that everybody knows"
    assert problem(value.upper()) == "is a default or a placeholder that everybody knows"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("database_app_password", "", "is empty"),
        ("database_app_password", None, "has no value"),
        ("database_app_password", 12345, "is no text"),
        ("database_app_password", "x7-stories_password_123-x7Kq", "is a default or a placeholder that everybody knows"),
        ("database_app_password", GOOD[:19], "is shorter than 20 characters"),
        ("database_app_password", GOOD[:20], None),
        ("nextauth_secret", GOOD[:31], "is shorter than 32 characters"),
        ("nextauth_secret", GOOD, None),
        ("database_app_password", GOOD + "\n", "has a line break or another control character in it"),
        ("database_app_password", GOOD + "\0", "has a line break or another control character in it"),
        ("database_app_password", " " + GOOD, "begins or ends with a space"),
        ("database_app_password", GOOD + "\ud800", "is not valid Unicode"),
        ("database_app_password", "a" * 64, "is too easy to guess"),
        ("database_app_password", "abcdefghijklmnopqrstuvwxyz", "is too easy to guess"),
        ("database_app_password", "N8Kq3vXz" * 5, "is too easy to guess"),
        ("database_app_password", "0101101001011010010110100101", "is too easy to guess"),
        ("database_app_password", "N8Kq3vXzR2-N8Kq3vXzR2-N8Kq3vXzR2", "is too easy to guess"),
        ("database_app_password", "firstbell-Redis-2026-x7Kq!", "is hardly more than words that anybody would try"),
        ("redis_app_password", "academy_production_redis_1", "is hardly more than words that anybody would try"),
        ("redis_app_password", "firstbell-" + GOOD, None),
        (
            "nextauth_secret",
            "<output of openssl rand -base64 32>",
            "is a default or a placeholder that everybody knows",
        ),
        (
            "nextauth_secret",
            "TODO: make one with openssl rand, soon",
            "is a default or a placeholder that everybody knows",
        ),
        (
            "nextauth_secret",
            "q7-XXXXXXXXXXXXXXXXXX-8Kd2-mWp7LtYc5H",
            "is a default or a placeholder that everybody knows",
        ),
        ("nextauth_secret", "ChangeMe2026-and-make-it-32-long!", "is a default or a placeholder that everybody knows"),
        ("database_app_password", "ünïcödé 🔑 is fine, if it is long", None),
    ],
)
def test_what_is_found(name: str, value: object, expected: str | None) -> None:
    assert problem(value, name) == expected


def test_the_same_secret_twice() -> None:
    found = check_secrets({"database_owner_password": GOOD, "database_app_password": GOOD})
    assert [(finding.name, finding.problem) for finding in found] == [
        ("database_app_password", "is the same as database_owner_password")
    ]


@REPEATABLE
@given(st.binary(min_size=32, max_size=32), st.sampled_from(["password", "key"]))
def test_what_we_generate_is_good_enough(token: bytes, kind: str) -> None:
    if len(set(token)) > 16:  # the strategy likes repetition more than a random source does
        assert check_secrets({"some_secret": generate(kind, lambda size: token[:size])}) == []


@REPEATABLE
@given(st.dictionaries(st.sampled_from(["a_password", "b_password", "nextauth_secret"]), st.text()))
def test_no_message_holds_a_value(ends: dict[str, str]) -> None:
    for finding in check_secrets({name: "Zq9!" + end for name, end in ends.items()}):
        assert "Zq9!" not in str(finding)


@REPEATABLE
@given(st.text(min_size=1))
def test_entropy_is_no_more_than_the_alphabet_gives(value: str) -> None:
    assert 0 <= entropy_bits(value) <= len(value) * len(value).bit_length()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("databse_app_password", "database_app_password"),
        ("DATABASE_APP_PASSWORD", "database_app_password"),
        ("demo_pasword", "demo_password"),
        ("nextauth_secrets", "nextauth_secret"),
        ("database_report_password", None),
        ("backup_cipher_key", None),
        ("demo_password", None),
    ],
)
def test_a_misspelt_secret_is_told_which_one_was_meant(name: str, meant: str | None) -> None:
    values = {"database_owner_password": GOOD, "redis_app_password": GOOD, "nextauth_secret": GOOD, name: GOOD}
    findings = misspelt_secrets({**values, **({} if "app" in name.lower() else {"database_app_password": GOOD})})
    assert [str(finding) for finding in findings] == (
        [f"{name}: no role knows this secret. Did you mean {meant}?"] if meant else []
    )


def test_what_is_missing_is_named() -> None:
    assert missing_secrets(dict.fromkeys(REQUIRED, "")) == []
    assert [finding.name for finding in missing_secrets({"nextauth_secret": GOOD})] == [
        name for name in REQUIRED if name != "nextauth_secret"
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("4711", None),
        ("-----BEGIN KEY-----\nabc\n", None),
        ("postgresql://user@host/db", None),
        *(
            (placeholder, "is a default or a placeholder that everybody knows")
            for placeholder in (
                *(
                    "ChangeMe",
                    "changeme123",
                    "CHANGE_ME!",
                    "replace-me-1",
                    "TODO",
                    "todo: ask Ms. Lang",
                    "TBD",
                    "FIXME",
                ),
                *("<token>", "<YOUR KEY HERE>", "[your key]", "${SMTP_PASSWORD}", "xxx", "XXXXXX", "***", "..."),
                *("your-api-key", "my_secret_token", "Password!2024", "secret1", "dummy", "placeholder-1"),
            )
        ),
        ("tbdK8f-todo-Xq2", None),
        ("[1, 2]", None),
        ("none", None),
        ("mykeyboard", None),
        ("sk_test_4eC39HqLyjWDarjtT1zdp7dc", None),
        ("_".join("your" * 40), None),
        (GOOD, "is the same as redis_app_password"),
        ("", "is empty"),
        (None, "has no value"),
        (4711, "is no text"),
    ],
)
def test_secrets_of_others_may_be_weak_but_no_placeholders(value: object, expected: str | None) -> None:
    findings = check_foreign_secrets({"TOKEN": value}, {"redis_app_password": GOOD, "demo_password": GOOD})
    assert [finding.problem for finding in findings] == ([expected] if expected else [])
    assert not [finding for finding in findings if isinstance(value, str) and value and value in str(finding)]
