# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers for the experiments: a database with limits, its pool, and clients, on a network of their own."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker
import psycopg

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from integration import postgres_images  # noqa: E402

sys.path.insert(0, str(ROOT / ".collections"))
from ansible_collections.firstbell.stack.plugins.module_utils._core.load import cgroups  # noqa: E402
from ansible_collections.firstbell.stack.plugins.module_utils._core.sizing import sizing  # noqa: E402

UID = 1001
POOL = 20
_PATIENCE = 60
DEFAULTS: Mapping[str, object] = {}
_LEFT_OUT = ("archive_", "log_", "shared_preload", "ssl", "huge_pages")


def profile(name: str = "small", memory: str = "4GB", cpus: int = 2) -> dict[str, object]:
    """PostgreSQL's settings of a plan, without those that need the stack's files."""
    settings = sizing(name, memory, cpus).postgres_settings
    return {key: value for key, value in settings.items() if not key.startswith(_LEFT_OUT)}


class Lab:
    """One database, and a pool before it where one is started."""

    def __init__(self, directory: Path) -> None:
        self.engine = docker.from_env()
        self.directory = directory
        self.image = self.bin = ""
        self.password = secrets.token_hex(16)
        self.network: Any = None
        self.server: Any = None
        self.pool: Any = None

    def _prepare(self) -> None:
        """Image, network and an empty database, when the first experiment wants one."""
        directory = self.directory
        self.image = postgres_images.image(17)
        self.bin = postgres_images.bindir(self.image)
        self.network = self.engine.networks.create(directory.name, driver="bridge")
        people = f"root:x:0:0::/:/bin/sh\npostgres:x:{UID}:{UID}::/:/bin/sh\n"
        (directory / "passwd").write_text(people, encoding="utf-8")
        for name in ("data", "socket", "pool"):
            (directory / name).mkdir()
            os.chown(directory / name, UID, UID)
        (directory / "secret").write_text(self.password, encoding="utf-8")
        initdb = [f"{self.bin}/initdb", "-D", f"{directory}/data", "-U", "postgres", "-A", "scram-sha-256", "-N"]
        self._once([*initdb, f"--pwfile={directory}/secret", "-E", "UTF8", "--locale=C.UTF-8"])
        with (directory / "data" / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write("host all all all scram-sha-256\n")

    def _container(self, name: str, command: Sequence[str], **options: Any) -> Any:
        return self.engine.containers.run(
            self.image,
            entrypoint=list(command),
            name=f"{self.directory.name}-{name}",
            hostname=name,
            user=f"{UID}:{UID}",
            detach=True,
            shm_size="256m",
            network=self.network.name,
            volumes=[f"{self.directory}:{self.directory}", f"{self.directory}/passwd:/etc/passwd:ro"],
            **options,
        )

    def _once(self, command: Sequence[str]) -> str:
        container = self._container("once", command)
        try:
            code = container.wait()["StatusCode"]
            said = container.logs().decode(errors="replace")
        finally:
            container.remove(force=True, v=True)
        if code:
            raise RuntimeError(f"{' '.join(command)} ended with {code}: {said[-2000:]}")
        return str(said)

    def start(self, settings: Mapping[str, object], memory: str = "", cpus: float = 0) -> None:
        """The database with these settings, started anew; fsync stays on."""
        self.stop()
        if self.network is None:
            self._prepare()
        options = {"listen_addresses": "*", "unix_socket_directories": f"{self.directory}/socket", **settings}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        limits: dict[str, Any] = {"mem_limit": memory, "memswap_limit": memory} if memory else {}
        if cpus:
            limits["nano_cpus"] = int(cpus * 1e9)
        self.server = self._container(
            "database", [f"{self.bin}/postgres", "-D", f"{self.directory}/data", *words], stop_signal="SIGINT", **limits
        )
        self._wait("database", 5432)

    def start_pool(self, size: int = POOL, clients: int = 1000) -> None:
        """PgBouncer in transaction mode, with verifiers and no passwords, as the stack has it."""
        with self.connect() as connection:
            row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'").fetchone()
        assert row is not None
        folder = self.directory / "pool"
        (folder / "userlist.txt").write_text(f'"postgres" "{row[0]}"\n', encoding="utf-8")
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={self.address('database')} port=5432\n[pgbouncer]\nlisten_addr = 0.0.0.0\n"
            f"listen_port = 6432\nauth_type = scram-sha-256\nauth_file = {folder}/userlist.txt\n"
            f"pool_mode = transaction\ndefault_pool_size = {size}\nmax_client_conn = {clients}\n"
            "max_prepared_statements = 200\nignore_startup_parameters = extra_float_digits\n"
            "log_connections = 0\nlog_disconnections = 0\n",
            encoding="utf-8",
        )
        nofile = [docker.types.Ulimit(name="nofile", soft=4096, hard=4096)]
        self.pool = self._container("pool", ["/usr/sbin/pgbouncer", f"{folder}/pgbouncer.ini"], ulimits=nofile)
        self._wait("pool", 6432)

    def stop(self) -> None:
        for container in (self.pool, self.server):
            if container is not None:
                with contextlib.suppress(docker.errors.APIError):
                    container.stop(timeout=20)
                container.remove(force=True, v=True)
        self.pool = self.server = None

    def address(self, name: str) -> str:
        container = {"database": self.server, "pool": self.pool}[name]
        container.reload()
        return str(container.attrs["NetworkSettings"]["Networks"][self.network.name]["IPAddress"])

    def connect(self, name: str = "database", port: int = 5432, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.address(name),
            port=port,
            user="postgres",
            password=self.password,
            dbname=database,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=10,
        )

    def _wait(self, name: str, port: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while problem := self._refusal(name, port):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not answer: {problem}")
            time.sleep(0.2)

    def _refusal(self, name: str, port: int) -> str:
        try:
            self.connect(name, port).close()
        except (psycopg.OperationalError, KeyError) as error:
            return str(error)
        return ""

    def pgbench(self, name: str, *arguments: str) -> str:
        """Run pgbench against the database or the pool from a container of its own; what it says."""
        container = self.client(name, *arguments)
        try:
            container.wait(timeout=300)
            return str(container.logs().decode(errors="replace"))
        finally:
            container.remove(force=True, v=True)

    def client(self, name: str, *arguments: str) -> Any:
        """The same in the background."""
        port = {"database": "5432", "pool": "6432"}[name]
        command = [
            f"{self.bin}/pgbench",
            "-h",
            self.address(name),
            "-p",
            port,
            "-U",
            "postgres",
            *arguments,
            "postgres",
        ]
        return self._container("client", command, environment={"PGPASSWORD": self.password})

    def working_set(self) -> int:
        """Bytes of the database and of its pool."""
        return sum(reading(container)["memory"] for container in (self.server, self.pool) if container is not None)

    def killed(self) -> bool:
        """Whether the kernel killed a process of the database for memory, or the server died of it."""
        self.server.reload()
        said = self.server.logs().decode(errors="replace")
        return bool(self.server.attrs["State"]["OOMKilled"]) or "was terminated by signal 9" in said


def reading(container: Any) -> dict[str, Any]:
    container.reload()
    root = Path("/sys/fs/cgroup")
    files = cgroups.V2 if (root / "cgroup.controllers").exists() else cgroups.V1
    group = cgroups.group_of(Path(f"/proc/{container.attrs['State']['Pid']}/cgroup").read_text(encoding="ascii"))
    return cgroups.reading(
        {n: (root / path.format(group=group)).read_text(encoding="ascii") for n, path in files.items()}
    )


@contextlib.contextmanager
def running() -> Iterator[Lab]:
    """A laboratory for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="firstbell-claims-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        lab = Lab(directory)
        try:
            yield lab
        finally:
            lab.stop()
            if lab.network is not None:
                lab.network.remove()


def figure(text: str, pattern: str) -> float:
    """The number that a program said."""
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"no {pattern} in: {text[-1500:]}")
    return float(found[1])
