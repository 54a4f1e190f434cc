# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator of the load tests against a real HTTPS server that answers, stalls, refuses and breaks off."""

from __future__ import annotations

import dataclasses
import datetime
import fcntl
import importlib.util
import ipaddress
import json
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.load import verdict
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

#: The machine of the tests has other things to do as well.
PATIENT = verdict.Targets(p95_seconds=5.0, late_p99_seconds=1.0)
ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "load.test"
#: So few users that each has its connection already.
FEW = {"users": 5, "rates": {"page": 20.0}, "students": 1}
SERVER = """
import asyncio, ssl, sys

stalled = asyncio.Event()
seen = set()

async def handle(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode()
            path = head.split()[1]
            seen.update(line for line in head.splitlines() if line.lower().startswith("x-forwarded-for"))
            body = str(len(seen)).encode()
            if path == "/stall":  # everything waits, as behind one thread that is busy
                stalled.set()
                asyncio.get_running_loop().call_later(1.5, stalled.clear)
            while stalled.is_set():
                await asyncio.sleep(0.01)
            if path == "/broken":
                writer.close()
                return
            if path == "/slow":
                await asyncio.sleep(0.02)
            status = {"/refused": "429 Too Many Requests", "/nothing": "204 No Content",
                      "/known": "304 Not Modified"}.get(path, "200 OK")
            if path in ("/large", "/chunked", "/until-closed"):
                body = b"x" * 300_000
            elif path == "/leaves":
                body = b"x"
            fields = "Date: Sun, 29 Nov 2026 04:00:00 GMT\\r\\n"
            if path == "/chunked":
                fields += "Transfer-Encoding: chunked\\r\\n"
            elif path not in ("/nothing", "/until-closed"):
                fields += f"Content-Length: {len(body)}\\r\\n"
            writer.write(f"HTTP/1.1 {status}\\r\\n{fields}\\r\\n".encode())
            if path == "/chunked":
                for start in range(0, len(body), 7000):
                    part = body[start:start + 7000]
                    writer.write(f"{len(part):x}\\r\\n".encode() + part + b"\\r\\n")
                    await writer.drain()
                writer.write(b"0\\r\\n\\r\\n")
            elif not head.startswith("HEAD") and path not in ("/nothing", "/known"):
                writer.write(body)
            await writer.drain()
            if path in ("/until-closed", "/leaves"):
                writer.close()
                return
    except (asyncio.IncompleteReadError, ConnectionError):
        pass

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
USER = """
import itertools, time
from locust import FastHttpUser, task

turn = itertools.count(1)

class Person(FastHttpUser):
    @task
    def page(self):
        {task}
