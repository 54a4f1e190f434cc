# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of the database and of the cache that know what was acknowledged to them."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from .._core.errors import FirstbellError
from .._core.failover import Kept
from . import docker_cli, engine_api, postgres

_LABEL = "com.docker.swarm.service.name"
_LANES, _ROWS_PER_SECOND = 3, 6.0
_KEYS = 50
_POLL = 0.25
_TABLE = """
    CREATE SCHEMA IF NOT EXISTS firstbell;
    CREATE TABLE IF NOT EXISTS firstbell.failover_drill (run text, number int, PRIMARY KEY (run, number));
    COMMENT ON TABLE firstbell.failover_drill IS 'Rows that must survive rehearsed failures';
"""
# One row for each number that comes in, over a new connection through the pool, as a client of the database has it.
_WRITER = """
umask 077; read -r line; printf '%s\\n' "$line" >/tmp/pgpass
while read -r number; do
  psql --no-psqlrc --quiet --command="INSERT INTO firstbell.failover_drill VALUES ('$RUN', $number)" "$DSN" \
    </dev/null >/dev/null 2>&1 && printf '%s\\n' "$number"
done
"""
_TMPFS = "/tmp:mode=1777,size=1m"  # noqa: S108 - the container's own
_DSN = (
    "sslmode=verify-full sslrootcert=/etc/firstbell/ca.crt passfile=/tmp/pgpass connect_timeout=3 "
    "keepalives_idle=2 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=5000"
)


@dataclass(frozen=True)
class Database:
    """How the application writes, and the directory of the server's socket on this host."""

    name: str
    role: str
    password: str
    socket: str
    host: str = "pgbouncer"
    port: int = 6432


def containers(stack: str) -> dict[str, dict[str, str]]:
    """The health of each running container of the stack, by service and id."""
    found: dict[str, dict[str, str]] = {}
    for listed in engine_api.call("GET", "/containers/json"):
        prefix, _underscore, service = str(listed["Labels"].get(_LABEL, "")).partition("_")
        if prefix == stack:
            state = "starting" if "health: starting" in listed["Status"] else "healthy"
            health = "unhealthy" if "unhealthy" in listed["Status"] else state
            found.setdefault(service, {})[str(listed["Id"])] = health
    return found


