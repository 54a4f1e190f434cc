# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.scram import (
    deterministic_salt,
    role_verifier,
    saslprep,
    scram_sha_256_verifier,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.errors import error_of

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=60)


RFC_SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def test_the_example_of_rfc_7677() -> None:
    """RFC 7677 section 3 gives the proof and the signature of user "user", password "pencil"."""
    verifier = scram_sha_256_verifier("pencil", RFC_SALT, 4096)
    stored_key, server_key = (base64.b64decode(part) for part in verifier.split("$")[2].split(":"))
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}".encode()
    signature = hmac.new(server_key, message, hashlib.sha256).digest()
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    mask = hmac.new(stored_key, message, hashlib.sha256).digest()
    client_key = bytes(a ^ b for a, b in zip(proof, mask))
    assert hashlib.sha256(client_key).digest() == stored_key


def test_the_form_that_postgresql_stores() -> None:
    verifier = scram_sha_256_verifier("pencil", RFC_SALT)
    assert verifier == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert re.fullmatch(r"SCRAM-SHA-256\$4096:[\w+/]{22}==\$[\w+/]{43}=:[\w+/]{43}=", role_verifier("x", "app", "s"))


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("user", "user"),
        ("USER", "USER"),
        ("I\u00adX", "IX"),  # RFC 4013 section 3: soft hyphen maps to nothing
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\x07", "\x07"),  # ASCII is never looked at
        ("é\x07", "é\x07"),  # prohibited: PostgreSQL takes the raw password
        ("\u0627\u0031", "\u0627\u0031"),  # bidirectional check fails
        ("\u0627b", "\u0627b"),
        ("\u0627\u00a0\u0628", "\u0627 \u0628"),
        ("\u00ad", "\u00ad"),  # nothing is left: raw
        ("\u0221", "\u0221"),  # unassigned in Unicode 3.2
    ],
)
def test_saslprep_as_postgresql_does_it(text: str, prepared: str) -> None:
    assert saslprep(text) == prepared


def test_the_salt_depends_on_password_role_and_stack() -> None:
    same = role_verifier("secret", "app", "academy")
    assert same == role_verifier("secret", "app", "academy")
    others = {
        role_verifier("secret!", "app", "academy"),
        role_verifier("secret", "owner", "academy"),
        role_verifier("secret", "app", "stories"),
        role_verifier("secret", "y", "academyx"),
    }
    assert len({verifier.split("$")[1] for verifier in others | {same}}) == 5
    assert len(deterministic_salt("secret", "any")) == 16


@pytest.mark.parametrize(
    ("password", "salt", "iterations"),
    [
        ("", b"salt", 4096),
        (None, b"salt", 4096),
        ("x", b"", 4096),
        ("x", "salt", 4096),
        ("x", b"salt", 0),
        ("x", b"salt", True),
        ("x", b"salt", 2**31),
        ("topsecret\0", b"salt", 4096),
        ("topsecret\ud800", b"salt", 4096),
    ],
)
def test_what_is_refused_without_showing_it(password: str, salt: bytes, iterations: int) -> None:
    with pytest.raises(InputError) as error:
        scram_sha_256_verifier(password, salt, iterations)
    assert "topsecret" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


@REPEATABLE
@given(st.text(), st.binary(), st.text())
def test_any_text_gives_a_verifier_or_our_own_error(password: str, salt: bytes, context: str) -> None:
    error = error_of(scram_sha_256_verifier, password, salt, 1)
    if error is None:
        assert scram_sha_256_verifier(password, salt, 1).startswith("SCRAM-SHA-256$1:")
        assert len(deterministic_salt(password, context)) == 16
    else:
        assert len(password) < 4 or password not in str(error)
