# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pg_indexes beside other sessions: under load, locked out, killed, on partitions, and its advice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from integration.harness import COLLECTIONS
from integration.indexed_database import Database, actions, wait_until
from integration.postgres_server import Server

# One row takes a millisecond: long enough to do something meanwhile.
SLOW = (
    "CREATE FUNCTION slow(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
    " $$ BEGIN PERFORM pg_sleep(0.001); RETURN x; END $$;"
    "CREATE TABLE scans (id int, student int); INSERT INTO scans SELECT g, g FROM generate_series(1, 2000) g;"
)
SLOW_INDEX = {"name": "slow_one", "table": "scans", "columns": ["slow(id)"]}
RUN, BUILDING = 0x6669727374626C31, 0x6669727374626C32


@pytest.fixture
def database(postgres: Server) -> Iterator[Database]:
    with postgres.database("alive") as name:
        yield Database(postgres, name)


def start(database: Database, *entries: dict[str, Any], **more: Any) -> subprocess.Popen[str]:
    """The module as a process that goes on by itself."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ansible_collections.firstbell.stack.plugins.modules.pg_indexes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": database.options(*entries, **more)}))
    process.stdin.close()
    process.stdin = None
    return process


def building(database: Database) -> int:
    """The pid of the session that builds an index."""
    rows = database.query("SELECT pid FROM pg_stat_progress_create_index WHERE phase LIKE 'building%'")
    return rows[0][0] if rows else 0


def test_a_build_under_write_load_holds_nobody_up(database: Database) -> None:
    database.query(
        "CREATE TABLE scans (id bigserial PRIMARY KEY, student int);"
        "INSERT INTO scans (student) SELECT g FROM generate_series(1, 400000) g"
    )
    ended, waits, failures = threading.Event(), [], []

    def write(number: int) -> None:
        with database.server.connect(database.name) as connection:
            while not ended.is_set():
                started = time.monotonic()
                try:
                    connection.execute("INSERT INTO scans (student) VALUES (%s)", (number,))
                    connection.execute("UPDATE scans SET student = student + 1 WHERE id = %s", (number,))
                except psycopg.Error as error:
                    failures.append(error)
                waits.append(time.monotonic() - started)

    writers = [threading.Thread(target=write, args=(number,)) for number in (1, 2, 3)]
    for writer in writers:
        writer.start()
    try:
        done = database.run({"name": "by_student", "table": "scans", "columns": ["student"]}, lock_timeout="30s")
    finally:
        ended.set()
        for writer in writers:
            writer.join()
    assert done["compliant"] is True
    assert not failures
    assert len(waits) > 100
    assert max(waits) < 2, "a write waited for the build"
    # Every row has its entry.
    database.query("CREATE EXTENSION amcheck; SELECT bt_index_check('by_student', true)")


def test_a_lock_that_another_session_holds(database: Database) -> None:
    database.query("CREATE TABLE scans (id int, student int)")
    entry = {"name": "by_student", "table": "scans", "columns": ["student"]}
    with database.server.connect(database.name) as other:
        other.execute("BEGIN; LOCK TABLE scans IN ACCESS EXCLUSIVE MODE")
        # Looking waits for nobody.
        assert actions(database.run(entry, check=True)) == ["create"]
        refused = database.fail(entry, lock_timeout="200ms")
        assert f"pid {other.info.backend_pid} " in refused["msg"]
        assert "tried 2 times" in refused["msg"]
        assert database.definitions() == {}

        later = threading.Timer(1.5, lambda: other.execute("ROLLBACK"))
        later.start()
        done = database.run(entry, lock_timeout="300ms", retries=9)
        assert done["steps"][0]["tries"] > 1
        later.join()
    assert done["compliant"] is True


def test_an_open_transaction_leaves_at_most_what_the_next_run_mends(database: Database) -> None:
    database.query("CREATE TABLE scans (id int, student int); CREATE INDEX wrong ON scans (id)")
    entries = [
        {"name": "by_student", "table": "scans", "columns": ["student"], "unique": True},
        {"name": "wrong", "table": "scans", "columns": ["id", "student"], "replace": True},
    ]
    with database.server.connect(database.name) as other:
        other.execute("BEGIN; INSERT INTO scans VALUES (1, 1)")
        refused = database.fail(*entries, lock_timeout="200ms")
        assert f"pid {other.info.backend_pid} " in refused["msg"]
        left = database.definitions()
        assert left["wrong"].endswith("(id)")
        if "by_student" in left:
            assert left["by_student"].startswith("INVALID")
            assert "the next run clears it up" in refused["msg"]
        other.execute("COMMIT")
    done = database.assured(*entries)
    assert done["compliant"] is True
    assert sorted(database.definitions()) == ["by_student", "wrong"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_in_the_middle(database: Database, how: signal.Signals) -> None:
    database.query(SLOW)
    process = start(database, SLOW_INDEX)
    pid = wait_until(lambda: building(database))
    process.send_signal(how)
    process.wait(timeout=30)
    wait_until(lambda: not database.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s", pid))
    assert database.definitions()["slow_one"].startswith("INVALID")
    done = database.assured(SLOW_INDEX, lock_timeout="30s")
    assert actions(done) == ["rebuild"]
    assert not database.definitions()["slow_one"].startswith("INVALID")


def test_a_rebuild_that_is_killed_leaves_no_trace_after_the_next_run(database: Database) -> None:
    database.query(SLOW)
    database.run(SLOW_INDEX, lock_timeout="30s")
    database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'slow_one'::regclass")
    process = start(database, SLOW_INDEX)
    wait_until(lambda: building(database))
    process.kill()
    process.wait(timeout=30)
    wait_until(lambda: not building(database))
    assert {name for name in database.definitions() if "_ccnew" in name}
    database.assured(SLOW_INDEX, lock_timeout="30s")
    assert list(database.definitions()) == ["slow_one"]


def test_two_runs_do_not_meet(database: Database) -> None:
    database.query(SLOW)
    first = start(database, SLOW_INDEX, lock_timeout="30s")
    pid = wait_until(lambda: building(database))
    refused = database.fail({"name": "other", "table": "scans", "columns": ["student"]}, advisory_lock_timeout="0s")
    assert f"pid {pid} " in refused["msg"]
    # One that only looks sees what goes on, and that it is no wreck.
    looked = database.run(SLOW_INDEX, mode="check")
    assert actions(looked) == ["building"]
    assert f"pid {pid} " in looked["findings"][0]
    waited = database.run(
        SLOW_INDEX, {"name": "other", "table": "scans", "columns": ["student"]}, advisory_lock_timeout="60s"
    )
    assert first.wait(timeout=60) == 0
    assert waited["summary"] == {"keep": 1, "create": 1}
    with database.server.connect(database.name) as other:
        other.execute("SELECT pg_advisory_lock_shared(%s::bigint)", (BUILDING,))
        assert "another run" in database.fail(SLOW_INDEX, advisory_lock_timeout="0s")["msg"]


def test_a_build_by_hand_is_not_disturbed(database: Database) -> None:
    database.query(SLOW)
    with database.server.connect(database.name) as other:
        building_by_hand = threading.Thread(
            target=lambda: other.execute("CREATE INDEX CONCURRENTLY slow_one ON scans (slow(id))")
        )
        building_by_hand.start()
        wait_until(lambda: building(database))
        refused = database.fail(SLOW_INDEX)
        assert actions(refused) == ["building"]
        building_by_hand.join()
    assert database.run(SLOW_INDEX)["changed"] is False


def test_what_an_interrupted_replacement_has_left(database: Database) -> None:
    database.query("CREATE TABLE scans (id int, student int); CREATE INDEX idx ON scans (student)")
    entry = {"name": "idx", "table": "scans", "columns": ["id"], "replace": True}
    planned = database.run(entry, check=True)
    create, drop, _rename = planned["indexes"][0]["statements"]
    for statements, kept in (((create,), 3), ((create, drop), 2)):
        for statement in statements:
            database.query(statement)
        passing = next(name for name in database.definitions() if name.endswith("_new"))
        database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", passing)
        done = database.assured(entry)
        assert actions(done) == ["rebuild" if kept == 2 else "replace"]
        assert list(database.definitions()) == ["idx"]
        database.query("DROP INDEX idx; CREATE INDEX idx ON scans (student)")


PARTITIONED = (
    "CREATE TABLE marks (id int, at date, class text) PARTITION BY RANGE (at);"
    "CREATE TABLE marks_1 PARTITION OF marks FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"
    "CREATE TABLE marks_2 PARTITION OF marks FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
    " PARTITION BY LIST (class);"
    "CREATE TABLE marks_2a PARTITION OF marks_2 FOR VALUES IN ('a');"
    "CREATE TABLE marks_2b PARTITION OF marks_2 DEFAULT;"
    "INSERT INTO marks SELECT g, '2025-06-01'::date + g, 'a' FROM generate_series(1, 300) g"
)


def test_partitioned_tables(every_postgres: Server) -> None:
    with every_postgres.database("partitioned") as name:
        partitioned = Database(every_postgres, name)
        partitioned.query(PARTITIONED)
        check_partitioned(partitioned)


def check_partitioned(partitioned: Database) -> None:
    entry = {"name": "by_id", "table": "marks", "columns": ["id", "lower(class)"]}
    done = partitioned.assured(
        entry, {"name": "one", "table": "marks", "columns": ["at", "id", "class"], "unique": True}
    )
    assert actions(done) == ["create", "create"]
    for step in done["steps"]:
        assert " ON ONLY " in step["statement"] or "CONCURRENTLY" in step["statement"] or "ATTACH" in step["statement"]
    assert len(partitioned.definitions()) == 10
    assert not [text for text in partitioned.definitions().values() if text.startswith("INVALID")]

    impossible = partitioned.fail({"table": "marks", "columns": ["id"], "unique": True})
    assert "add at to columns" in impossible["msg"]
    child = partitioned.fail({"name": "marks_1_by_id", "state": "absent"})
    assert "partition of an index" in child["msg"]
    assert actions(partitioned.assured({"name": "by_id", "state": "absent"})) == ["drop"]
    assert len(partitioned.definitions()) == 5


def test_a_partitioned_table_half_done(database: Database) -> None:
    """Whatever a killed run leaves of it is used: every prefix of the statements is a beginning."""
    database.query(PARTITIONED)
    entry = {"name": "by_id", "table": "marks", "columns": ["id"]}
    statements = database.run(entry, check=True)["indexes"][0]["statements"]
    for taken in range(1, len(statements)):
        for statement in statements[:taken]:
            database.query(statement)
        if taken == 2:
            database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'marks_1_by_id'::regclass")
        done = database.run(entry)
        assert done["compliant"] is True, (taken, done)
        assert len(done["steps"]) == len(statements) - taken + (taken == 2)
        assert len(database.definitions()) == 5
        database.query("DROP INDEX by_id")


def test_parallel_builds_and_progress(database: Database) -> None:
    database.query(SLOW + "CREATE TABLE two AS SELECT * FROM scans; CREATE TABLE three AS SELECT * FROM scans")
    entries = [{"table": table, "columns": ["slow(id)"]} for table in ("scans", "two", "three")]
    process = start(database, *entries, parallel=3, lock_timeout="60s", _ansible_verbosity=1)
    wait_until(lambda: database.query("SELECT count(*) FROM pg_stat_progress_create_index")[0][0] == 3)
    output, _errors = process.communicate(timeout=120)
    done = json.loads(output)
    assert done["compliant"] is True, done
    assert len(done["steps"]) == 3
    assert any("building index" in line and '"three"' in line for line in done["progress"])
    assert database.run(*entries)["changed"] is False

    # One that fails does not stop the others half-way, and what was done is told.
    database.query("INSERT INTO two VALUES (1, 1), (1, 1)")
    entries = [
        {"name": "fine", "table": "scans", "columns": ["student"]},
        {"name": "bad", "table": "two", "columns": ["(1 / (id - 1))"]},
        {"name": "also", "table": "three", "columns": ["student"]},
    ]
    failed = database.fail(*entries, parallel=3)
    assert "division by zero" in failed["msg"]
    assert "bad" not in database.definitions()
    assert failed["changed"] is bool(failed["steps"])


def test_advice(database: Database) -> None:
    database.query(
        "CREATE TABLE students (id int PRIMARY KEY, code int, name text);"
        "CREATE TABLE scans (id int PRIMARY KEY, student int REFERENCES students, at date, note text);"
        "CREATE INDEX code_1 ON students (code); CREATE INDEX code_2 ON students (code);"
        "CREATE INDEX at ON scans (at); CREATE INDEX at_note ON scans (at, note);"
        "CREATE INDEX lowered ON scans (lower(note)); CREATE INDEX sick ON scans (note);"
        "INSERT INTO students SELECT g, g, 'n' FROM generate_series(1, 200000) g; "
        "INSERT INTO scans SELECT g, g, '2026-01-01', 'n' FROM generate_series(1, 1000) g;"
        "DELETE FROM students WHERE id > 1000 AND id % 20 <> 1;"
    )
    database.query("VACUUM ANALYZE students")
    database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sick'::regclass")
    wait_until(lambda: database.query("SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'scans'")[0][0])
    before = database.everything()
    result = database.run(mode="check", advice=True)
    assert result["compliant"] is True
    advice = {(one["kind"], one["index"] or one["table"]): one for one in result["advice"]}
    assert {
        ("foreign_key_without_index", "scans"),
        ("duplicate_index", "code_2"),
        ("redundant_index", "at"),
        ("unused_index", "at_note"),
        ("bloated_index", "code_1"),
        ("bloated_index", "students_pkey"),
        ("invalid_index", "sick"),
        ("missing_statistics", "scans"),
    } <= set(advice)
    assert "days" in advice["unused_index", "at_note"]["message"]
    assert database.everything() == before
    for one in result["advice"]:
        if one["kind"] not in ("redundant_index", "unused_index") or one["index"] == "at":
            with contextlib.suppress(psycopg.errors.UndefinedObject):
                database.query(one["statement"])
    left = {one["kind"] for one in database.run(mode="check", advice=True)["advice"]}
    assert left == {"unused_index"}


def test_a_standby_is_named(postgres: Server, database: Database) -> None:
    """Nothing can be tried where nothing can be written: that is said, and not PostgreSQL's error about it."""
    database.query("CREATE TABLE scans (id int)")
    (postgres.data / "standby.signal").touch()
    os.chown(postgres.data / "standby.signal", *((postgres.data.stat().st_uid, postgres.data.stat().st_gid)))
    try:
        postgres.restart("-c", "hot_standby=on")
        refused = database.fail({"table": "scans", "columns": ["id"]}, mode="check")
        assert "is a standby" in refused["msg"]
    finally:
        (postgres.data / "standby.signal").unlink()
        postgres.restart()
