# SPDX-License-Identifier: GPL-3.0-or-later
"""The module prisma_migrations against a real server."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from integration.harness import COLLECTIONS, ModuleFailedError, run_module
from integration.postgres_server import Server

LOCK = 72707369
INIT = """CREATE TABLE "Student" (id int PRIMARY KEY, email text);
INSERT INTO "Student" VALUES (1, 'a@x'), (2, 'a@x');
"""
SEATS = 'ALTER TABLE "Student" ADD COLUMN seat text;\n'


@dataclass
class App:
    """A database and a folder of migrations."""

    server: Server
    database: str
    folder: pathlib.Path

    def write(self, migrations: Mapping[str, str | bytes]) -> None:
        for name, script in migrations.items():
            (self.folder / name).mkdir(exist_ok=True)
            content = script.encode() if isinstance(script, str) else script
            (self.folder / name / "migration.sql").write_bytes(content)

    def options(self, **more: Any) -> dict[str, Any]:
        return {**self.server.login(self.database), "path": str(self.folder), **more}

    def run(self, *, check: bool = False, diff: bool = False, **more: Any) -> dict[str, Any]:
        return run_module("prisma_migrations", self.options(**more), check=check, diff=diff)

    def fail(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        with pytest.raises(ModuleFailedError) as raised:
            self.run(check=check, **more)
        return raised.value.result

    def query(self, query: str) -> list[Any]:
        with self.server.connect(self.database) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> list[Any]:
        return self.query(
            "SELECT migration_name, finished_at IS NOT NULL, rolled_back_at IS NOT NULL, logs, applied_steps_count"
            " FROM public._prisma_migrations ORDER BY started_at"
        )

    def tables(self) -> list[str]:
        rows = self.query("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
        return sorted(row[0] for row in rows)


@pytest.fixture
def app(postgres: Server, tmp_path: pathlib.Path) -> Iterator[App]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "migration_lock.toml").write_text('provider = "postgresql"\n')
    with postgres.database("academy") as database:
        yield App(postgres, database, folder)


def test_check_then_apply_then_nothing(app: App) -> None:
    app.write({"1_init": INIT, "2_seats": SEATS, "3_empty": "-- This is an empty migration."})
    planned = app.run(check=True, diff=True)
    assert planned["changed"] is True
    assert planned["pending"] == ["1_init", "2_seats", "3_empty"]
    assert planned["applied"] == []
    assert planned["diff"]["before"].startswith("1_init: pending\n")
    assert app.tables() == []

    done = app.run(diff=True)
    assert done["changed"] is True
    assert done["applied"] == ["1_init", "2_seats", "3_empty"]
    assert done["diff"] == planned["diff"]
    assert app.rows() == [(name, True, False, None, 1) for name in ("1_init", "2_seats", "3_empty")]
    assert app.query('SELECT count(seat), count(*) FROM "Student"') == [(0, 2)]

    for check in (True, False):
        again = app.run(check=check, diff=True)
        assert again["changed"] is False
        assert again["pending"] == again["applied"] == []
        assert again["diff"]["before"] == again["diff"]["after"]
        assert [entry["state"] for entry in again["ledger"]] == ["applied"] * 3

    app.write({"4_more": "SELECT 1;"})
    assert app.run(check=True)["pending"] == ["4_more"]
    assert app.run()["applied"] == ["4_more"]


def test_the_ledger_is_prismas(app: App) -> None:
    app.write({"1_init": INIT})
    app.run()
    columns = app.query(
        "SELECT column_name, data_type, character_maximum_length, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_name = '_prisma_migrations' ORDER BY ordinal_position"
    )
    assert columns == [
        ("id", "character varying", 36, "NO", None),
        ("checksum", "character varying", 64, "NO", None),
        ("finished_at", "timestamp with time zone", None, "YES", None),
        ("migration_name", "character varying", 255, "NO", None),
        ("logs", "text", None, "YES", None),
        ("rolled_back_at", "timestamp with time zone", None, "YES", None),
        ("started_at", "timestamp with time zone", None, "NO", "now()"),
        ("applied_steps_count", "integer", None, "NO", "0"),
    ]
    [(identity,)] = app.query("SELECT id FROM _prisma_migrations")
    assert uuid.UUID(identity).version == 4


def test_a_failure_takes_the_script_back_and_stops_all_later_runs(app: App) -> None:
    bad = SEATS + '\nCREATE UNIQUE INDEX one_email ON "Student" (email);\n'
    app.write({"1_init": INIT, "2_bad": bad, "3_late": "SELECT 1;"})
    result = app.fail()
    assert result["changed"] is True
    assert result["applied"] == ["1_init"]
    assert result["pending"] == ["2_bad", "3_late"]
    assert result["failed_migration"] == "2_bad"
    for words in (
        "23505",
        "could not create unique index",
        "line 3, column 1",
        "> ",
        "resolve: {rolled_back: [2_bad]}",
    ):
        assert words in result["msg"]
    assert app.query("SELECT 1 FROM pg_attribute WHERE attname = 'seat'") == []
    (name, finished, rolled_back, log, steps) = app.rows()[1]
    assert (name, finished, rolled_back, steps) == ("2_bad", False, False, 0)
    assert "23505" in log

    for check in (True, False):
        refused = app.fail(check=check)
        assert "P3009" in refused["msg"]
        assert "23505" in refused["msg"]
        assert not refused.get("changed")
    assert len(app.rows()) == 2

    app.query('UPDATE "Student" SET email = id::text')
    assert app.run(check=True, resolve={"rolled_back": ["2_bad"]})["pending"] == ["2_bad", "3_late"]
    assert app.run(resolve={"rolled_back": ["2_bad"]})["applied"] == ["2_bad", "3_late"]
    assert app.run(resolve={"rolled_back": ["2_bad"]})["changed"] is False
    assert [(row[0], row[1], row[2]) for row in app.rows()] == [
        ("1_init", True, False),
        ("2_bad", False, True),
        ("2_bad", True, False),
        ("3_late", True, False),
    ]


def test_finished_by_hand(app: App) -> None:
    app.write({"1_init": INIT, "2_bad": SEATS + "SELECT nonsense;"})
    assert 'column "nonsense" does not exist' in app.fail()["msg"]
    app.query(SEATS)
    done = app.run(resolve={"applied": ["2_bad"]})
    assert (done["changed"], done["applied"]) == (True, [])
    assert app.run(resolve={"applied": ["2_bad"]})["changed"] is False
    assert "P3012" in app.fail(resolve={"rolled_back": ["1_init"]})["msg"]


def test_baseline(app: App) -> None:
    app.query(INIT)
    app.write({"1_init": INIT, "2_seats": SEATS})
    for check in (True, False):
        assert "P3005" in app.fail(check=check)["msg"]
    assert app.tables() == ["Student"]
    assert app.run(check=True, baseline=["1_init"])["pending"] == ["2_seats"]
    assert app.tables() == ["Student"]
    done = app.run(baseline=["1_init"])
    assert done["applied"] == ["2_seats"]
    assert [row[0] for row in app.rows()] == ["1_init", "2_seats"]
    assert app.run(baseline=True)["changed"] is False


def test_baseline_of_everything(app: App) -> None:
    app.query(INIT)
    app.write({"1_init": INIT, "2_seats": SEATS})
    done = app.run(baseline=True)
    assert (done["changed"], done["applied"]) == (True, [])
    assert {entry["state"] for entry in done["ledger"]} == {"applied"}


def test_an_extensions_tables_are_nobodys(app: App) -> None:
    app.query("CREATE TABLE of_extension (i int)")
    app.query("ALTER EXTENSION plpgsql ADD TABLE of_extension")
    app.write({"1_init": INIT})
    assert app.run()["applied"] == ["1_init"]


def test_statements_that_no_transaction_takes_are_sent_one_by_one(app: App) -> None:
    script = (
        "-- an index beside the writers; and a value that is used at once\n"
        "CREATE TYPE mood AS ENUM ('a;b');\nALTER TABLE \"Student\" ADD COLUMN mood mood;\n"
        'CREATE INDEX CONCURRENTLY by_email ON "Student" (email);\n'
        "ALTER TYPE mood ADD VALUE 'new';\nUPDATE \"Student\" SET mood = 'new';\n"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;\n"
        "DROP INDEX CONCURRENTLY by_email;\n"
    )
    app.write({"1_init": INIT, "2_many": script, "3_one": 'CREATE INDEX CONCURRENTLY late ON "Student" (email)'})
    assert app.run()["applied"] == ["1_init", "2_many", "3_one"]
    assert app.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'late'::regclass") == [(True,)]


def test_a_new_enum_value_used_at_once(app: App) -> None:
    script = "ALTER TYPE mood ADD VALUE 'new';\nCREATE TABLE t (m mood DEFAULT 'new');\n"
    app.write({"1_type": "CREATE TYPE mood AS ENUM ('a');", "2_value": script})
    assert app.run()["applied"] == ["1_type", "2_value"]


def test_a_concurrent_index_that_fails_says_what_stays(app: App) -> None:
    script = SEATS + 'CREATE UNIQUE INDEX CONCURRENTLY one_email ON "Student" (email);\n'
    app.write({"1_init": INIT, "2_bad": script})
    message = app.fail()["msg"]
    assert "1 of its statements took effect" in message
    assert "INVALID" in message
    assert "line 2, column 1" in message
    assert app.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_email'::regclass") == [(False,)]


def test_a_script_that_ends_transactions_itself_is_never_sent_twice(app: App) -> None:
    app.write({"1_init": "CREATE TABLE n (i int);\nBEGIN;\nINSERT INTO n VALUES (1);\nCOMMIT;\nVACUUM n;\n"})
    message = app.fail()["msg"]
    assert "25001" in message
    assert "is not known" in message
    assert app.query("SELECT count(*) FROM n") == [(1,)]


def test_a_transaction_left_open_is_a_failure(app: App) -> None:
    app.write({"1_init": "BEGIN;\nCREATE TABLE n (i int);\n"})
    assert "does not end it" in app.fail()["msg"]
    assert app.tables() == ["_prisma_migrations"]


def test_what_a_script_sets_stays_in_its_session(app: App) -> None:
    dump = "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.a (i int);\n"
    app.write({"1_dump": dump, "2_next": "CREATE TABLE b (i int);"})
    assert app.run()["applied"] == ["1_dump", "2_next"]
    assert app.tables() == ["_prisma_migrations", "a", "b"]


def test_another_schema_and_owner(app: App) -> None:
    app.query("DROP ROLE IF EXISTS academy_owner")
    app.query("CREATE ROLE academy_owner")
    app.query("GRANT CREATE ON DATABASE academy TO academy_owner")
    try:
        app.write({"1_init": INIT})
        assert app.run(schema='odd "schema', session_role="academy_owner")["applied"] == ["1_init"]
        assert app.run(schema='odd "schema', session_role="academy_owner")["changed"] is False
        owners = app.query("SELECT DISTINCT schemaname, tableowner FROM pg_tables WHERE schemaname LIKE 'odd%'")
        assert owners == [('odd "schema', "academy_owner")]
        # Since PostgreSQL 15 not everybody may create in public.
        assert "permission denied for schema public" in app.fail(session_role="academy_owner")["msg"]
        assert 'role "nobody_there" does not exist' in app.fail(session_role="nobody_there")["msg"]
    finally:
        app.query("DROP OWNED BY academy_owner")
        app.query("DROP ROLE academy_owner")


def test_edited_and_missing_are_warned_of(app: App) -> None:
    app.write({"1_init": INIT, "2_seats": SEATS})
    app.run()
    app.write({"1_init": INIT + "-- edited"})
    shutil.rmtree(app.folder / "2_seats")
    result = app.run()
    assert (result["changed"], result["edited"], result["missing"]) == (False, ["1_init"], ["2_seats"])
    assert len(result["warnings"]) == 2


def test_line_ends_of_a_checkout_are_no_edit(app: App) -> None:
    app.write({"1_init": INIT})
    app.run()
    app.write({"1_init": INIT.replace("\n", "\r\n")})
    assert app.run()["edited"] == []


@pytest.mark.parametrize(
    "script",
    [
        "SELECT 'it''s 100% \\ $HOME {{ x }} $1 %s %(a)s';",
        "CREATE TABLE \"täble 😀 'x'\" (i int);",
        "DO $do$ BEGIN EXECUTE format('CREATE TABLE %I (i int)', 'a;b'); END $do$;",
        "CREATE TABLE t (v text);\nINSERT INTO t VALUES (E'a\\'b;\\n'), ('" + "x" * 200_000 + "');",
    ],
)
def test_scripts_arrive_as_they_are(app: App, script: str) -> None:
    app.write({"1_odd": script})
    assert app.run()["applied"] == ["1_odd"]


def test_copy_from_a_client_that_has_nothing(app: App) -> None:
    app.write({"1_copy": "CREATE TABLE t (i int);\nCOPY t FROM STDIN;\n"})
    message = app.fail()["msg"]
    assert "no data for COPY" in message
    assert "took all of it back" in message


def test_a_password_is_not_kept(app: App) -> None:
    app.write({"1_role": "CREATE ROLE leaky PASSWORD 'S3cr3t' NONSENSE;"})
    result = app.fail(login_password="T0pS3cr3t")
    text = json.dumps(result) + str(app.rows())
    assert "S3cr3t" not in text


@contextlib.contextmanager
def _session(app: App, *statements: str) -> Iterator[int]:
    with app.server.connect(app.database) as connection:
        connection.execute("SET application_name = 'somebody else'")
        for statement in statements:
            connection.execute(statement)
        yield connection.info.backend_pid


def test_somebody_else_is_migrating(app: App) -> None:
    app.write({"1_init": INIT})
    with _session(app, f"SELECT pg_advisory_lock({LOCK})") as pid:
        started = time.monotonic()
        message = app.fail(advisory_lock_timeout="700ms")["msg"]
        assert 0.7 <= time.monotonic() - started < 5
        for words in (f"pid {pid}", "somebody else", "pg_terminate_backend", "700ms"):
            assert words in message
        assert app.run(check=True)["pending"] == ["1_init"]
    assert app.tables() == []
    assert app.run(advisory_lock_timeout="700ms")["changed"] is True


def test_a_lock_that_is_not_got_in_time_is_no_verdict(app: App) -> None:
    app.write({"1_init": INIT, "2_seats": SEATS})
    app.query(INIT)
    app.run(baseline=["1_init"], check=True)
    with _session(app, "BEGIN", 'LOCK TABLE "Student"'):
        message = app.fail(baseline=["1_init"], lock_timeout="300ms")["msg"]
    assert "run again" in message
    assert [row[:3] for row in app.rows()] == [("1_init", True, False), ("2_seats", False, True)]
    assert app.run(lock_timeout="300ms")["applied"] == ["2_seats"]


def test_statement_timeout(app: App) -> None:
    app.write({"1_slow": "SELECT pg_sleep(30);"})
    assert "57014" in app.fail(statement_timeout="300ms")["msg"]


def test_a_run_that_is_killed_stops_the_next_one(app: App) -> None:
    app.write({"1_slow": "CREATE TABLE n (i int); SELECT pg_sleep(60);"})
    process = subprocess.Popen(
        [sys.executable, "-m", "ansible_collections.firstbell.stack.plugins.modules.prisma_migrations"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        cwd="/",
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": app.options()}).encode())
    process.stdin.close()
    sleeping = "SELECT pid FROM pg_stat_activity WHERE application_name = 'firstbell migration'"
    while not app.query(sleeping):
        time.sleep(0.05)
    busy = app.fail(check=True)["msg"]
    assert "is migrating just now" in busy
    assert "firstbell migrations ledger" in busy
    process.send_signal(signal.SIGKILL)
    process.wait()
    # The server notices a vanished client only when the statement ends.
    app.query(f"SELECT pg_terminate_backend(pid) FROM ({sleeping}) AS s")
    message = app.fail()["msg"]
    assert "P3009" in message
    assert "cut off" in message
    assert app.run(resolve={"rolled_back": ["1_slow"]}, check=True)["pending"] == ["1_slow"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"login_db": "nowhere"}, 'database "nowhere" does not exist'),
        ({"login_unix_socket": "/nowhere"}, "cannot log in as postgres"),
        ({"baseline": "1_init"}, "baseline"),
        ({"lock_timeout": "10"}, "lock_timeout"),
        ({"advisory_lock_timeout": "0s"}, "advisory_lock_timeout"),
        ({"image": "some:thing"}, "mutually exclusive"),
        ({"path": None}, "one of the following is required: path, image"),
    ],
)
def test_wrong_options(app: App, options: dict[str, Any], said: str) -> None:
    app.write({"1_init": INIT})
    assert said in app.fail(**options)["msg"]
    assert app.tables() == []


def test_a_missing_library_is_named(app: App, tmp_path: pathlib.Path) -> None:
    app.write({"1_init": INIT})
    (tmp_path / "psycopg.py").write_text("raise ImportError('not here')\n")
    script = (
        f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_module({_MODULE!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": app.options()}),
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "python3-psycopg" in json.loads(done.stdout)["msg"]


_MODULE = "ansible_collections.firstbell.stack.plugins.modules.prisma_migrations"


@pytest.fixture
def image() -> Iterator[str]:
    docker = pytest.importorskip("docker")
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("no Docker engine")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in (
            ("app/prisma/migrations/1_init/migration.sql", INIT),
            ("app/prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n'),
            ("app/prisma/migrations/README.md", "x"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    repository = f"firstbell-test/migrations-{uuid.uuid4().hex[:12]}"
    client.api.import_image_from_data(archive.getvalue(), repository=repository, tag="1")
    try:
        yield f"{repository}:1"
    finally:
        assert client.containers.list(all=True, filters={"ancestor": f"{repository}:1"}) == []
        client.images.remove(f"{repository}:1")
        client.close()


@pytest.mark.engine
def test_migrations_out_of_an_image(app: App, image: str) -> None:
    options = app.options(image=image)
    del options["path"]
    assert run_module("prisma_migrations", options, check=True)["pending"] == ["1_init"]
    assert run_module("prisma_migrations", options)["applied"] == ["1_init"]
    for wrong, said in (
        ({"image_path": "/nowhere"}, "image_path"),
        ({"image": "firstbell-test/none:1"}, "not on this"),
    ):
        with pytest.raises(ModuleFailedError, match=said):
            run_module("prisma_migrations", {**options, **wrong})
