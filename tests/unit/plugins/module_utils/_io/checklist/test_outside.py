# SPDX-License-Identifier: GPL-3.0-or-later
"""The look from outside, at small real servers on this machine."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import outside

from unit.authority import self_signed

DOMAIN = "school.test"
BURST = 5


class Handler(BaseHTTPRequestHandler):
    """An edge of its own: one static file, a redirect, and a limit for sign-ins."""

    protocol_version = "HTTP/1.1"
    limited = True
    attempts = 0
    lock = threading.Lock()

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.headers["Host"] == "unknown.invalid":
            self.close_connection = True
            return
        if self.path == "/":
            self.answer(302, location="/home")
        elif self.path.startswith("/to-"):
            self.answer(302, location=f"https://{self.path[4:]}/home?next=1")
        elif self.path.partition("?")[0] == "/home":
            self.answer(200, b'<script src="/_next/static/a-1.js">', set_cookie="edge_replica=1; Secure")
        elif self.path == "/_next/static/a-1.js":
            self.answer(200, b"1", x_cache="HIT")
        else:
            self.answer(404)

    def do_POST(self) -> None:
        with Handler.lock:
            Handler.attempts += 1
            refused = Handler.limited and Handler.attempts > BURST
        self.answer(429 if refused else 302)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[outside.Site]:
    files = self_signed(tmp_path_factory.mktemp("site"), DOMAIN)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _number in range(2)]
    servers[1].socket = context.wrap_socket(servers[1].socket, server_side=True)
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield outside.Site("127.0.0.1", DOMAIN, *(server.server_address[1] for server in servers), files[0].read_text())
    for server in servers:
        server.shutdown()
        server.server_close()


def edge(**more: Any) -> dict[str, Any]:
    return {
        "aliases": ["www.school.test"],
        "static_paths": ["/_next/static/"],
        "readiness_path": "/home",
        "sign_in_path": "/login",
        "sign_in_burst": BURST,
        "sign_in_per_second": 1,
        **more,
    }


def test_open_ports_are_found_and_closed_ones_are_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        closed, opened = other.getsockname()[1], taken.getsockname()[1]
        other.close()
        assert outside.scan("127.0.0.1", [opened, closed]) == {"open": [opened], "tried": 2}


def test_many_ports_are_tried() -> None:
    assert outside.scan("127.0.0.1", range(1, 1500))["tried"] == 1499


def test_protocols_ciphers_and_the_certificate_are_read(site: outside.Site) -> None:
    seen = outside.tls(site)
    assert all("refused" in one for one in seen["old"].values())
    assert [one["version"] for one in seen["new"].values()] == ["TLSv1.2", "TLSv1.3"]
    assert "refused" in seen["weak"]
    assert seen["names"] == [DOMAIN]
    assert 99 < (seen["ends"] - seen["now"]) / 86400 < 101
    assert "version" in seen["stranger"]


def test_a_certificate_of_nobody_is_not_trusted(site: outside.Site) -> None:
    stranger = outside.Site(site.address, site.domain, site.http_port, site.https_port)
    seen = outside.tls(stranger)
    assert "self-signed" in seen["trusted"]["refused"]
    assert seen["ends"] == 0


def test_a_name_that_is_not_the_certificates_is_not_trusted(site: outside.Site) -> None:
    other = outside.Site(site.address, "other.test", site.http_port, site.https_port, site.authority)
    assert "other.test" in outside.tls(other)["trusted"]["refused"]


def test_a_visitors_first_steps(site: outside.Site) -> None:
    seen = outside.answers(site, edge(), {})
    assert (seen["path"], seen["page"]["status"], seen["ready"]["status"]) == ("/home", 200, 200)
    assert seen["page"]["cookies"] == ["edge_replica=1; Secure"]
    assert seen["asset"] == "/_next/static/a-1.js"
    assert [one["headers"]["x-cache"] for one in seen["static"]] == ["HIT", "HIT"]
    assert seen["private"]["status"] == 404
    assert seen["stranger"]["status"] == 0


@pytest.mark.parametrize(
    ("first", "path", "status"),
    [
        ("/to-school.test:8443", "/home?next=1", 200),
        ("/to-www.school.test", "/home?next=1", 200),
        ("/to-login.example.com", "/to-login.example.com", 302),
        ("/nowhere", "/nowhere", 404),
    ],
)
def test_the_first_page_may_have_a_path_and_lead_elsewhere(
    site: outside.Site, first: str, path: str, status: int
) -> None:
    seen = outside.answers(site, edge(), {"probe_path": first})
    assert (seen["path"], seen["page"]["status"]) == (path, status)


def test_this_machines_own_addresses_are_not_tried() -> None:
    assert outside.is_own("127.0.0.1")
    assert not outside.is_own("192.0.2.7")
    expected = {"edge": edge(domain=DOMAIN, http_port=1, https_port=1, certificate="", ca_file="")}
    seen, _errors = outside.gather(["scan"], ["127.0.0.1", ""], expected, {})
    assert seen["scan"] == {"127.0.0.1": {"open": [], "tried": 0, "own": True}}


def test_a_limit_is_met(site: outside.Site) -> None:
    Handler.limited, Handler.attempts = True, 0
    seen = outside.burst(site, edge())
    assert seen["limited"]
    assert seen["passed"] == BURST


def test_a_limit_that_is_not_there_is_missed(site: outside.Site) -> None:
    Handler.limited, Handler.attempts = False, 0
    seen = outside.burst(site, edge())
    assert not seen["limited"]
    assert seen["passed"] > 3 * BURST


def test_what_cannot_be_reached_is_an_error_and_the_others_go_on(site: outside.Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    expected = {
        "edge": edge(
            domain=DOMAIN, http_port=closed, https_port=closed, certificate="local_ca", ca_file="", aliases=[]
        ),
    }
    seen, errors = outside.gather(["tls", "site", "names"], ["127.0.0.1", ""], expected, {"authority": site.authority})
    assert seen["names"]["addresses"] == []
    assert set(errors) == {"site"}
    assert "refused" in errors["site"].lower()
    assert "refused" in seen["tls"]["trusted"]
