# SPDX-License-Identifier: GPL-3.0-or-later
"""The night work on a real server: what it finds, what it does, and that it makes way for others."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.night import plan
from ansible_collections.firstbell.stack.plugins.module_utils._night.database import (
    Database,
    Rate,
    StoppedError,
    opener,
)

from integration.postgres_server import Server

TABLES = """
    CREATE TABLE dirty (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off);
    CREATE TABLE clean (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off);
    INSERT INTO dirty SELECT g, repeat('x', 50) FROM generate_series(1, 20000) g;
    INSERT INTO clean SELECT g, repeat('x', 50) FROM generate_series(1, 20000) g;
    CREATE INDEX bloated ON dirty (id, note);
    SELECT pg_stat_force_next_flush();
    VACUUM ANALYZE dirty;
    VACUUM ANALYZE clean;
    DELETE FROM dirty WHERE id % 20 <> 0;
"""


@pytest.fixture
def name(postgres: Server) -> Iterator[str]:
    with postgres.database("night") as found:
        with postgres.connect(found) as connection:
            for statement in TABLES.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute("SELECT pg_stat_force_next_flush()")
            connection.execute("SELECT 1 FROM clean LIMIT 1")  # what reads no table is not counted soon
        yield found


def night(postgres: Server, name: str, stop: Any = lambda _rate: "") -> Database:
    return Database(name, opener(postgres.socket, name, login_user=postgres.user), stop, poll=0.1, first_poll=0.3)


def ask(postgres: Server, name: str, query: str) -> list[Any]:
    with postgres.connect(name) as connection:
        return connection.execute(query).fetchall()


def test_it_finds_the_dirty_table_cleans_it_and_finds_nothing_more(postgres: Server, name: str) -> None:
    database = night(postgres, name)
    [task] = database.tasks(["public"], False)
    assert (task.what, task.sql) == (
        '"public"."dirty"',
        'VACUUM (ANALYZE, TRUNCATE FALSE, SKIP_LOCKED) "public"."dirty"',
    )
    database.work(task)
    assert database.tasks(["public"], False) == []
    assert ask(postgres, name, "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'dirty'") == [(0,)]


def test_a_bloated_index_is_rebuilt_where_it_is_allowed(postgres: Server, name: str) -> None:
    database = night(postgres, name)
    for task in database.tasks(["public"], False):
        database.work(task)
    before = ask(postgres, name, "SELECT pg_relation_size('bloated')")[0][0]
    assert before > 1024 * 1024
    assert [task.kind for task in database.tasks(["public"], ["another"])] == []
    [task] = database.tasks(["public"], ["bloated"])
    assert (task.kind, task.bytes) == ("rebuild", before)
    database.work(task)
    assert ask(postgres, name, "SELECT pg_relation_size('bloated')")[0][0] < before / 4
    assert database.tasks(["public"], True) == []


def test_a_rebuild_that_is_stopped_leaves_nothing(postgres: Server, name: str) -> None:
    database = night(postgres, name, lambda _rate: "others came")
    before = night(postgres, name)
    before.work(before.tasks(["public"], False)[0])
    [task] = before.tasks(["public"], True)
    with postgres.connect(name) as blocker, blocker.transaction():
        blocker.execute("DELETE FROM dirty WHERE id < 0")  # its lock is what the rebuild has to wait for
        began = time.monotonic()
        with pytest.raises(StoppedError, match="others came"):
            database.work(task)
        assert time.monotonic() - began < 15  # what it has built so far cannot be dropped while the blocker is there
    night(postgres, name).clear(["public"])
    assert ask(postgres, name, "SELECT relname FROM pg_class WHERE relname LIKE '%ccnew%'") == []
    assert ask(postgres, name, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]


def test_what_a_killed_rebuild_has_left_is_cleared_up(postgres: Server, name: str) -> None:
    with postgres.connect(name) as blocker, blocker.transaction():
        blocker.execute("DELETE FROM dirty WHERE id < 0")
        killed = postgres.connect(name)
        pid = killed.info.backend_pid
        thread = threading.Thread(target=_ignored, args=(killed, "REINDEX INDEX CONCURRENTLY bloated"))
        thread.start()
        left = "SELECT relname FROM pg_class WHERE relname ~ '_ccnew'"
        for _try in range(100):
            if ask(postgres, name, left):
                break
            time.sleep(0.1)
        ask(postgres, name, f"SELECT pg_terminate_backend({pid})")
        thread.join()
    assert ask(postgres, name, left) == [("bloated_ccnew",)]
    assert night(postgres, name).clear(["public"]) == ['"public"."bloated_ccnew"']
    assert ask(postgres, name, left) == []
    assert night(postgres, name).clear(["public"]) == []


def _ignored(connection: Any, statement: str) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute(statement)


def test_it_sees_whether_others_are_at_work(postgres: Server, name: str) -> None:
    def stop(rate: float) -> str:
        return plan.stop_reason(0, 1, rate, 5)

    assert night(postgres, name, stop).quiet() == ""
    ended = threading.Event()
    thread = threading.Thread(target=_busy, args=(postgres, name, ended))
    thread.start()
    try:
        time.sleep(1.5)  # a session reports once a second
        database = night(postgres, name, stop)
        database.first_poll = 2.0
        assert "transactions a second, more than 5" in database.quiet()
    finally:
        ended.set()
        thread.join()


def _busy(postgres: Server, name: str, ended: threading.Event) -> None:
    with postgres.connect(name) as connection:
        while not ended.is_set():
            connection.execute("SELECT 1 FROM clean LIMIT 1")  # what reads no table is not counted soon


def test_a_rate_that_cannot_be_told_is_no_number(postgres: Server, name: str) -> None:
    with night(postgres, name).open() as session:
        rate = Rate(session)
        assert math.isnan(rate.read())  # nothing to compare with
        assert rate.read() >= 0
    assert math.isnan(rate.read())  # nobody answers
