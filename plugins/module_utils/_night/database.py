# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database at night: what it needs, the work on it, and a watch that ends the work when others come."""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Callable

from .._core.errors import FirstbellError
from .._core.index_advice import Advice, advise
from .._core.index_sql import identifier
from .._core.index_steps import Step
from .._core.night import plan
from .._core.night.plan import Task
from .._io import index_statistics
from .._io.index_build import Patience, lock, take
from .._io.indexes import Server
from .._io.postgres import QueryError, Session, connect

APPLICATION = "firstbell-night"
_LOCK_WAIT = 5.0
#: Others are not to wait for a lock that this work waits for.
_SETTINGS = {"lock_timeout": "5s", "statement_timeout": "0", "vacuum_cost_delay": "1ms"}
_LEFT = re.compile(r"_cc(new|old)\d*$")

_TABLES = """
    SELECT s.schemaname AS schema, s.relname AS name, greatest(c.reltuples, 0)::bigint AS rows, s.n_dead_tup AS dead,
           s.n_ins_since_vacuum AS inserted, s.n_mod_since_analyze AS changed, age(c.relfrozenxid)::bigint AS age
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE c.relkind IN ('r', 'm')
"""


class StoppedError(FirstbellError):
    """The work was ended because others need the database, or the band is over."""


@dataclass
class Rate:
    """Transactions of a database in a second, since the last time it was asked for."""

    session: Session
    clock: Callable[[], float] = time.monotonic
    before: tuple[float, int] | None = None

    def read(self) -> float:
        """NaN where it cannot be told: at first, after a reset of the statistics, or without an answer."""
        try:
            # The view is read anew in each transaction; sessions report when they are idle, or once a second.
            [row] = self.session.query(
                "SELECT xact_commit + xact_rollback AS count FROM pg_stat_database WHERE datname = current_database()"
            )
        except QueryError:
            return math.nan
        now, last = (self.clock(), int(row["count"])), self.before
        self.before = now
        if last is None or now[1] < last[1] or now[0] <= last[0]:
            return math.nan
        return (now[1] - last[1]) / (now[0] - last[0])


@dataclass
class Database:
    """One database, reached as the superuser over the host's socket."""

    name: str
    open: Callable[[], Session]
    stop: Callable[[float], str]
    poll: float = 5.0
    first_poll: float = 10.0
    stopped: str = ""
    guard: threading.Lock = field(default_factory=threading.Lock)

    def quiet(self) -> str:
        """Why nothing is to be begun now, or "": looks for ``first_poll`` seconds."""
        with self.open() as session:
            rate = Rate(session)
            rate.read()
            time.sleep(self.first_poll)
            return self.stop(rate.read())

    def tasks(self, schemas: Collection[str], allowed: bool | Collection[str]) -> list[Task]:
        """What is to be done here; nothing is changed."""
        with self.open() as session:
            if session.query("SELECT pg_is_in_recovery() AS standby")[0]["standby"]:
                return []
            tables = [plan.Table(**row) for row in session.query(_TABLES)]
            found = plan.vacuums(table for table in tables if table.schema in schemas)
            if allowed:
                advice, sizes = _advice(Server(session), schemas)
                found += plan.rebuilds(advice, sizes, allowed)
            return found

    def clear(self, schemas: Collection[str]) -> list[str]:
        """Drop what a rebuild has left that was cut short; the names."""
        with self.open() as session:
            server = Server(session)
            lock(server, _LOCK_WAIT)
            advice, _sizes = _advice(server, schemas)
            left = [one for one in advice if one.kind == "invalid_index" and _LEFT.search(one.index)]
            for one in left:
                session.query(one.statement)
            return [identifier(one.schema, one.index) for one in left]

    def work(self, task: Task) -> None:
        """One task; raises StoppedError when the watch ended it, FirstbellError when it failed."""
        with self.open() as session:
            session.set(_SETTINGS)
            server = Server(session)
            with self._watched(server.pid):
                try:
                    if task.kind == "rebuild":
                        lock(server, _LOCK_WAIT)
                        oid = session.query("SELECT to_regclass(%s)::oid::bigint AS oid", (task.what,))[0]["oid"]
                        table = session.query(
                            "SELECT indrelid::bigint AS oid FROM pg_index WHERE indexrelid = %s::bigint::oid", (oid,)
                        )
                        if table:
                            step = Step("reindex", task.sql, task.schema, task.index, table[0]["oid"])
                            take(server, step, Patience(2, 5.0))
                    else:
                        session.query(task.sql)
                except FirstbellError as error:
                    if self.stopped:
                        raise StoppedError(self.stopped) from None
                    raise FirstbellError(f"{task.sql}: {error}") from None

    @contextlib.contextmanager
    def _watched(self, pid: int) -> Iterator[None]:
        """Cancel what the session does as soon as there is a reason to stop."""
        ended = threading.Event()
        watching = self.open()
        rate = Rate(watching)
        rate.read()

        def watch() -> None:
            while not ended.wait(self.poll):
                reason = self.stop(rate.read())
                if reason:
                    with self.guard:
                        if ended.is_set():
                            return
                        self.stopped = reason
                        with contextlib.suppress(QueryError):
                            watching.query("SELECT pg_cancel_backend(%s)", (pid,))
                    return

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            with self.guard:
                pass
            thread.join(timeout=10)
            with watching:
                pass


def _advice(server: Server, schemas: Collection[str]) -> tuple[list[Advice], dict[tuple[str, str], int]]:
    """The advice of the module pg_indexes, and the sizes of indexes."""
    catalogue = index_statistics.everything(server, sorted(schemas), server.relations("public"))
    statistics = index_statistics.statistics(server, catalogue)
    sizes = {}
    for oid, index in catalogue.indexes.items():
        if oid in statistics.uses:
            sizes[index.schema, index.name] = statistics.uses[oid].bytes
    return advise(catalogue, [], statistics), sizes


def opener(socket: str, database: str, **more: Any) -> Callable[[], Session]:
    """How to reach a database over the host's socket."""
    params = {
        "login_db": database,
        "login_host": "",
        "login_unix_socket": socket,
        "login_port": 5432,
        "login_user": "postgres",
        "login_password": "",
        "session_role": None,
        "ssl_mode": "prefer",
        "ca_cert": None,
        "ssl_cert": None,
        "ssl_key": None,
        "connect_timeout": "10s",
        **more,
    }
    return lambda: connect(params, application=APPLICATION)
