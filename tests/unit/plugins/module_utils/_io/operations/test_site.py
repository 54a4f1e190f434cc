# SPDX-License-Identifier: GPL-3.0-or-later
"""The site as a visitor gets it, of a real server."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.operations import inside, site

from unit.authority import self_signed

DOMAIN = "school.test"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if (self.path, self.headers["Host"]) == ("/", DOMAIN) else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("site"), DOMAIN)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """nginx is this process, in the network that it has."""
    monkeypatch.setattr(site.containers, "find", lambda _stack, _service: {"pid": os.getpid()})
    monkeypatch.setattr(
        site.inside, "tcp", lambda _pid, port, timeout: socket.create_connection(("127.0.0.1", port), timeout)
    )


@pytest.fixture
def server(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        made.socket = context.wrap_socket(made.socket, server_side=True)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        monkeypatch.setattr(site, "_PORT", made.server_address[1])
        yield
        made.shutdown()


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("asked", "kind", "trusted", "wanted"),
    [
        ((DOMAIN, "/"), "local_ca", True, (200, "", True)),
        ((DOMAIN, "/broken"), "local_ca", True, (503, "", True)),
        ((DOMAIN, "/"), "acme", False, (200, "self-signed certificate", True)),
        ((DOMAIN, "/"), "files", False, (200, "self-signed certificate", False)),
        # The unknown authority does not hide that the name is wrong.
        (("other.test", "/"), "files", False, (503, "Hostname mismatch", True)),
        (("other.test", "/"), "local_ca", True, (503, "Hostname mismatch", True)),
    ],
)
def test_status_and_certificate(
    certificate: tuple[Path, Path], asked: tuple[str, str], kind: str, trusted: bool, wanted: tuple[int, str, bool]
) -> None:
    found = site.gather("school", *asked, kind, str(certificate[0]) if trusted else "")
    assert (found["status"], found["refused"].partition(",")[0], found["matters"]) == wanted
    assert found["seconds"] < 2


def test_one_that_is_frozen_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "_PATIENCE", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(site, "_PORT", silent.getsockname()[1])
        with pytest.raises(inside.UnreachableError, match=r"nginx does not answer for school.test/: .*timed out"):
            site.gather("school", DOMAIN, "/", "acme", "")
