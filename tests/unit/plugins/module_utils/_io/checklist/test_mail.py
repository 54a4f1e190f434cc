# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server that is asked whether it would take an alert."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import mail

from unit.authority import self_signed

PASSWORD = "right"


class Server(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as is asked of it, and remembers what it was told."""

    allow_reuse_address = True
    daemon_threads = True
    context: ssl.SSLContext
    heard: list[str]
    offers_tls = True


class Conversation(socketserver.StreamRequestHandler):
    server: Server

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self) -> None:
        self.say("220 mail.test")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            self.server.heard.append(word)
            if word == "EHLO":
                self.say("250-mail.test")
                self.say("250-AUTH PLAIN")
                self.say("250 STARTTLS" if self.server.offers_tls else "250 8BITMIME")
            elif word == "STARTTLS":
                self.say("220 go")
                self.request = self.server.context.wrap_socket(self.request, server_side=True)
                self.setup()
            elif word == "AUTH":
                right = base64.b64decode(line.split()[2]).split(b"\0")[2] == PASSWORD.encode()
                self.say("235 ok" if right else "535 5.7.8 the password has expired")
            elif word == "RCPT":
                self.say("250 ok" if "head@school.test" in line else "550 5.1.1 nobody of that name")
            else:
                self.say("221 bye" if word == "QUIT" else "250 ok")


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("mail"), "localhost")


@pytest.fixture(name="certificate")
def _certificate(files: tuple[Path, Path]) -> Path:
    return files[0]


@pytest.fixture(name="server")
def _server(files: tuple[Path, Path]) -> Iterator[Server]:
    with Server(("localhost", 0), Conversation) as server:
        server.heard = []
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(*files)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def refusal(server: Server, certificate: Path, password: str = PASSWORD, **more: Any) -> str:
    expected = {
        "host": "localhost",
        "port": server.server_address[1],
        "user": "school",
        "sender": "school@school.test",
        "recipient": "head@school.test",
        "authority": str(certificate),
    }
    return mail.refusal({**expected, **more}, password)


def test_a_mail_that_would_be_taken_is_not_sent(server: Server, certificate: Path) -> None:
    assert refusal(server, certificate) == ""
    assert server.heard == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RSET", "QUIT"]


def test_without_an_account_nobody_signs_in(server: Server, certificate: Path) -> None:
    assert refusal(server, certificate, user="") == ""
    assert "AUTH" not in server.heard


def test_a_password_that_has_expired_is_told_in_the_servers_words(server: Server, certificate: Path) -> None:
    assert refusal(server, certificate, password="old") == "535 5.7.8 the password has expired"


def test_a_recipient_that_is_unknown_is_told(server: Server, certificate: Path) -> None:
    for recipients in ("gone@school.test", "head@school.test, gone@school.test"):
        assert refusal(server, certificate, recipient=recipients) == "550 5.1.1 nobody of that name"


def test_a_certificate_that_is_not_trusted_is_told(server: Server, certificate: Path) -> None:
    assert refusal(server, certificate, authority="").startswith("SSLCertVerificationError: ")


def test_a_server_without_encryption_is_told(server: Server, certificate: Path) -> None:
    server.offers_tls = False
    assert "STARTTLS" in refusal(server, certificate)


def test_a_server_that_is_not_there_is_told(server: Server, certificate: Path) -> None:
    server.shutdown()
    server.server_close()
    assert refusal(server, certificate).startswith("ConnectionRefusedError")


def test_a_name_that_only_containers_know_says_nothing(server: Server, certificate: Path) -> None:
    assert refusal(server, certificate, host="mail.invalid") == ""


def test_nobody_is_asked_where_mail_goes_nowhere() -> None:
    assert mail.gather("school", {}) == ""
