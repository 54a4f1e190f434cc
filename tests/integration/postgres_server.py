# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away PostgreSQL server that is reached over a Unix socket.

``running()`` gives the version that the stack deploys, from the first of these that is there:

1. the image that ``FIRSTBELL_TEST_POSTGRES_IMAGE`` names, or else the newest
   ``firstbell/postgres`` of the engine;
2. an image of the tests' own, made from Debian's packages (``postgres_images``);
3. without an engine, the newest ``/usr/lib/postgresql/<n>/bin`` of the machine, run as an ordinary user.

``running(18)`` gives that version, always from an image of the tests' own.

An image needs Debian's layout (``/usr/lib/postgresql/<n>/bin``), a shell for initdb, and nothing else.
``FIRSTBELL_TEST_POSTGRES_IMAGE=none`` leaves the containers out, and with them every other version.
The server sees its directory under the path that it has on this machine.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from integration import postgres_images

#: Oldest and newest of Debian's suites, and between them what the stack deploys.
DEPLOYED = 17
VERSIONS = (min(postgres_images.SUITES), DEPLOYED, max(postgres_images.SUITES))
IMAGE_VARIABLE = "FIRSTBELL_TEST_POSTGRES_IMAGE"
UID = 1001
START_TIMEOUT = 60
# A test server may forget everything at a crash; shared memory stays small beside others.
# They stand in its file, so that its command line is free.
SETTINGS = """
listen_addresses = '{addresses}'
unix_socket_directories = '{socket}'
fsync = off
shared_buffers = 32MB
max_connections = 40
timezone = 'UTC'
log_timezone = 'UTC'
"""


@dataclass(frozen=True)
class Server:
    """A running server: ``socket`` is the directory of its socket, trusted for every role.

    ``data`` is its data directory, ``address`` where it has one that of its container.
    """

    socket: str
    data: pathlib.Path
    launch: Callable[..., None] = field(repr=False, compare=False)
    port: int = 5432
    user: str = "postgres"
    address: str = ""

    @property
    def major(self) -> int:
        with self.connect() as connection:
            return connection.info.server_version // 10000

    def restart(self, *options: str, environment: dict[str, str] | None = None) -> None:
        """Stop it and start it again, with these options on its command line and no others."""
        self.launch(options, environment or {})

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
def running(major: int | None = None, network: str = "none") -> Iterator[Server]:
    """A server for as long as the context lasts; raises RuntimeError where none can be had."""
    image = postgres_images.image(major) if major else find_image()
    start = _container if image else _local
    directory = pathlib.Path(tempfile.mkdtemp(prefix="firstbell-postgres-"))
    directory.chmod(0o755)
    try:
        with start(directory, image, network) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def find_image() -> str:
    """The image to run what the stack deploys, or nothing."""
    wanted = os.environ.get(IMAGE_VARIABLE, "")
    if wanted:
        return "" if wanted == "none" else wanted
    if not shutil.which("docker"):
        return ""
    command = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "firstbell/postgres"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        return ""
    return (listed.stdout.split() or [postgres_images.image(DEPLOYED)])[0]


def _wait(server: Server, alive: Callable[[], str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        problem = _refusal(server)
        if not problem:
            return
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
def _container(directory: pathlib.Path, image: str, network: str) -> Iterator[Server]:
    for name in ("data", "socket"):
        (directory / name).mkdir()
        os.chown(directory / name, UID, UID)
    (directory / "socket").chmod(0o777)
    (directory / "passwd").write_text(f"root:x:0:0::/:/bin/sh\npostgres:x:{UID}:{UID}::/:/bin/sh\n", encoding="utf-8")
    # The directory's name is the container's, too: what a killed run leaves behind can be recognized.
    container = directory.name
    common = [
        *("--user", f"{UID}:{UID}", "--network", network, "--shm-size", "256m"),
        *("-v", f"{directory}:{directory}", "-v", f"{directory}/passwd:/etc/passwd:ro"),
    ]
    bindir = postgres_images.bindir(image)
    data, socket = f"{directory}/data", f"{directory}/socket"
    initdb = ["--entrypoint", f"{bindir}/initdb", image, "-D", data, "-U", "postgres", "-A", "trust", "-N"]
    _run("docker", "run", "--rm", *common, *initdb, "-E", "UTF8", "--locale=C.UTF-8")
    _configure(directory / "data", socket, "" if network == "none" else "*")

    def alive() -> str:
        state = _run("docker", "inspect", "-f", "{{.State.Running}}", container).strip()
        return "" if state == "true" else _run("docker", "logs", container)

    def launch(options: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> None:
        with contextlib.suppress(RuntimeError):
            _run("docker", "stop", container)
        with contextlib.suppress(RuntimeError):
            _run("docker", "rm", "-f", "-v", container)
        variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        postgres = ["--entrypoint", f"{bindir}/postgres", image, "-D", data, *options]
        _run("docker", "run", "-d", "--name", container, "--stop-signal", "INT", *variables, *common, *postgres)
        _wait(Server(socket, directory / "data", launch), alive)

    try:
        launch()
        address = _run("docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", container).strip()
        yield Server(socket, directory / "data", launch, address=address)
    finally:
        _run("docker", "rm", "-f", "-v", container)


@contextlib.contextmanager
def _local(directory: pathlib.Path, _image: str, _network: str) -> Iterator[Server]:
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if not versions:
        raise RuntimeError("no PostgreSQL for the tests: run a Docker engine, or apt-get install postgresql")
    bindir = versions[-1].parent
    account = _ordinary_user()
    if account is not None:
        os.chown(directory, account.pw_uid, account.pw_gid)
    who: dict[str, Any] = (
        {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    )
    data, log = directory / "data", directory / "log"
    _run(str(bindir / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", **who)
    _configure(data, str(directory), "")
    running: list[subprocess.Popen[bytes]] = []

    def alive() -> str:
        return "" if running[-1].poll() is None else log.read_text(errors="replace")

    def stop() -> None:
        for process in running:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=START_TIMEOUT)
        running.clear()

    def launch(options: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> None:
        stop()
        with log.open("wb") as output:
            command = [bindir / "postgres", "-D", data, *options]
            variables = {**os.environ, **(environment or {})}
            running.append(subprocess.Popen(command, stdout=output, stderr=output, cwd=directory, env=variables, **who))
        _wait(Server(str(directory), data, launch), alive)

    try:
        launch()
        yield Server(str(directory), data, launch)
    finally:
        stop()


def _configure(data: pathlib.Path, socket: str, addresses: str) -> None:
    with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write(SETTINGS.format(socket=socket, addresses=addresses))


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
