# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks along a plan of indexes: waits for locks within bounds, tries again, clears up after what failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import FirstbellError
from .._core.index_plan import Item, Plan
from .._core.index_sql import identifier
from .._core.index_steps import Step
from .indexes import Server
from .postgres import QueryError

APPLICATION = "firstbell indexes"
# The keys of our advisory locks: one run at a time in a database, and the sessions that build for it.
_RUN, _BUILDING = 0x6669727374626C31, 0x6669727374626C32
_AGAIN = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected
_TIMEOUT, _GONE = "57014", "42704"
_LONGEST_PAUSE = 30.0
_POLL = 0.5


class StepFailedError(FirstbellError):
    """A step failed; ``result`` is what was done before."""

    def __init__(self, message: str, done: Sequence[Done]) -> None:
        super().__init__(message)
        self.done = tuple(done)
        self.result: dict[str, object] = {}


@dataclass(frozen=True)
class Done:
    """A step that was taken."""

    position: int
    step: Step
    seconds: float
    tries: int


@dataclass(frozen=True)
class Patience:
    """How long to wait for a lock, and how often and after which pause (seconds, doubled each time) to try again."""

    retries: int
    pause: float
    sleep: Callable[[float], None] = time.sleep

    def pauses(self) -> Iterator[float]:
        """The pause after each try but the last."""
        for number in range(self.retries):
            yield min(self.pause * 2**number, _LONGEST_PAUSE)


def lock(server: Server, wait: float) -> None:
    """Keep other runs out of this database until the session ends; raises FirstbellError.

    The lock is asked for again and again instead of waited for: a query that waits
    has a snapshot, for whose end CREATE INDEX CONCURRENTLY of the other run would wait.
    """
    deadline = time.monotonic() + wait
    while True:
        [row] = server.session.query("SELECT pg_try_advisory_lock(%s::bigint) AS mine", (_RUN,))
        if row["mine"]:
            [row] = server.session.query("SELECT pg_try_advisory_lock(%s::bigint) AS mine", (_BUILDING,))
            if row["mine"]:
                server.session.query("SELECT pg_advisory_unlock(%s::bigint)", (_BUILDING,))
                return
            server.session.query("SELECT pg_advisory_unlock(%s::bigint)", (_RUN,))
        if time.monotonic() >= deadline:
            raise FirstbellError(
                f"another run is at work on the indexes of the database {server.database}: {_lock_holder(server)}."
                " Run again when that is over, or with a longer advisory_lock_timeout; end a session that hangs with"
                " SELECT pg_terminate_backend(<pid>)"
            )
        time.sleep(_POLL)


def _lock_holder(server: Server) -> str:
    rows = server.session.query(
        "SELECT l.pid, coalesce(a.usename, '?') AS role, coalesce(host(a.client_addr), 'the local socket') AS address,"
        " coalesce(a.backend_start::timestamptz(0)::text, '?') AS since"
        " FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid() AND l.objsubid = 1"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND ((l.classid::bigint << 32) | l.objid::bigint) = ANY(%s::bigint[])",
        ([_RUN, _BUILDING],),
    )
    sessions = ["pid {pid} (role {role}, from {address}, since {since})".format(**row) for row in rows]
    return ", ".join(sessions) or "a session that has just ended"


def apply(
    plan: Plan, server: Server, patience: Patience, parallel: int, open_server: Callable[[], Server]
) -> list[Done]:
    """Take every step; raises StepFailedError at the first that fails, when those that had begun are through."""
    walk = _Walk(patience)
    cleaning = [item for item in plan.items if item.action == "clean"]
    groups: dict[int, list[Item]] = {}
    for item in plan.items:
        if item.steps and item.action != "clean":
            groups.setdefault(item.table, []).append(item)
    walk.along(server, cleaning)
    if parallel <= 1 or len(groups) <= 1:
        for group in groups.values():
            walk.along(server, group)
    elif walk.failure is None:
        with ThreadPoolExecutor(max_workers=min(parallel, len(groups))) as pool:
            list(pool.map(lambda group: walk.along_its_own(open_server, group), groups.values()))
    if walk.failure is not None:
        raise StepFailedError(walk.failure, walk.done)
    return walk.done


@dataclass
class _Walk:
    patience: Patience
    done: list[Done] = field(default_factory=list)
    failure: str | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)

    def along(self, server: Server, items: Sequence[Item]) -> None:
        for item in items:
            for step in item.steps:
                if self.failure is not None:
                    return
                self._take(server, item, step)

    def along_its_own(self, open_server: Callable[[], Server], items: Sequence[Item]) -> None:
        try:
            server = open_server()
        except FirstbellError as error:
            self._fail(str(error))
            return
        with server.session:
            server.session.query("SELECT pg_advisory_lock_shared(%s::bigint)", (_BUILDING,))
            self.along(server, items)

    def _take(self, server: Server, item: Item, step: Step) -> None:
        started = time.monotonic()
        try:
            tries = take(server, step, self.patience)
        except FirstbellError as error:
            self._fail(str(error))
            return
        with self.guard:
            self.done.append(Done(item.position, step, round(time.monotonic() - started, 3), tries))

    def _fail(self, message: str) -> None:
        with self.guard:
            self.failure = self.failure or message


