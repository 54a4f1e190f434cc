# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the mail server would take an alert, asked as Alertmanager would, up to the moment before the first word."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from ..operations import containers, inside

_TIMEOUT = 20.0
#: There TLS comes first, as Alertmanager does it; elsewhere STARTTLS.
_IMPLICIT_TLS = 465
_OK = 250
_PASSWORD = "/run/secrets/smtp_password"  # noqa: S105 - a path


def gather(stack: str, expected: Mapping[str, Any]) -> str:
    """Why the server refuses; empty where it does not, where mail goes nowhere, or Alertmanager does not run."""
    running = containers.find_all(stack, "alertmanager") if expected else []
    if not running:
        return ""
    password = inside.read(running[0]["pid"], _PASSWORD) if expected["user"] else ""
    return refusal(expected, password)


def refusal(expected: Mapping[str, Any], password: str) -> str:
    """What the server says against a mail from the stack to those who are to be told; nothing is sent."""
    host, port = str(expected["host"]), int(expected["port"])
    try:
        socket.getaddrinfo(host, port)
    except socket.gaierror:
        return ""  # a name that only the containers know
    try:
        context = ssl.create_default_context(cafile=expected["authority"] or None)
        with _connection(host, port, context) as server:
            if expected["user"]:
                server.login(expected["user"], password)
            server.ehlo_or_helo_if_needed()
            answers = [server.mail(expected["sender"])]
            answers += [server.rcpt(one.strip()) for one in expected["recipient"].split(",")]
            for code, said in answers:
                if code != _OK:
                    return f"{code} {said.decode('utf-8', 'replace')}"
            with contextlib.suppress(smtplib.SMTPException):
                server.rset()
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("utf-8", "replace")
        return f"{error.smtp_code} {said}"
    except (OSError, smtplib.SMTPException) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _connection(host: str, port: int, context: ssl.SSLContext) -> smtplib.SMTP:
    if port == _IMPLICIT_TLS:
        return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT, context=context)
    server = smtplib.SMTP(host, port, timeout=_TIMEOUT)
    try:
        server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server
