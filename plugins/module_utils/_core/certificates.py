# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a private authority and its certificates need, as data.

The plan compares what is wanted with what was found and names every step and
its reason. Nothing here knows how a certificate is made.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .errors import FirstbellError, InputError

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_DNS_LENGTH_MAX = 253
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", re.IGNORECASE)


class AuthorityError(FirstbellError):
    """The authority's files contradict each other, and only a person can say which one is right."""


@dataclass(frozen=True)
class Wanted:
    """A certificate that shall exist. ``dns`` and ``ip`` are normalized and sorted."""

    name: str
    dns: tuple[str, ...]
    ip: tuple[str, ...]
    valid_days: int
    renew_days: int
    owner: int


@dataclass(frozen=True)
class WantedAuthority:
    """The authority that shall exist."""

    common_name: str
    valid_days: int
    renew_days: int


@dataclass(frozen=True)
class Certificate:
    """What a certificate on the host says. ``issued`` is whether the authority's key signed it."""

    common_name: str
    issuer: str
    dns: tuple[str, ...]
    ip: tuple[str, ...]
    not_after: datetime
    fits_key: bool
    issued: bool


@dataclass(frozen=True)
class Pair:
    """A key and its certificate as found; None and False where there is nothing that can be read."""

    key: bool = False
    certificate: Certificate | None = None


@dataclass(frozen=True)
class Step:
    """One thing to do: make a ``key`` or a ``certificate`` of ``name``; "" is the authority."""

    kind: str
    name: str
    reason: str


def wanted(entries: Iterable[Mapping[str, Any]], authority: WantedAuthority) -> tuple[Wanted, ...]:
    """Check what was asked for and bring it into one form.

    Raises InputError for a bad or repeated name, for a certificate that is valid for nothing, and
    for one that could outlive the authority's certificate.
    """
    result = tuple(_wanted(entry) for entry in entries)
    names = [one.name for one in result]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"certificates: {name!r} is there {names.count(name)} times; give each a name of its own")
    for one in result:
        if one.valid_days > authority.renew_days:
            raise InputError(
                f"certificates: {one.name!r} would be valid for {one.valid_days} days, but the authority's own "
                f"certificate may have only {authority.renew_days} left; lower valid_days or raise the "
                "authority's renew_days"
            )
    return result


def _wanted(entry: Mapping[str, Any]) -> Wanted:
    name = str(entry["name"])
    if not _NAME.fullmatch(name):
        raise InputError(f"certificates: {name!r} is no name; use lower-case letters, digits, '_' and '-'")
    dns = {str(host).lower() for host in entry.get("dns") or ()}
    for host in dns:
        if len(host) > _DNS_LENGTH_MAX or not _DNS.fullmatch(host):
            raise InputError(
                f"certificates: {name!r} cannot be valid for {host!r}; "
                "write a host name, other than ASCII letters in its xn-- form"
            )
    ip = {_address(name, str(address)) for address in entry.get("ip") or ()}
    if not dns and not ip:
        raise InputError(f"certificates: {name!r} is valid for nothing; give it dns or ip")
    valid_days, renew_days = int(entry["valid_days"]), int(entry["renew_days"])
    if not 0 < renew_days < valid_days:
        raise InputError(
            f"certificates: {name!r} with valid_days {valid_days} and renew_days {renew_days}; "
            "renew_days must be between 1 and valid_days"
        )
    return Wanted(name, tuple(sorted(dns)), tuple(sorted(ip)), valid_days, renew_days, int(entry["owner"]))


def _address(name: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InputError(f"certificates: {name!r} cannot be valid for the address {text!r}") from None


def plan(
    authority: WantedAuthority,
    certificates: Sequence[Wanted],
    found: Mapping[str, Pair],
    now: datetime,
) -> tuple[Step, ...]:
    """Name what has to be made, in the order in which it can be made.

    ``found`` has a Pair for each name and for "", the authority. A key that can be used is kept: what
    trusts it goes on doing so. Raises AuthorityError when the authority's certificate is there
    without its key, because a new key would cut off everybody who trusts the old one.
    """
    own = found.get("", Pair())
    steps = list(_authority_steps(authority, own, now))
    for one in certificates:
        pair = found.get(one.name, Pair())
        if not pair.key:
            steps.append(Step("key", one.name, "there is none"))
        reason = _reason(one, pair, own.key, authority.common_name, now)
        if reason:
            steps.append(Step("certificate", one.name, reason))
    return tuple(steps)


def _authority_steps(authority: WantedAuthority, own: Pair, now: datetime) -> Iterable[Step]:
    held = own.certificate
    if held is not None and not (own.key and held.fits_key):
        raise AuthorityError(
            "ca.crt is there without the ca.key that belongs to it. Restore ca.key from a backup; "
            "or remove ca.crt to make a new authority, which everybody who trusts the old one must be given"
        )
    if not own.key:
        yield Step("key", "", "there is none")
    if held is None:
        yield Step("certificate", "", "there is none")
    elif held.common_name != authority.common_name:
        yield Step("certificate", "", f"it is called {held.common_name!r}")
    elif _days_left(held, now) < authority.renew_days:
        yield Step("certificate", "", f"{_days_left(held, now)} days are left")


def _reason(one: Wanted, pair: Pair, authority_key: bool, issuer: str, now: datetime) -> str:
    held = pair.certificate
    if held is None:
        return "there is none"
    if not pair.key or not held.fits_key:
        return "it belongs to another key"
    if not authority_key or not held.issued or held.issuer != issuer:
        return "another authority issued it"
    if (held.dns, held.ip) != (one.dns, one.ip):
        return f"it is valid for {', '.join(held.dns + held.ip) or 'nothing'}"
    if _days_left(held, now) < one.renew_days:
        return f"{_days_left(held, now)} days are left"
    return ""


def _days_left(certificate: Certificate, now: datetime) -> int:
    return (certificate.not_after - now) // timedelta(days=1)