def take(server: Server, step: Step, patience: Patience) -> int:
    """Take one step, again where it only did not get its lock; returns the number of tries."""
    before = _invalid(server, step.table)
    failed: QueryError | None = None
    left, tries = "", 0
    for pause in (*patience.pauses(), None):
        tries += 1
        left = left and _clear(server, step, before)
        if not left:
            try:
                server.session.query(step.sql)
            except QueryError as refused:
                failed = refused
            else:
                return tries
            if step.kind == "drop" and failed.error.code == _GONE:
                return tries
            left = _clear(server, step, before) if failed.error.code else "Nobody could look what it has left."
            if failed.error.code not in _AGAIN:
                break
        if pause is not None:
            patience.sleep(pause)
    raise FirstbellError(_told(server, step, failed, tries, left) if failed else f"{step.sql}: it was not tried")


def _invalid(server: Server, table: int) -> dict[int, tuple[str, str]]:
    rows = server.session.query(
        "SELECT i.indexrelid::bigint AS oid, n.nspname AS schema, c.relname AS name FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE i.indrelid = %s::bigint::oid AND NOT i.indisvalid",
        (table,),
    )
    return {row["oid"]: (row["schema"], row["name"]) for row in rows}


def _clear(server: Server, step: Step, before: dict[int, tuple[str, str]]) -> str:
    """Drop the INVALID index that a failed build has left; returns what could not be dropped, as a sentence."""
    if step.kind not in ("build", "reindex"):
        return ""
    left = ""
    for oid, place in _invalid(server, step.table).items():
        mine = place == (step.schema, step.name) if step.kind == "build" else "_ccnew" in place[1]
        if oid in before or not mine:
            continue
        try:
            server.session.query(f"DROP INDEX CONCURRENTLY {identifier(*place)}")
        except QueryError as failed:
            if not failed.error.code:
                return ""
            left = f"The INVALID index {identifier(*place)} is left; the next run clears it up."
    return left


def _told(server: Server, step: Step, failed: QueryError, tries: int, left: str) -> str:
    message = f"{step.sql}: {failed.error.text()}"
    if not failed.error.code:
        return f"{message}\n{left}"
    if failed.error.code in _AGAIN:
        message += (
            f"\nIt was tried {tries} times. {_blockers(server, step.table)}"
            "Run again when they are through, or with a longer lock_timeout or more retries."
        )
    if failed.error.code == _TIMEOUT:
        message += "\nGive it a longer statement_timeout, or 0s for none."
    return message + (f"\n{left}" if left else "")


def _blockers(server: Server, table: int) -> str:
    """The sessions in whose way the step was: those with a lock on the table, or else with the oldest snapshots."""
    rows = server.session.query(
        "SELECT a.pid, coalesce(a.usename, '?') AS role, coalesce(nullif(a.application_name, ''), '?') AS application,"
        " coalesce(a.state, '?') AS state, coalesce(a.xact_start::timestamptz(0)::text, '?') AS since,"
        " EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.relation = %s::bigint::oid"
        "  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS holds"
        " FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND a.datname = current_database()"
        " AND a.application_name <> %s AND a.xact_start IS NOT NULL ORDER BY holds DESC, a.xact_start LIMIT 5",
        (table, APPLICATION),
    )
    holding = [row for row in rows if row["holds"]] or rows
    told = [
        "pid {pid} (role {role}, application {application}, {state}, since {since})".format(**row) for row in holding
    ]
    return f"These sessions have open transactions in its way: {', '.join(told)}. " if told else ""


@contextmanager
def watched(open_server: Callable[[], Server], log: Callable[[str], None]) -> Iterator[list[str]]:
    """Write down what pg_stat_progress_create_index says of our sessions for as long as the context lasts."""
    lines: list[str] = []
    ended = threading.Event()
    server = open_server()

    def watch() -> None:
        with server.session:
            while not ended.wait(_POLL):
                try:
                    rows = server.session.query(_PROGRESS, (APPLICATION,))
                except QueryError:
                    return
                for row in rows:
                    line = _line(row)
                    if line not in lines[-len(rows) :]:
                        lines.append(line)
                        log(line)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        ended.set()
        thread.join(timeout=10)


_PROGRESS = """
    SELECT n.nspname AS schema, c.relname AS table, coalesce(i.relname, '') AS index, p.phase, p.blocks_done,
           p.blocks_total, p.tuples_done, p.tuples_total, p.lockers_done, p.lockers_total
    FROM pg_stat_progress_create_index p JOIN pg_stat_activity a ON a.pid = p.pid
    JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class i ON i.oid = p.index_relid
    WHERE p.datname = current_database() AND a.application_name = %s ORDER BY p.pid
"""


def _line(row: Any) -> str:
    parts = [f"{identifier(row['schema'], row['table'])} {row['index']}: {row['phase']}"]
    kinds = ("blocks", "tuples", "lockers")
    parts += [f"{row[f'{kind}_done']} of {row[f'{kind}_total']} {kind}" for kind in kinds if row[f"{kind}_total"]]
    return ", ".join(parts)
