# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site as nginx gives it to visitors: the certificate, and one answer."""

from __future__ import annotations

import http.client
import ssl
import time
from typing import Any

from . import containers, inside

#: Where nginx listens inside its container.
_PORT = 8443
_PATIENCE = 5.0
#: What OpenSSL says where only the authority is unknown to it (verify(1)): 18-21.
_UNKNOWN_AUTHORITY = range(18, 22)


def gather(stack: str, domain: str, path: str, certificate: str, ca_file: str) -> dict[str, Any]:
    """Status and seconds of one request, and why the certificate is refused; raises UnreachableError.

    ``matters``: only who brings certificates of an authority of his own may have one that this host does not know.
    """
    pid = containers.find(stack, "nginx")["pid"]
    refused, matters = "", True
    context = ssl.create_default_context(cafile=ca_file or None)
    try:
        try:
            status, seconds = _ask(pid, domain, path, context)
        except ssl.SSLCertVerificationError as error:
            refused = error.verify_message
            if certificate == "files" and error.verify_code in _UNKNOWN_AUTHORITY:
                refused, matters = _refused_otherwise(pid, domain, refused)
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            status, seconds = _ask(pid, domain, path, context)
    except (OSError, http.client.HTTPException) as error:
        said = str(error) or type(error).__name__
        raise inside.UnreachableError(f"nginx does not answer for {domain}{path}: {said}") from error
    return {
        "domain": domain,
        "path": path,
        "status": status,
        "seconds": seconds,
        "refused": refused,
        "matters": matters,
    }


def _ask(pid: int, domain: str, path: str, context: ssl.SSLContext) -> tuple[int, float]:
    begin = time.monotonic()
    with inside.tcp(pid, _PORT, _PATIENCE) as plain, context.wrap_socket(plain, server_hostname=domain) as secured:
        connection = http.client.HTTPConnection(domain, timeout=_PATIENCE)
        connection.sock = secured
        connection.request("GET", path, headers={"User-Agent": "firstbell-diagnose", "Connection": "close"})
        return connection.getresponse().status, time.monotonic() - begin


def _refused_otherwise(pid: int, domain: str, refused: str) -> tuple[str, bool]:
    """What else is wrong with a certificate of an unknown authority, as seen by who trusts just this one."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    with inside.tcp(pid, _PORT, _PATIENCE) as plain, unchecked.wrap_socket(plain, server_hostname=domain) as secured:
        shown = ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")
    trusting = ssl.create_default_context(cadata=shown)
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        with inside.tcp(pid, _PORT, _PATIENCE) as plain, trusting.wrap_socket(plain, server_hostname=domain):
            return refused, False
    except ssl.SSLCertVerificationError as error:
        return error.verify_message, True
