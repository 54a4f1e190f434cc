# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that end up in other people's namespaces: databases, roles, domains, services."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable

from .errors import InputError
from .units import shown

#: `<stack>_<service>` must fit the 63 characters of a DNS label with room to spare.
STACK_NAME_LENGTH = 20
DOMAIN_LENGTH = 253  # RFC 1035
LOCAL_PART_LENGTH = 64  # RFC 5321

_STACK_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_IDENTIFIER = re.compile(r"[a-z0-9_]{1,63}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")

#: Databases and roles that PostgreSQL or PgBouncer have already, and words with
#: a meaning of their own in pg_hba.conf or in GRANT.
RESERVED_IDENTIFIERS = frozenset(
    (
        "all",
        "current_role",
        "current_user",
        "none",
        "pgbouncer",
        "postgres",
        "public",
        "replication",
        "samegroup",
        "samehost",
        "samenet",
        "samerole",
        "sameuser",
        "session_user",
        "template0",
        "template1",
        "user",
    )
)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearest to a misspelt one, or None if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known, reverse=True)}
    nearest = difflib.get_close_matches(str(name).lower(), sorted(by_lower), n=1, cutoff=0.6)
    return by_lower[nearest[0]] if nearest else None


def near(name: str, known: Iterable[str], ratio: float = 0.85) -> str | None:
    """The known name that a name is all but a misspelling of: stricter than ``did_you_mean``."""
    nearest = did_you_mean(name, known)
    if nearest and difflib.SequenceMatcher(None, str(name).lower(), nearest.lower()).ratio() >= ratio:
        return nearest
    return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"{what}: {shown(value)} is no name; write a text")
    return value


def check_identifier(value: object, what: str = "identifier") -> str:
    """Return the name of a database, role, schema or extension, or refuse it.

    Stricter than PostgreSQL on purpose: names that need no thought in SQL, in
    pg_hba.conf, in an INI file and in a URL. They are quoted all the same.
    """
    name = _text(value, what)
    if not _IDENTIFIER.fullmatch(name) or name.isdigit():
        raise InputError(
            f"{what}: {shown(name)} cannot be a name in PostgreSQL here; "
            "use up to 63 lower-case letters, digits and underscores, with at least one letter"
        )
    if name in RESERVED_IDENTIFIERS or name.startswith("pg_"):
        raise InputError(f"{what}: {shown(name)} is reserved by PostgreSQL or PgBouncer; take another name")
    return name


def check_stack_name(value: object, what: str = "firstbell_stack_name") -> str:
    """Return the stack's name, which services, networks, directories and the database bear.

    An underscore parts it from the service (``academy_postgres``), so it has none itself.
    """
    name = _text(value, what)
    if len(name) > STACK_NAME_LENGTH or not _STACK_NAME.fullmatch(name) or name.isdigit():
        raise InputError(
            f"{what}: {shown(name)} cannot name a stack; use up to {STACK_NAME_LENGTH} lower-case letters, "
            "digits and hyphens, with at least one letter and no hyphen at either end"
        )
    check_identifier(name.replace("-", "_"), what)
    return name


def check_domain(value: object, what: str = "firstbell_domain") -> str:
    """Return the fully qualified host name the stack answers to, or say how to write it."""
    name = _text(value, what)
    problem = _domain_problem(name)
    if problem is not None:
        raise InputError(f"{what}: {shown(name)} {problem}")
    return name


def _domain_problem(name: str) -> str | None:
    labels = name.split(".")
    if "*" in name:
        problem = "is a wildcard; write the one name that users type, such as school.example.org"
    elif _is_address(name):
        problem = "is an address; certificates and cookies need a name, such as school.example.org"
    elif set(name) & set("/:@"):
        problem = "is more than a host name; leave out the scheme, port, path and user"
    elif not name.isascii():
        problem = f"has letters outside ASCII; {_idn_hint(name)}"
    elif name.endswith("."):
        problem = "ends in a dot; leave that out"
    elif labels[-1].isdigit():
        problem = "is an address; certificates and cookies need a name, such as school.example.org"
    elif len(name) > DOMAIN_LENGTH or not all(_LABEL.fullmatch(label.lower()) for label in labels):
        problem = "is no host name; use lower-case letters, digits and hyphens between dots, such as school.example.org"
    elif len(labels) == 1:
        problem = "has no dot; write the full name, such as school.example.org"
    elif name != name.lower():
        problem = f"has capital letters; write {name.lower()}"
    else:
        return None
    return problem


def _idn_hint(name: str) -> str:
    try:
        ascii_name = name.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return "check its spelling"
    return "check its spelling" if _domain_problem(ascii_name) else f"write its IDN form {ascii_name}"


def check_email(value: object, what: str = "firstbell_admin_email") -> str:
    """Return an e-mail address that a mail server might know, or refuse it."""
    address = _text(value, what)
    local, at, domain = address.rpartition("@")
    if not at or len(local) > LOCAL_PART_LENGTH or not _LOCAL_PART.fullmatch(local) or _domain_problem(domain.lower()):
        hint = "write one such as admin@school.example.org"
        if at and local.isascii() and not domain.isascii():
            hint = f"its domain has letters outside ASCII, {_idn_hint(domain)}"
        raise InputError(f"{what}: {shown(address)} is no e-mail address; {hint}")
    return address
