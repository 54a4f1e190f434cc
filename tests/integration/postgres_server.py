# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away PostgreSQL server that is reached over a Unix socket.

It is taken from the first of these that is there:

1. the image that ``FIRSTBELL_TEST_POSTGRES_IMAGE`` names, or else the newest
   ``firstbell/postgres`` of the engine: PostgreSQL 17 in a container without a network;
2. the newest ``/usr/lib/postgresql/<n>/bin`` of the machine, run as an ordinary user.

An image needs Debian's layout (``/usr/lib/postgresql/<n>/bin``), a shell for initdb, and nothing else.
``FIRSTBELL_TEST_POSTGRES_IMAGE=none`` leaves the containers out.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

IMAGE_VARIABLE = "FIRSTBELL_TEST_POSTGRES_IMAGE"
UID = 1001
START_TIMEOUT = 60
# A test server may forget everything at a crash; shared memory stays small beside others.
OPTIONS = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=40"]


@dataclass(frozen=True)
class Server:
    """A running server: ``socket`` is the directory of its socket, trusted for every role."""

    socket: str
    port: int = 5432
    user: str = "postgres"

    def login(self, database: str) -> dict[str, Any]:
        """The ``login_*`` options of a module."""
        return {
            "login_unix_socket": self.socket,
            "login_port": self.port,
            "login_user": self.user,
            "login_db": database,
        }

    def connect(self, database: str = "postgres", user: str = "") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.socket, port=self.port, user=user or self.user, dbname=database, autocommit=True
        )

    @contextlib.contextmanager
    def database(self, name: str, owner: str = "") -> Iterator[str]:
        """An empty database of that name, dropped afterwards."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"' + (f' OWNER "{owner}"' if owner else ""))
        try:
            yield name
        finally:
            with self.connect() as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server for as long as the context lasts; raises RuntimeError where none can be had."""
    image = find_image()
    start = _container if image else _local
    directory = pathlib.Path(tempfile.mkdtemp(prefix="firstbell-postgres-"))
    directory.chmod(0o755)
    try:
        with start(directory, image) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def find_image() -> str:
    """The image to run, or nothing."""
    wanted = os.environ.get(IMAGE_VARIABLE, "")
    if wanted:
        return "" if wanted == "none" else wanted
    if not shutil.which("docker"):
        return ""
    command = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "firstbell/postgres"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return (listed.stdout.split() or [""])[0]


def _wait(server: Server, alive: Callable[[], str]) -> Server:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        problem = _refusal(server)
        if not problem:
            return server
        ended = alive()
        if ended or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL does not start: {problem}\n{ended}")
        time.sleep(0.1)


def _refusal(server: Server) -> str:
    try:
        server.connect().close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


@contextlib.contextmanager
def _container(directory: pathlib.Path, image: str) -> Iterator[Server]:
    for name in ("data", "socket"):
        (directory / name).mkdir()
        os.chown(directory / name, UID, UID)
    (directory / "socket").chmod(0o777)
    (directory / "passwd").write_text(f"root:x:0:0::/:/bin/sh\npostgres:x:{UID}:{UID}::/:/bin/sh\n", encoding="utf-8")
    common = [
        *("--user", f"{UID}:{UID}", "--network", "none", "--shm-size", "256m"),
        *("-v", f"{directory}/data:/data", "-v", f"{directory}/socket:/socket"),
        *("-v", f"{directory}/passwd:/etc/passwd:ro"),
    ]
    bindir = _bindir_of(image)
    initdb = ["--entrypoint", f"{bindir}/initdb", image, "-D", "/data", "-U", "postgres", "-A", "trust", "-N"]
    _run("docker", "run", "--rm", *common, *initdb, "-E", "UTF8", "--locale=C.UTF-8")
    postgres = ["--entrypoint", f"{bindir}/postgres", image, "-D", "/data", "-k", "/socket", *OPTIONS]
    # The directory's name is the container's, too: what a killed run leaves behind can be recognized.
    container = _run("docker", "run", "-d", "--name", directory.name, *common, *postgres).strip()

    def alive() -> str:
        state = _run("docker", "inspect", "-f", "{{.State.Running}}", container).strip()
        return "" if state == "true" else _run("docker", "logs", container)

    try:
        yield _wait(Server(f"{directory}/socket"), alive)
    finally:
        _run("docker", "rm", "-f", "-v", container)


def _bindir_of(image: str) -> str:
    """The directory of the server's programs, found without starting anything."""
    container = _run("docker", "create", image, "-").strip()
    try:
        with subprocess.Popen(
            ["docker", "cp", f"{container}:/usr/lib/postgresql", "-"], stdout=subprocess.PIPE
        ) as copying:
            assert copying.stdout is not None
            listed = subprocess.run(["tar", "-t"], stdin=copying.stdout, capture_output=True, text=True, check=True)
    finally:
        _run("docker", "rm", "-f", container)
    found = re.findall(r"^postgresql/(\d+)/bin/postgres$", listed.stdout, flags=re.MULTILINE)
    if not found:
        raise RuntimeError(f"{image} has no /usr/lib/postgresql/<n>/bin/postgres")
    return f"/usr/lib/postgresql/{max(found, key=int)}/bin"


@contextlib.contextmanager
def _local(directory: pathlib.Path, _image: str) -> Iterator[Server]:
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if not versions:
        raise RuntimeError(
            "no PostgreSQL for the tests: build the image firstbell/postgres, or apt-get install postgresql"
        )
    bindir = versions[-1].parent
    account = _ordinary_user()
    if account is not None:
        os.chown(directory, account.pw_uid, account.pw_gid)
    who: dict[str, Any] = (
        {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    )
    _run(str(bindir / "initdb"), "-D", f"{directory}/data", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", **who)
    log = directory / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [bindir / "postgres", "-D", f"{directory}/data", "-k", str(directory), *OPTIONS],
            stdout=output,
            stderr=output,
            cwd=directory,
            **who,
        )

    def alive() -> str:
        return "" if server.poll() is None else log.read_text(errors="replace")

    try:
        yield _wait(Server(str(directory)), alive)
    finally:
        server.terminate()
        server.wait(timeout=START_TIMEOUT)


def _ordinary_user() -> pwd.struct_passwd | None:
    """Whom to run the server as: nobody else than us, unless that is root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def _run(*command: str, **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", **options
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout
