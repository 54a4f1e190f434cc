# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.names import (
    check_domain,
    check_email,
    check_identifier,
    check_stack_name,
    did_you_mean,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.errors import error_of

CHECKS = (check_domain, check_email, check_identifier, check_stack_name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("firstbell_domian", "firstbell_domain"),
        ("FIRSTBELL_DOMAIN", "firstbell_domain"),
        ("firstbell_profil", "firstbell_profile"),
        ("completely_else", None),
        ("", None),
    ],
)
def test_did_you_mean(name: str, expected: str | None) -> None:
    assert did_you_mean(name, ["firstbell_profile", "firstbell_domain"]) == expected


@pytest.mark.parametrize("name", ["academy", "stories_db", "a", "1001_stories", "x" * 63])
def test_identifiers_that_are_taken(name: str) -> None:
    assert check_identifier(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "postgres",
        "pgbouncer",
        "template1",
        "pg_app",
        "public",
        "all",
        "Academy",
        "a b",
        'x"; drop',
        "x" * 64,
        "a-b",
        "naïve",
        "1001",
        "a\n",
        None,
        5,
    ],
)
def test_identifiers_that_are_refused(name: object) -> None:
    with pytest.raises(InputError, match="role: "):
        check_identifier(name, "role")


@pytest.mark.parametrize("name", ["firstbell", "academy", "1001-stories", "a", "x" * 20])
def test_stack_names_that_are_taken(name: str) -> None:
    assert check_stack_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 21, "-a", "a-", "a_b", "a/b", "a.b", "Academy", "postgres", "pg-x", "1001", "é", None, "a\n"]
)
def test_stack_names_that_are_refused(name: object) -> None:
    with pytest.raises(InputError, match="firstbell_stack_name: "):
        check_stack_name(name)


@pytest.mark.parametrize("name", ["school.example.org", "a.b", "xn--bcher-kva.example", "1.school.example"])
def test_domains_that_are_taken(name: str) -> None:
    assert check_domain(name) == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("*.example.org", "wildcard"),
        ("https://example.org", "leave out the scheme"),
        ("example.org/login", "leave out the scheme"),
        ("example.org:443", "leave out the scheme"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("bücher.example.", "xn--bcher-kva.example"),
        ("bücher_x.example", "check its spelling"),
        ("School.example", "write school.example"),
        ("School_X.example", "no host name"),
        ("example.org.", "ends in a dot"),
        ("192.0.2.7", "address"),
        ("localhost", "no dot"),
        ("-a.example", "no host name"),
        ("a..example", "no host name"),
        ("a_b.example", "no host name"),
        ("a b.example", "no host name"),
        (f"{'a' * 64}.example", "no host name"),
        (".".join(["abcdefgh"] * 29), "no host name"),
        ("exa mple.org\n", "no host name"),
        ("", "write a text"),
        (None, "write a text"),
    ],
)
def test_domains_that_are_refused(name: object, hint: str) -> None:
    with pytest.raises(InputError, match="firstbell_domain: ") as error:
        check_domain(name)
    assert hint in str(error.value)


@pytest.mark.parametrize("address", ["admin@example.org", "o'neil+web@school.example", "Admin@Example.ORG"])
def test_addresses_that_are_taken(address: str) -> None:
    assert check_email(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "admin",
        "@example.org",
        "admin@",
        "a b@example.org",
        "a@localhost",
        "a@@example.org",
        ".a@example.org",
        "a..b@example.org",
        f"{'x' * 65}@example.org",
        "a@example.org\n",
        None,
    ],
)
def test_addresses_that_are_refused(address: object) -> None:
    with pytest.raises(InputError, match="firstbell_admin_email: "):
        check_email(address)


def test_an_address_in_national_letters_is_told_its_idn_form() -> None:
    with pytest.raises(InputError, match="write its IDN form xn--bcher-kva"):
        check_email("admin@bücher.example")


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.one_of(st.text(), st.integers(), st.none(), st.binary()), st.sampled_from(CHECKS))
def test_rubbish_raises_only_our_own_errors(value: object, check: Callable[[object], str]) -> None:
    assert "\n" not in str(error_of(check, value))
