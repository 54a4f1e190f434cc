# SPDX-License-Identifier: GPL-3.0-or-later
"""Receives alerts by webhook (8080) and by mail (587, or 465 with TLS from the start), and writes them down.

receiver.py [DIRECTORY [PORT]]: one line of JSON for each, with the time, in ``received.jsonl`` of the directory. There
are also ``tls.crt`` and ``tls.key``, and the password of the user ``drill``. A mail is taken only over TLS and from
who has signed in. ``/slow`` answers after three seconds; port 8443 serves the same over TLS.
"""

from __future__ import annotations

import email
import email.policy
import hmac
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER = "drill"
SLOW_SECONDS = 3.0
TLS_PORT, MAIL_PORT = 465, 587
_GIVEN = dict(enumerate(sys.argv))
PLACE, PORT = Path(_GIVEN.get(1, "/var/lib/receiver")), int(_GIVEN.get(2, MAIL_PORT))
_LOCK = threading.Lock()


def note(**line: Any) -> None:
    """Append a line, in one piece."""
    with _LOCK, (PLACE / "received.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"at": round(time.time(), 3), **line}) + "\n")


class Pages(BaseHTTPRequestHandler):
    """Webhooks of Alertmanager, and pages to be looked at."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        note(way="webhook", path=self.path, alerts=body["alerts"])
        self._answer()

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(SLOW_SECONDS)
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_what: Any) -> None:
        """Nothing: what counts is in the file."""


class Mails:
    """Takes every mail that the server lets through."""

    async def handle_DATA(  # noqa: N802 - the server calls it so
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        body = message.get_body(("plain", "html"))
        note(
            way="mail",
            subject=str(message["subject"]),
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            tls=session.ssl is not None or PORT == TLS_PORT,
            user=str(session.auth_data or ""),
            text=body.get_content() if body else "",
        )
        return "250 taken"


def signed_in(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: LoginPassword
) -> AuthResult:
    """One user, whose password is in a file."""
    password = (PLACE / "password").read_bytes().strip()
    known = given.login == USER.encode() and hmac.compare_digest(given.password, password)
    if not known:
        note(way="refused", user=given.login.decode(errors="replace"))
    return AuthResult(success=known, handled=False, auth_data=USER if known else None)


def main() -> None:
    """Serve until the end."""
    # As other mail servers ask, and as clients want to be asked.
    SMTP.AuthLoginUsernameChallenge, SMTP.AuthLoginPasswordChallenge = "Username:", "Password:"
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(PLACE / "tls.crt", PLACE / "tls.key")
    wrapped = PORT == TLS_PORT
    Controller(
        Mails(),
        hostname="0.0.0.0",  # noqa: S104 - in a network of its own
        port=PORT,
        ssl_context=tls if wrapped else None,
        tls_context=None if wrapped else tls,
        require_starttls=not wrapped,
        auth_require_tls=not wrapped,
        auth_required=True,
        authenticator=signed_in,
    ).start()
    secure = ThreadingHTTPServer(("", 8443), Pages)
    secure.socket = tls.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("", 8080), Pages).serve_forever()


if __name__ == "__main__":
    main()
