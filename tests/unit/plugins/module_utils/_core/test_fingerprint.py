# SPDX-License-Identifier: GPL-3.0-or-later
"""A changed key is found, and no message has it."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._core.fingerprint import compare, fingerprint, key_of

KEY = "q3Vt0ZsT1n8m5k2j9h4g7f6d1s0aPoIuYtReWqLkJhG="


def test_the_key_is_read_from_the_configuration() -> None:
    assert key_of(f"[global]\nrepo1-path=/x\nrepo1-cipher-pass={KEY}\nrepo2-cipher-pass=other\n") == KEY
    with pytest.raises(FirstbellError, match="has no key"):
        key_of("[global]\n")


def test_the_same_key_passes_and_so_does_the_first_one() -> None:
    compare(fingerprint(KEY), fingerprint(KEY) + "\n", "/repository")
    compare(fingerprint(KEY), None, "/repository")


def test_another_key_is_told_without_being_shown() -> None:
    with pytest.raises(FirstbellError, match="the key was changed: /repository") as caught:
        compare(fingerprint("other"), fingerprint(KEY), "/repository")
    assert KEY not in str(caught.value)
    assert fingerprint(KEY) not in str(caught.value)
    assert KEY not in fingerprint(KEY)