class Rows:
    """Numbered rows, each committed through the pool by a client in a container of its own."""

    def __init__(self, stack: str, database: Database) -> None:
        self._stack, self._database, self._run = stack, database, f"{time.time():.3f}"
        self._acknowledged: list[tuple[int, float]] = []
        self._ended = threading.Event()
        self._clients: list[subprocess.Popen[str]] = []
        self._names = [f"{stack}-drill-{lane}" for lane in range(_LANES)]

    def start(self) -> None:
        self._tidy()
        database = self._database
        with self._session() as session:
            session.script(_TABLE)
            session.query(
                postgres.compose("GRANT USAGE ON SCHEMA firstbell TO {role}", role=(database.role,)),
            )
            session.query(
                postgres.compose("GRANT INSERT ON firstbell.failover_drill TO {role}", role=(database.role,)),
            )
        service = engine_api.call("GET", f"/services/{self._stack}_postgres")
        image = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        for lane, name in enumerate(self._names):
            client = subprocess.Popen(
                self._command(name, image), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            self._clients.append(client)
            self._tell(client, f"*:*:*:*:{_escaped(database.password)}")
            threading.Thread(target=self._send, args=(client, lane), daemon=True).start()
            threading.Thread(target=self._listen, args=(client,), daemon=True).start()

    def _command(self, name: str, image: str) -> list[str]:
        stack, database = self._stack, self._database
        dsn = f"host={database.host} port={database.port} dbname={database.name} user={database.role} {_DSN}"
        return [
            *("docker", "run", "--rm", "--interactive", "--name", name, "--entrypoint", "sh", "--no-healthcheck"),
            *("--network", f"{stack}_data", "--user", "1001:1001", "--read-only", "--tmpfs", _TMPFS),
            *("--cap-drop", "ALL", "--memory", "64m", "--cpus", "0.25", "--pids-limit", "16"),
            *("--volume", f"/opt/{stack}/pki/ca.crt:/etc/firstbell/ca.crt:ro"),
            *("--env", f"RUN={self._run}", "--env", f"DSN={dsn}", image, "-c", _WRITER),
        ]

    @staticmethod
    def _tell(client: subprocess.Popen[str], line: str) -> bool:
        try:
            if client.stdin:
                client.stdin.write(f"{line}\n")
                client.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def _send(self, client: subprocess.Popen[str], lane: int) -> None:
        number = lane
        while not self._ended.wait(_LANES / _ROWS_PER_SECOND) and self._tell(client, str(number)):
            number += _LANES

    def _listen(self, client: subprocess.Popen[str]) -> None:
        for line in client.stdout or ():
            self._acknowledged.append((int(line), time.monotonic()))

    @property
    def last(self) -> int:
        """How many were acknowledged up to now."""
        return len(self._acknowledged)

    def acknowledged(self) -> list[int]:
        return [number for number, _time in list(self._acknowledged)]

    def times(self) -> list[float]:
        return [time for _number, time in list(self._acknowledged)]

    def stored(self) -> set[int]:
        with self._session() as session:
            rows = session.query("SELECT number FROM firstbell.failover_drill WHERE run = %s", (self._run,))
        return {row["number"] for row in rows}

    def stop(self) -> None:
        self._ended.set()
        for client in self._clients:
            with contextlib.suppress(OSError, ValueError):
                if client.stdin:
                    client.stdin.close()
        self._tidy()
        for client in self._clients:
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(10)
        with contextlib.suppress(FirstbellError), self._session() as session:
            session.query("DROP TABLE IF EXISTS firstbell.failover_drill")

    def _tidy(self) -> None:
        for name in self._names:
            with contextlib.suppress(engine_api.EngineError):
                engine_api.call("DELETE", f"/containers/{name}", force="1")

    def _session(self) -> postgres.Session:
        login = {name: option.get("default") for name, option in postgres.ARGUMENTS.items()}
        database = self._database
        return postgres.connect(
            {**login, "login_unix_socket": database.socket, "login_db": database.name, "login_user": "postgres"},
            application="firstbell-failover",
        )


def _escaped(password: str) -> str:
    """As libpq's password file has it."""
    return password.replace("\\", "\\\\").replace(":", "\\:")


@contextlib.contextmanager
def writing(stack: str, database: Database) -> Iterator[Rows]:
    rows = Rows(stack, database)
    try:
        rows.start()
        deadline = time.monotonic() + 30
        while not rows.last:
            if time.monotonic() > deadline:
                raise FirstbellError(
                    "no row could be committed through the pool within 30 s; see: make verify ONLY=S32"
                )
            time.sleep(_POLL)
        yield rows
    finally:
        rows.stop()


class Keys:
    """Keys of the application's user in the cache."""

    def __init__(self, stack: str, password: str) -> None:
        self._stack, self._password = stack, password
        self._prefix = f"firstbell-drill:{time.time():.0f}"
        self._written: list[int] = []

    def write(self) -> None:
        """Let the cache acknowledge some; they expire by themselves."""
        numbers = range(len(self._written), len(self._written) + _KEYS)
        said = self._ask([f"SET {self._prefix}:{number} {number} EX 900" for number in numbers])
        self._written += [number for number, answer in zip(numbers, said) if answer == "OK"]

    def kept(self) -> Kept:
        if not self._written:
            return Kept(0)
        said = self._ask([f"GET {self._prefix}:{number}" for number in self._written])
        missing = [number for number, answer in zip(self._written, said) if answer != str(number)]
        self._ask([f"UNLINK {self._prefix}:{number}" for number in self._written])
        return Kept(len(self._written), tuple(missing))

    def _ask(self, commands: list[str]) -> list[str]:
        container = min(containers(self._stack)["redis"])
        argv = ["docker", "exec", "--interactive", container, "redis-cli", "-s", "/run/redis/redis.sock"]
        said = docker_cli.run(argv, stdin="\n".join([f"AUTH app {self._password}", *commands, ""]), timeout=30)
        return said.out.splitlines()[1:]
