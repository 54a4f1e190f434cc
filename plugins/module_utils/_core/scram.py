# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM-SHA-256 verifiers, as PostgreSQL stores them and PgBouncer's userlist takes them.

Sources: RFC 5802 section 3, RFC 7677, RFC 4013 (SASLprep), and PostgreSQL's
``scram-common.c`` and ``saslprep.c`` for the form and for the exceptions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import stringprep
import unicodedata

from .errors import InputError
from .units import is_unicode

ITERATIONS = 4096
MAX_ITERATIONS = 2**31 - 1
SALT_BYTES = 16
_SALT_LABEL = b"firstbell scram salt 1"

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def saslprep(text: str) -> str:
    """The text as SASLprep prepares it, or unchanged where SASLprep would refuse it.

    PostgreSQL does the same on both sides: ASCII passes as it is, and a password
    that cannot be prepared is used raw.
    """
    if text.isascii():
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared or any(refuses(character) for character in prepared for refuses in _PROHIBITED):
        return text
    if any(map(stringprep.in_table_d1, prepared)):
        ends = stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])
        if not ends or any(map(stringprep.in_table_d2, prepared)):
            return text
    return prepared


def _password_bytes(password: object) -> bytes:
    if not isinstance(password, str) or not password:
        raise InputError("A verifier needs a password that is a text and not empty")
    if "\0" in password:
        raise InputError("The password has a NUL in it, which PostgreSQL cannot take; generate another one")
    if not is_unicode(password):
        raise InputError("The password is not valid Unicode; generate another one")
    return saslprep(password).encode("utf-8")


def scram_sha_256_verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`` for this password.

    Nobody can log in with it who does not know the password. 4096 iterations are
    PostgreSQL's own default (``scram_iterations``).
    """
    if not isinstance(salt, bytes) or not salt:
        raise InputError("A verifier needs a salt of at least one byte")
    if isinstance(iterations, bool) or not isinstance(iterations, int) or not 1 <= iterations <= MAX_ITERATIONS:
        raise InputError("The iterations of a verifier are a whole number between 1 and 2147483647")
    salted = hashlib.pbkdf2_hmac("sha256", _password_bytes(password), salt, iterations)
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    encoded = [base64.b64encode(part).decode("ascii") for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def deterministic_salt(password: str, context: str) -> bytes:
    """A salt that is always the same for one password in one context.

    PgBouncer logs in to PostgreSQL with what its client proved to it, which works
    only if both hold the very same verifier; and the second run of a playbook
    must write what the first one wrote. A random salt would have to be stored
    beside the password. This one is HMAC-SHA-256 with the password as key.

    Why that is sound here: a salt need not be random or secret. It has to be
    different for each user and each place, so that one table of precomputed
    hashes does not serve against many; the context (stack and role) and the key
    see to that. It must tell nothing about the password that the verifier does
    not tell anyway: for one that a machine made with 256 bits, searching the key
    of an HMAC is as hopeless as searching the verifier itself. For a password
    that a person made up it would not be: a guess could be tried against the
    salt with one hash instead of 4096. ``check_secrets`` refuses such passwords.
    """
    key = _password_bytes(password)
    message = _SALT_LABEL + b"\0" + context.encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).digest()[:SALT_BYTES]


def role_verifier(password: str, role: str, stack: str) -> str:
    """The verifier of one role of one stack, the same on every call."""
    return scram_sha_256_verifier(password, deterministic_salt(password, f"{stack}\0{role}"))
