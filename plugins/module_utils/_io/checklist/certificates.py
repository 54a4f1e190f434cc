# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates in the stack's files, as the checks judge them."""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Mapping
from typing import Any

from .. import system
from ..authority import survey

#: Days that a certificate must have left.
_LEAST_DAYS = 7
_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def gather(expected: Mapping[str, Any]) -> list[str]:
    """What is wrong with the stack's own authority and with what it has issued."""
    return survey(expected["path"], expected["authority"], expected["certificates"], _LEAST_DAYS)


def of_site(stack: str) -> dict[str, str]:
    """The certificate that nginx would show if it started now: its fingerprint, or why there is none."""
    path = f"/opt/{stack}/nginx/certificate/site.pem"
    return {"path": path, "fingerprint": "", "problem": "", **_of(path)}


def _of(path: str) -> dict[str, str]:
    try:
        # It sees whether certificate and key belong together. A password is asked for unless one is given.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password="-")  # noqa: S106
    except FileNotFoundError:
        return {"problem": "is missing"}
    except OSError:
        return {"problem": "holds no certificate with its key"}
    found = _FIRST.search(system.read_text(path) or "")
    return {"fingerprint": fingerprint(ssl.PEM_cert_to_DER_cert(found[0]))} if found else {}


def fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()
