# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: how to make them, and how to see that one is no secret.

No message here ever holds a value, only names.
"""

from __future__ import annotations

import base64
import math
import re
import secrets as _random
from collections import Counter
from collections.abc import Callable, Mapping

from .errors import InputError
from .findings import Finding
from .names import did_you_mean, near
from .units import is_unicode, shown

#: Bits of the least that a guesser should face.
MINIMUM_ENTROPY_BITS = 64
MINIMUM_LENGTH = 20
MINIMUM_LENGTH_OF_KEYS = 32

#: What every stack has to have.
REQUIRED = (
    "database_owner_password",
    "database_app_password",
    "redis_app_password",
    "nextauth_secret",
    "backup_key",
    "backup_files_key",
    "redis_backup_password",
    "database_monitoring_password",
    "redis_monitoring_password",
    "monitoring_password",
)

#: These, and what a tool of the collection reads where it is there.
KNOWN = (*REQUIRED, "demo_password")

#: The kinds that ``generate`` makes.
KINDS = ("password", "key")
_DELETE = 127

#: Defaults and placeholders that stand in manuals, the seeds' included. Compared
#: without case; the longer ones also count when they are only part of a value.
KNOWN_BAD = frozenset(
    (
        "admin",
        "admin123",
        "administrator",
        "default",
        "example",
        "guest",
        "letmein",
        "password",
        "password1",
        "password123",
        "postgres",
        "qwerty",
        "root",
        "secret",
        "stories_password_123",
        "test",
        "test123",
        "welcome",
        "123456",
        "12345678",
        "changeme",
        "change-me",
        "change_me",
        "change-this",
        "replace-me",
        "replaceme",
        "replace_me",
        "use-openssl-rand-base64-32-to-generate",
        "strong-random-password-here",
        "your-secret",
        "your_secret",
        "your-password",
        "your_password",
        "yourpassword",
        "yoursecret",
        "mysecretpassword",
        "supersecret",
        "super-secret",
        "insecure-default",
        "please-change",
        "nextauth_secret",
        "nextauth-secret",
        "development-secret",
    )
)
_PART_LENGTH = 8

#: Words that anybody would try; what is left without them has to be a secret by itself.
_WORDS = re.compile(
    "academy|admin|attendance|database|development|firstbell|grafana|monitoring|nextauth|owner|pgbouncer|production|"
    "redis|school|server|staging|stories",
    re.IGNORECASE,
)
#: Forms of what somebody meant to fill in later.
_PLACEHOLDER = re.compile(
    r"<[^<>]*>|\{\{.*\}\}|\$\{.*\}|\[[a-z _-]+\]|x{3,}|\*{3,}|\.{3,}|-{3,}|"
    r"(todo|tbd|fixme|to[-_ ]?be[-_ ]?(set|done|defined|filled)|n/a|dummy|placeholder)"
    r"([:!. ].*|[-_][\w-]{0,20})?|"
    r"(change|replace|fill|insert)[-_ ]?(me|this|it|in|here)\W*\d*\W*|"
    r"(pass(word|wort)?|secret|token|test|example|admin|default|letmein|welcome|qwerty)\W*\d{0,4}\W*|"
    r"(my|your|the|some)[-_ ]?[\w -]{0,30}(password|secret|token|key)([-_ ]here)?\W*\d{0,4}",
    re.IGNORECASE | re.DOTALL,
)
_FILLED = re.compile(r"<[a-z][a-z0-9 _-]*>|x{5,}|change[-_ ]?me|replace[-_ ]?me|^todo\b", re.IGNORECASE)
_REPEATED = re.compile(r"(.{5})(?=.*?\1)", re.DOTALL)
#: Longer values are not searched for what is repeated in them: that takes long, and they have enough.
_MOST_SEARCHED = 256


def generate(kind: str, token: Callable[[int], bytes] = _random.token_bytes) -> str:
    """A new secret of 256 bits.

    ``password``: 43 characters that need no escaping in a URL, INI or shell word.
    ``key``: what ``openssl rand -base64 32`` prints (S9), 44 characters.
    ``token`` returns that many random bytes; tests inject their own.
    """
    if kind == "password":
        return base64.urlsafe_b64encode(token(32)).rstrip(b"=").decode("ascii")
    if kind == "key":
        return base64.b64encode(token(32)).decode("ascii")
    nearest = did_you_mean(str(kind), KINDS)
    hint = f"did you mean {nearest}?" if nearest else f"take one of {', '.join(KINDS)}"
    raise InputError(f"There is no kind of secret {shown(kind)}; {hint}")


def kind_of(name: str) -> str:
    """The kind of secret a name asks for: a key for ``nextauth_secret``, otherwise a password."""
    return "key" if name.lower().endswith(("_secret", "_key")) else "password"


def minimum_length(name: str) -> int:
    """The fewest characters a secret of this name may have (threat 17)."""
    return MINIMUM_LENGTH_OF_KEYS if kind_of(name) == "key" else MINIMUM_LENGTH


def check_secrets(values: Mapping[str, object]) -> list[Finding]:
    """Everything that makes these secrets unfit for production, by name.

    One finding a name at most: the first problem hides the smaller ones.
    """
    findings = []
    first_name: dict[str, str] = {}
    for name, value in values.items():
        problem = _problem(str(name), value)
        if problem is None and isinstance(value, str):
            if value in first_name:
                problem = f"is the same as {first_name[value]}"
            else:
                first_name[value] = str(name)
        if problem is not None:
            findings.append(Finding(str(name), problem, _fix(str(name))))
    return findings


def check_foreign_secrets(values: Mapping[str, object], own: Mapping[str, object]) -> list[Finding]:
    """What makes secrets of others unfit, by name: their length and alphabet are not ours to choose."""
    names: dict[str, str] = {}
    for name, value in own.items():
        if isinstance(value, str):
            names.setdefault(value, name)
    findings = []
    for name, value in values.items():
        if not isinstance(value, str) or not value:
            findings.append(Finding(str(name), _problem(str(name), value) or "", "Give it as text, or leave it out."))
        elif value.lower() in KNOWN_BAD or _PLACEHOLDER.fullmatch(value.strip()):
            fix = "Take the real one."
            findings.append(Finding(str(name), "is a default or a placeholder that everybody knows", fix))
        elif value in names:
            findings.append(Finding(str(name), f"is the same as {names[value]}", "Take one of its own."))
    return findings


def missing_secrets(values: Mapping[str, object]) -> list[Finding]:
    """Those of the required ones that are not there."""
    fix = "Generate what is missing with: make secrets"
    return [Finding(name, "is missing", fix) for name in REQUIRED if name not in values]


def misspelt_secrets(values: Mapping[str, object]) -> list[Finding]:
    """Those that nobody reads and whose name is nearly that of one; others may be your own."""
    missing = [name for name in REQUIRED if name not in values]
    findings = []
    for name in map(str, values):
        if name not in KNOWN:
            meant = near(name, missing) or near(name, KNOWN, 0.9)
            if meant:
                findings.append(Finding(name, "no role knows this secret", f"Did you mean {meant}?"))
    return findings


def _fix(name: str) -> str:
    if kind_of(name) == "key":
        return "Make one with: openssl rand -base64 32"
    return "Make one with: openssl rand -hex 32"


def _problem(name: str, value: object) -> str | None:
    if not isinstance(value, str):
        return "has no value" if value is None else "is no text"
    if not value:
        return "is empty"
    return _unusable(value) or _guessable(name, value)


def _unusable(value: str) -> str | None:
    if any(ord(character) < ord(" ") or ord(character) == _DELETE for character in value):
        return "has a line break or another control character in it"
    if not is_unicode(value):
        return "is not valid Unicode"
    if value != value.strip():
        return "begins or ends with a space"
    return None


def _guessable(name: str, value: str) -> str | None:
    if _is_known(value.lower()) or _PLACEHOLDER.fullmatch(value) or _FILLED.search(value):
        return "is a default or a placeholder that everybody knows"
    if len(value) < minimum_length(name):
        return f"is shorter than {minimum_length(name)} characters"
    if entropy_bits(value) < MINIMUM_ENTROPY_BITS:
        return "is too easy to guess"
    if entropy_bits(_WORDS.sub("", value)) < MINIMUM_ENTROPY_BITS:
        return "is hardly more than words that anybody would try"
    return None


def _is_known(lower: str) -> bool:
    return lower in KNOWN_BAD or any(len(bad) >= _PART_LENGTH and bad in lower for bad in KNOWN_BAD)


def entropy_bits(value: str) -> float:
    """A cautious estimate in bits: Shannon's over the characters, without runs and repeats.

    A repeated block counts once, wherever it stands, and so does a run such as ``abcdef`` or
    ``111111``. An estimate from one sample only ever finds the careless.
    """
    period = (value + value).find(value, 1)
    block = value[:period]
    if len(block) <= _MOST_SEARCHED:
        block = _REPEATED.sub("", block)
    fresh = [character for previous, character in zip(" " + block, block) if abs(ord(character) - ord(previous)) > 1]
    total = len(fresh)
    per_character = -sum(n / total * math.log2(n / total) for n in Counter(fresh).values()) if total else 0.0
    return per_character * total
