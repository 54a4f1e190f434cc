# SPDX-License-Identifier: GPL-3.0-or-later
"""What a private authority and its certificates need."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.certificates import (
    AuthorityError,
    Certificate,
    Pair,
    Step,
    Wanted,
    WantedAuthority,
    plan,
    wanted,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError

NOW = datetime(2026, 9, 1, 8, 0, tzinfo=timezone.utc)
AUTHORITY = WantedAuthority("school private authority", 3650, 1850)
POSTGRES = Wanted("postgres", ("postgres",), (), 1825, 90, 1001)
ENTRY: dict[str, Any] = {
    "name": "postgres",
    "dns": ["postgres"],
    "ip": [],
    "valid_days": 1825,
    "renew_days": 90,
    "owner": 1001,
}
HELD = Certificate(
    "postgres", AUTHORITY.common_name, ("postgres",), (), NOW + timedelta(days=400), fits_key=True, issued=True
)
OWN = Certificate(
    AUTHORITY.common_name, AUTHORITY.common_name, (), (), NOW + timedelta(days=3000), fits_key=True, issued=True
)


def found(authority: Pair | None = None, postgres: Pair | None = None) -> dict[str, Pair]:
    return {"": authority or Pair(True, OWN), "postgres": postgres or Pair(True, HELD)}


def test_nothing_to_do() -> None:
    assert plan(AUTHORITY, [POSTGRES], found(), NOW) == ()


def test_a_bare_host_gets_everything_in_an_order_that_works() -> None:
    assert [(step.kind, step.name) for step in plan(AUTHORITY, [POSTGRES], {}, NOW)] == [
        ("key", ""),
        ("certificate", ""),
        ("key", "postgres"),
        ("certificate", "postgres"),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fits_key": False}, "it belongs to another key"),
        ({"issued": False}, "another authority issued it"),
        ({"issuer": "former authority"}, "another authority issued it"),
        ({"dns": ("db", "postgres")}, "it is valid for db, postgres"),
        ({"not_after": NOW + timedelta(days=90)}, ""),
        ({"not_after": NOW + timedelta(days=90, seconds=-1)}, "89 days are left"),
        ({"not_after": NOW - timedelta(days=2)}, "-2 days are left"),
    ],
)
def test_a_certificate_is_issued_again(change: dict[str, Any], reason: str) -> None:
    steps = plan(AUTHORITY, [POSTGRES], found(postgres=Pair(True, replace(HELD, **change))), NOW)
    assert steps == ((Step("certificate", "postgres", reason),) if reason else ())


def test_a_lost_key_takes_its_certificate_along() -> None:
    steps = plan(AUTHORITY, [POSTGRES], found(postgres=Pair(False, HELD)), NOW)
    assert [(step.kind, step.reason) for step in steps] == [
        ("key", "there is none"),
        ("certificate", "it belongs to another key"),
    ]


def test_a_renewed_authority_keeps_its_key_and_what_it_issued() -> None:
    steps = plan(AUTHORITY, [POSTGRES], found(Pair(True, replace(OWN, not_after=NOW + timedelta(days=1849)))), NOW)
    assert steps == (Step("certificate", "", "1849 days are left"),)


def test_a_renamed_authority_issues_everything_again() -> None:
    steps = plan(replace(AUTHORITY, common_name="other"), [POSTGRES], found(), NOW)
    assert [step.name for step in steps] == ["", "postgres"]


@pytest.mark.parametrize("own", [Pair(False, OWN), Pair(True, replace(OWN, fits_key=False))])
def test_an_authority_without_its_key_is_refused(own: Pair) -> None:
    with pytest.raises(AuthorityError, match=r"Restore ca\.key from a backup"):
        plan(AUTHORITY, [POSTGRES], found(own), NOW)


def test_names_and_addresses_have_one_form() -> None:
    entry = ENTRY | {"dns": ["B.example", "a.example", "*.c.example"], "ip": ["fd00:0::1", "10.0.0.1"]}
    (one,) = wanted([entry], AUTHORITY)
    assert one.dns == ("*.c.example", "a.example", "b.example")
    assert one.ip == ("10.0.0.1", "fd00::1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../ca"}, "is no name"),
        ({"name": "Ca"}, "is no name"),
        ({"dns": []}, "valid for nothing"),
        ({"dns": ["schüle.example"]}, "xn-- form"),
        ({"dns": ["a.*.example"]}, "xn-- form"),
        ({"dns": ["a b"]}, "xn-- form"),
        ({"dns": ["a." * 127]}, "xn-- form"),
        ({"ip": ["10.0.0.256"]}, "10.0.0.256"),
        ({"renew_days": 1825}, "between 1 and valid_days"),
        ({"renew_days": 0}, "between 1 and valid_days"),
        ({"valid_days": 1851}, "may have only 1850 left"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("*", r"\*")):
        wanted([ENTRY | change], AUTHORITY)


def test_a_name_is_used_once() -> None:
    with pytest.raises(InputError, match="2 times"):
        wanted([ENTRY, ENTRY], AUTHORITY)
