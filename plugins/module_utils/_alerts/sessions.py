# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the database and its pool: sessions that take what others need. They read and change no data.

Each session carries the fault's name, so that another process finds and ends it.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .._core.errors import FirstbellError
from .._core.scram import role_verifier
from .._io import postgres, system
from .faults import Facts, Injector
from .host import OWNER, Host, wait_until

_LOGIN: dict[str, Any] = {
    **{name: option.get("default") for name, option in postgres.ARGUMENTS.items()},
    "login_user": "postgres",
    "connect_timeout": "30s",
}
#: A lock that belongs to nobody else: "bell", twice.
_LOCK = 0x62656C6C
_SECONDS = 1800
#: Longer than the rule looks at, and each costs the server's deadlock_timeout of one second.
_DEADLOCKS = 6
_TAKEN_PERCENT = 4.0
#: Seconds until the connections that others give back are taken, so that Prometheus never sees them free.
_LOOK = 0.2
_CONNECTIONS = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - current_setting('reserved_connections')::int AS most,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS taken
"""


def session(host: Host, fault: str, database: str = "postgres") -> postgres.Session:
    """A session of the superuser that no timeout ends."""
    login = {**_LOGIN, "login_unix_socket": f"{host.config.directory}/run/postgres", "login_db": database}
    off = dict.fromkeys(("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"), "0")
    return postgres.connect(login, off, application=application(fault))


def application(fault: str) -> str:
    """What pg_stat_activity shows."""
    return f"firstbell-drill-{fault}"


class Sessions(Injector):
    """Sessions that are held until the fault is taken back."""

    def __init__(self, fault: str, place: Callable[[Host, Sessions], None]) -> None:
        self.fault, self._place = fault, place
        self.held: list[postgres.Session] = []

    def put(self, host: Host, facts: Facts) -> float:
        self._place(host, self)
        return time.time()

    def open(self, host: Host, database: str = "postgres") -> postgres.Session:
        """One more session."""
        opened = session(host, self.fault, database)
        self.held.append(opened)
        return opened

    def in_background(self, host: Host, statement: str, *parameters: object) -> None:
        """A statement that does not end by itself."""
        opened = self.open(host)

        def run() -> None:
            with contextlib.suppress(FirstbellError):  # that it is ended is what is meant
                opened.query(statement, parameters or None)

        threading.Thread(target=run, daemon=True).start()

    def take_back(self, host: Host, facts: Facts) -> None:
        mine = "FROM pg_stat_activity WHERE application_name = %s"
        with session(host, "end") as own:
            # One after the other, so that who keeps the connections taken can follow.
            for row in own.query(f"SELECT pid {mine} ORDER BY backend_start", (application(self.fault),)):
                own.query("SELECT pg_terminate_backend(%s)", (row["pid"],))
                time.sleep(2 * _LOOK)
            own.query(f"SELECT pg_terminate_backend(pid) {mine}", (application(self.fault),))
        self.held.clear()


def idle(host: Host, sessions: Sessions) -> None:
    """A transaction that does nothing."""
    opened = sessions.open(host)
    opened.query("BEGIN")
    opened.query("SELECT 1")


def long(host: Host, sessions: Sessions) -> None:
    """A statement that runs for long."""
    sessions.in_background(host, "SELECT pg_sleep(%s)", _SECONDS)


def locks(host: Host, sessions: Sessions) -> None:
    """One session has a lock, more than the rule allows wait for it.

    Another one has locked a table, as ALTER TABLE does, whose size the exporter asks for. It ends with its session.
    """
    sessions.open(host).query("SELECT pg_advisory_lock(%s, 0)", (_LOCK,))
    other = sessions.open(host, host.config.database)
    for statement in ("CREATE TEMPORARY TABLE drill ()", "BEGIN", "LOCK TABLE drill IN ACCESS EXCLUSIVE MODE"):
        other.query(statement)
    for _waiter in range(int(host.config.thresholds["lock_waits"]) + 2):
        sessions.in_background(host, "SELECT pg_advisory_lock(%s, 0)", _LOCK)


def deadlocks(host: Host, sessions: Sessions) -> None:
    """Two sessions have a lock each and want the other's, some times in a row."""
    database = host.config.database
    one, other = sessions.open(host, database), sessions.open(host, database)
    wanted = int(host.config.thresholds["deadlocks"]) + _DEADLOCKS
    for _turn in range(wanted):
        for opened, number in ((one, 1), (other, 2)):
            opened.query("BEGIN")
            opened.query("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, number))
        waiter = threading.Thread(target=_wanting, args=(one, 2), daemon=True)
        waiter.start()
        _wanting(other, 1)
        waiter.join(30)
        for opened in (one, other):
            opened.query("ROLLBACK")


def _wanting(opened: postgres.Session, number: int) -> None:
    with contextlib.suppress(postgres.QueryError):  # one of the two is the victim
        opened.query("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, number))


def connections(host: Host, sessions: Sessions) -> None:
    """So many sessions that the share which the rule allows is passed by little, whatever else comes and goes."""
    percent = host.config.thresholds["connections_percent"] + _TAKEN_PERCENT
    counter = sessions.open(host)

    def fill() -> None:
        row = counter.query(_CONNECTIONS)[0]
        for _number in range(math.ceil(percent / 100 * row["most"]) - row["taken"]):
            sessions.open(host)

    def go_on() -> None:
        with contextlib.suppress(FirstbellError):  # until its own session is ended
            while True:
                time.sleep(_LOOK)
                fill()

    fill()
    threading.Thread(target=go_on, daemon=True).start()


class WaitingClients(Injector):
    """A role that may have one connection, and clients of the pool that want two.

    Nobody else's pool is touched: PgBouncer has one for each role. For the time there is a line in its list of
    verifiers and in pg_hba.conf.
    """

    fault = "pool-clients-waiting"

    def __init__(self) -> None:
        self._over = threading.Event()

    def facts(self, host: Host) -> Facts:
        return {"role": f"{host.config.database}_drill"}

    def put(self, host: Host, facts: Facts) -> float:
        role, password = facts["role"], secrets.token_urlsafe(24)
        known = role_verifier(password, role, host.config.stack)
        self._drop(host, role)
        with session(host, self.fault, host.config.database) as own:
            limited = "CREATE ROLE {role} LOGIN CONNECTION LIMIT 1 PASSWORD {literals}"
            own.query(postgres.compose(limited, (known,), role=(role,)))
            own.query(
                postgres.compose(
                    "GRANT CONNECT ON DATABASE {base} TO {role}", base=(host.config.database,), role=(role,)
                )
            )
        self._list(host, role, known)
        self._over.clear()
        self._client(host, role, password, f"SELECT pg_sleep({_SECONDS})")
        wait_until(lambda: self._asleep(host, role), 30, "the first client of the pool has no connection")
        placed = time.time()
        for _number in range(3):
            threading.Thread(target=self._go_on, args=(host, role, password), daemon=True).start()
        return placed

    def take_back(self, host: Host, facts: Facts) -> None:
        self._over.set()
        role = facts["role"]
        self._list(host, role, "")
        self._drop(host, role)

    def _go_on(self, host: Host, role: str, password: str) -> None:
        """The pool sends who waits away after query_wait_timeout; then they come again."""
        while not self._over.is_set():
            self._client(host, role, password, "SELECT 1").wait()
            self._over.wait(0.2)

    def _client(self, host: Host, role: str, password: str, statement: str) -> subprocess.Popen[bytes]:
        where = ["--host=/run/pgbouncer", "--port=6432", f"--username={role}", f"--dbname={host.config.database}"]
        argv = ["docker", "exec", "--env", "PGPASSWORD", host.containers("pgbouncer")[0], "psql", *where]
        argv += ["--no-password", f"--command={statement}"]
        environment = {**os.environ, "PGPASSWORD": password}  # of no argument list; the role lives as long as the fault
        nowhere = subprocess.DEVNULL
        return subprocess.Popen(argv, stdin=nowhere, stdout=nowhere, stderr=nowhere, env=environment)

    def _asleep(self, host: Host, role: str) -> bool:
        with session(host, self.fault) as own:
            return bool(own.query("SELECT 1 FROM pg_stat_activity WHERE usename = %s AND state = 'active'", (role,)))

    def _list(self, host: Host, role: str, known: str) -> None:
        """Let the role in, or with no verifier not any more."""
        line = f"hostssl {host.config.database} {role} samenet scram-sha-256"
        _keep_lines(f"{host.config.directory}/postgres/pg_hba.conf", role, line if known else "", 0o644)
        with session(host, self.fault) as own:
            own.query("SELECT pg_reload_conf()")
        host.noted("postgres", f"{host.config.directory}/postgres")
        folder = f"{host.config.directory}/pgbouncer"
        _keep_lines(f"{folder}/userlist.txt", role, f'"{role}" "{known}"' if known else "", 0o400)
        host.reload("pgbouncer", folder)

    def _drop(self, host: Host, role: str) -> None:
        with session(host, self.fault, host.config.database) as own:
            if not own.query("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)):
                return
            own.query(postgres.compose("ALTER ROLE {role} NOLOGIN", role=(role,)))
            own.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
            own.query(postgres.compose("DROP OWNED BY {role}", role=(role,)))
            own.query(postgres.compose("DROP ROLE {role}", role=(role,)))


def _keep_lines(path: str, role: str, line: str, mode: int) -> None:
    """The file without what it says of the role, and with the line, if there is one."""
    lines = [one for one in (system.read_text(path) or "").splitlines() if role not in one.replace('"', " ").split()]
    text = "".join(f"{one}\n" for one in [*lines, *([line] if line else [])])
    if text != system.read_text(path):
        system.write_text(path, text, mode, OWNER)


DATABASE: Mapping[str, Injector] = {
    "connections-exhausted": Sessions("connections-exhausted", connections),
    "transaction-idle": Sessions("transaction-idle", idle),
    "transaction-long": Sessions("transaction-long", long),
    "locks-waiting": Sessions("locks-waiting", locks),
    "deadlocks": Sessions("deadlocks", deadlocks),
    "pool-clients-waiting": WaitingClients(),
}
