# SPDX-License-Identifier: GPL-3.0-or-later
"""The load of a drill against a server that is well, late, wrong or gone."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._core.rollout_drill import percentile
from ansible_collections.firstbell.stack.plugins.module_utils._io import steady_load

from unit.authority import self_signed


class Site(http.server.ThreadingHTTPServer):
    """``late``: seconds that an answer takes; ``status``: what it says."""

    daemon_threads = True
    request_queue_size = 128
    late = 0.0
    status = 200
    connections = 0


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Site

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        time.sleep(self.server.late)
        self.send_response(self.server.status)
        if self.path == "/pieces":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n0\r\n\r\n")
        else:
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, *_arguments: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("authority")
    self_signed(folder, "site.test")
    return folder


@pytest.fixture
def site(authority: Path) -> Iterator[Site]:
    server = Site(("127.0.0.1", 0), Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "ca.crt", authority / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def aim(site: Site, authority: Path, **more: Any) -> steady_load.Aim:
    values: dict[str, Any] = {
        "paths": ["/", "/pieces"],
        "rate": 40,
        "ca_file": str(authority / "ca.crt"),
        "patience": 20,
    }
    return steady_load.Aim(f"https://site.test:{site.server_address[1]}", "127.0.0.1", **{**values, **more})


def test_the_rate_is_kept_and_connections_are(site: Site, authority: Path) -> None:
    with steady_load.running(aim(site, authority)) as load:
        time.sleep(1.5)
    assert {answer.said for answer in load.answers} == {"200"}
    assert len(load.answers) >= 40
    dues = sorted(answer.due for answer in load.answers)
    assert all(later - sooner == pytest.approx(1 / 40, abs=1e-6) for sooner, later in zip(dues, dues[1:]))
    assert site.connections < len(load.answers) / 2


def test_a_late_answer_does_not_slow_the_load_down(site: Site, authority: Path) -> None:
    site.late = 0.4
    with steady_load.running(aim(site, authority)) as load:
        time.sleep(1.5)
    assert len(load.answers) >= 40
    assert percentile([answer.seconds for answer in load.answers], 0.5) >= 0.4


def test_waiting_for_a_connection_counts(site: Site, authority: Path) -> None:
    site.late = 0.2
    with steady_load.running(aim(site, authority, connections=1, patience=30)) as load:
        time.sleep(0.4)
    assert max(answer.seconds for answer in load.answers) > 0.6  # 40 a second arrive, 5 a second are answered


@pytest.mark.parametrize(("status", "late", "said"), [(503, 0, "503"), (200, 5, "TimeoutError")])
def test_what_is_wrong_is_told(site: Site, authority: Path, status: int, late: float, said: str) -> None:
    site.status, site.late = status, late
    with steady_load.running(aim(site, authority, rate=10, patience=0.5 if late else 20)) as load:
        time.sleep(0.5)
    assert {answer.said for answer in load.answers} == {said}
    assert not any(answer.good for answer in load.answers)


def test_nobody_there_and_a_stranger_are_failures_too(site: Site, authority: Path) -> None:
    gone = aim(site, authority, rate=10)
    site.server_close()
    with steady_load.running(gone) as load:
        time.sleep(0.3)
    assert {answer.said for answer in load.answers} <= {"ConnectionRefusedError", "ConnectionResetError"}


def test_who_cannot_be_trusted_ends_the_load_or_fails_each_request(site: Site, authority: Path) -> None:
    with steady_load.running(aim(site, authority, rate=10, ca_file="")) as load:
        time.sleep(2)  # it reads all certificates of the system first
    assert {answer.said for answer in load.answers} == {"SSLCertVerificationError"}
    with (
        pytest.raises(FirstbellError, match=r"the load on https://site\.test"),
        steady_load.running(aim(site, authority, ca_file="/nowhere.crt")),
    ):
        time.sleep(0.2)