"""
PAGE = "self.client.get({path}, name='page')"
#: One request so that there is a connection, and one whose answer is looked at.
WHOLE = """self.client.get("/")
        with self.client.request({method!r}, {path!r}, catch_response=True) as answer:
            if len(answer.content or b"") != {size}:
                answer.failure(f"{{len(answer.content or b'')}} bytes")"""
#: One that takes 20 ms, then two that are answered at once.
THREE = """self.client.get("/slow")
        for _ in "12":
            self.client.get("/")"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """Port and authority of the server."""
    folder = tmp_path_factory.mktemp("server")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName(DOMAIN), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = certificate.public_bytes(serialization.Encoding.PEM).decode()
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
    (folder / "both.pem").write_text(private + authority, encoding="utf-8")
    command = [sys.executable, "-c", SERVER, str(folder / "both.pem")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), authority
        finally:
            process.kill()


@pytest.fixture
def generate(server: tuple[int, str], tmp_path: Path) -> Any:
    """Run it with a scenario file whose one scenario asks for ``path``, a Python expression."""

    def run(path: str, rate: float = 100.0, seconds: float = 3.0, task: str = PAGE, **changes: Any) -> Any:
        scenarios = tmp_path / "scenarios.py"
        scenarios.write_text(USER.replace("{task}", task.replace("{path}", path)), encoding="utf-8")
        port, authority = server
        wish = {
            "mode": "load_test",
            "scenarios": str(scenarios),
            "domain": DOMAIN,
            "address": "127.0.0.1",
            "port": port,
            "authority": authority,
            "header": "X-Forwarded-For",
            "load": {"users": 50, "rates": {"page": rate}, "students": 1},
            "named": ["page"],
            "users": 50,
            "most_users": 200,
            "most_seconds": 60,
            "password": "",
            "targets": {},
            "seconds": seconds,
            "warm": 0.5,
            **changes,
        }
        command = [sys.executable, str(ROOT / "roles/load_test/files/generate.py")]
        return subprocess.run(command, input=json.dumps(wish), capture_output=True, text=True, check=False, timeout=90)

    return run


@pytest.fixture(scope="module")
def wire() -> Any:
    """What the generator has of sockets and of the clock."""
    spec = importlib.util.spec_from_file_location("wire", ROOT / "roles" / "load_test" / "files" / "wire.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def step_of(done: Any) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == []
    found: dict[str, Any] = report["steps"][-1]
    return found


def test_as_many_requests_are_sent_as_were_planned(generate: Any) -> None:
    step = step_of(generate("'/'", seconds=2.0))
    page = step["scenarios"]["page"]
    assert step["sent"] == step["planned"]["page"] == page["requests"] == 200
    assert (page["errors"], page["messages"]) == (0, {})
    assert verdict.holds(step, PATIENT)


def test_a_stall_is_seen_by_all_whom_it_would_have_met(generate: Any) -> None:
    """One request of 100/s stalls the server for 1.5 s of 3: half of all requests come late, not one.

    So many users that more requests wait than there are threads.
    """
    path = "'/stall' if next(turn) == 150 else '/'"
    step = step_of(generate(path, load={"users": 150, "rates": {"page": 100.0}, "students": 1}, users=150))
    page = step["scenarios"]["page"]
    assert page["requests"] == 300
    assert page["p50_seconds"] < page["p95_seconds"]
    assert page["p95_seconds"] > 1.2
    assert not verdict.invalid(step, PATIENT)
    assert [name for name, _said in verdict.problems(step, verdict.Targets())] == ["page"]


def test_what_fails_is_counted_and_said(generate: Any) -> None:
    path = "['/', '/', '/', '/', '/refused', '/', '/', '/', '/', '/broken'][next(turn) % 10]"
    page = step_of(generate(path, seconds=1.0))["scenarios"]["page"]
    assert 18 <= page["errors"] <= 22
    assert sum(count for message, count in page["messages"].items() if "429" in message) in range(8, 13)
    assert all(message.startswith("page: ") for message in page["messages"])


def test_a_generator_that_is_too_slow_says_so(generate: Any) -> None:
    spin = "[None for end in [time.perf_counter() + 0.02] for _ in iter(lambda: time.perf_counter() < end, False)]"
    busy = f"'/' if {spin} else '/'"
    assert "invalid" in verdict.invalid(step_of(generate(busy, seconds=2.0)), verdict.Targets())


def test_what_the_generator_does_before_its_moment_is_not_counted(generate: Any) -> None:
    """Each request takes 8 ms to be made ready here, and the server answers at once."""
    spin = "[None for end in [time.perf_counter() + 0.008] for _ in iter(lambda: time.perf_counter() < end, False)]"
    step = step_of(generate(f"'/' if {spin} else '/'", load=FEW, seconds=4.0))
    assert step["scenarios"]["page"]["p50_seconds"] < 0.008


def test_each_request_of_a_scenario_counts_from_its_own_beginning(generate: Any) -> None:
    page = step_of(generate("", task=THREE, load=FEW, seconds=4.0))
    times = page["scenarios"]["page"]
    assert times["requests"] == 240
    assert times["p50_seconds"] < 0.015
    assert times["p95_seconds"] > 0.02


@pytest.mark.parametrize(
    ("method", "path", "size"),
    [
        ("GET", "/large", 300_000),
        ("GET", "/chunked", 300_000),
        ("GET", "/until-closed", 300_000),
        ("GET", "/nothing", 0),
        ("GET", "/known", 0),
        ("HEAD", "/large", 0),
        ("GET", "/leaves", 1),
    ],
)
def test_an_answer_is_read_to_its_end(generate: Any, method: str, path: str, size: int) -> None:
    """Whatever it is whose end it has; and a server that hangs up after an answer is asked over a new connection."""
    task = WHOLE.format(method=method, path=path, size=size)
    page = step_of(generate("", task=task, load=FEW, seconds=1.0))
    times = page["scenarios"]["page"]
    assert (times["requests"], times["errors"]) == (40, 0), times["messages"]
    assert times["p99_seconds"] < 1


def test_a_second_generator_says_the_same(generate: Any, server: tuple[int, str], tmp_path: Path) -> None:
    port, authority = server
    (tmp_path / "ca.crt").write_text(authority, encoding="utf-8")
    program = ROOT / "tests" / "benchmark" / "second_generator.py"
    options = [f"--port={port}", f"--domain={DOMAIN}", "--path=/slow", "--address=127.0.0.1", "--seconds=6"]
    command = [sys.executable, str(program), *options, f"--ca-file={tmp_path / 'ca.crt'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        page = step_of(generate("'/slow'", load=FEW, seconds=5.0))["scenarios"]["page"]
        second = json.loads(process.communicate()[0])
    assert second["errors"] == page["errors"] == 0
    assert page["p50_seconds"] == pytest.approx(second["p50_seconds"], rel=0.1)


@pytest.fixture
def files_at_most(request: pytest.FixtureRequest) -> Iterator[None]:
    """So many files may be open, as long as nobody asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (request.param, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("files_at_most", [100], indirect=True)
@pytest.mark.usefixtures("files_at_most")
def test_more_users_have_connections_than_a_process_may_open_files_at_first(generate: Any) -> None:
    done = generate("'/'", load={"users": 150, "rates": {"page": 100.0}, "students": 1}, users=150)
    page = step_of(done)["scenarios"]["page"]
    assert (page["requests"], page["errors"]) == (300, 0), page["messages"]


@pytest.mark.parametrize("files_at_most", [2048], indirect=True)
@pytest.mark.usefixtures("files_at_most")
def test_a_connection_is_kept_whatever_the_number_of_its_file(wire: Any) -> None:
    """select knows 1024 files, and a thousand users have a connection each."""
    here, there = socket.socketpair()
    high = socket.socket(fileno=fcntl.fcntl(here, fcntl.F_DUPFD, 1024))
    with here, there, high:
        assert high.fileno() >= 1024
        assert wire.is_open(None, high)
        there.send(b"x")
        assert not wire.is_open(None, high)
        there.close()
        high.recv(1)
        assert not wire.is_open(None, high)
    assert not wire.is_open(None, high)
    assert not wire.is_open(None, None)


def test_a_name_is_looked_up_once(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("gevent.socket.getaddrinfo", None)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **_options: asked.append(arguments) or ["found"])
    wire.pin(DOMAIN, "192.0.2.1")
    assert [socket.getaddrinfo(DOMAIN, 443), socket.getaddrinfo(DOMAIN.encode(), 443)] == [["found"]] * 2
    assert asked == [("192.0.2.1", 443)]


def test_no_other_host_is_asked(generate: Any) -> None:
    page = step_of(generate("'https://example.org/'", rate=10.0, seconds=1.0))["scenarios"]["page"]
    assert page["errors"] == page["requests"] > 0
    assert all("a load test only asks load.test" in message for message in page["messages"])


def test_a_scenario_without_a_rate_is_refused(generate: Any) -> None:
    done = generate("'/'", named=[])
    assert done.returncode == 1
    assert done.stderr == "load_test_rates: page has no rate; give it one, or 0\n"


def test_a_certificate_of_nobody_is_refused(generate: Any) -> None:
    done = generate("'/'", authority="")
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "certificate verify failed" in done.stderr


def test_the_script_for_k6_can_be_read(tmp_path: Path) -> None:
    node = shutil.which("node")
    if not node:
        pytest.skip("there is no Node.js on this machine")
    script = tmp_path / "morning_peak.mjs"
    shutil.copy(ROOT / "roles/load_test/files/morning_peak.k6.js", script)
    subprocess.run([node, "--check", str(script)], check=True)


def test_a_search_takes_more_and_more_users(generate: Any) -> None:
    done = generate("'/'", mode="capacity", rate=20.0, seconds=1.0, targets=dataclasses.asdict(PATIENT))
    report = json.loads(done.stdout)
    assert [step["users"] for step in report["steps"]] == [50, 80, 120, 180, 200]
    assert [round(step["planned"]["page"] / step["users"], 1) for step in report["steps"]] == [0.4] * 5
