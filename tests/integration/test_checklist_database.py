# SPDX-License-Identifier: GPL-3.0-or-later
"""What `verify` finds in a real database, and that the statement it gives mends it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist import activity, roles
from ansible_collections.firstbell.stack.plugins.module_utils._core.scram import role_verifier
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import activity as io
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import data, schema
from ansible_collections.firstbell.stack.plugins.module_utils._io.postgres import ConnectError

from integration.checked_database import LEDGER, ROLES, gather, healthy, typed
from integration.postgres_server import Server

KINDS = ("barred", "given", "strangers", "strange_owners", "weak_tables", "unproven", "invalid_indexes")
PARAMETERS, ENFORCED_OR_NOT = 15, 18
OWNERS = "ALTER DEFAULT PRIVILEGES FOR ROLE verify_owner"
FAULTS = {
    "GRANT SELECT (name) ON students TO PUBLIC": "PUBLIC SELECT (name) TABLE students",
    "GRANT SELECT, TRUNCATE ON students, attendance TO verify_app": "verify_app TRUNCATE TABLE attendance 2",
    "GRANT INSERT ON students TO verify_monitoring": "verify_monitoring INSERT TABLE students",
    "GRANT SELECT ON students TO verify_app WITH GRANT OPTION": "REVOKE GRANT OPTION FOR SELECT ON TABLE students",
    "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO verify_app": "verify_app EXECUTE ROUTINE pg_read_file(text)",
    "GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO PUBLIC": "PUBLIC EXECUTE ROUTINE pg_ls_dir(text)",
    "GRANT UPDATE ON SEQUENCE audit_log_id_seq TO PUBLIC": "PUBLIC UPDATE SEQUENCE audit_log_id_seq",
    "CREATE SCHEMA other; GRANT CREATE ON SCHEMA other TO verify_app": "verify_app CREATE SCHEMA other",
    "GRANT CREATE ON DATABASE verify TO verify_app": "verify_app CREATE DATABASE verify",
    "GRANT SELECT ON pg_authid TO verify_monitoring": "verify_monitoring SELECT TABLE pg_authid",
    f"{OWNERS} IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC": "PUBLIC SELECT 1 tables that verify_owner",
    f"{OWNERS} GRANT ALL ON TABLES TO verify_monitoring": "verify_monitoring DELETE, INSERT",
    f"{OWNERS} IN SCHEMA public REVOKE INSERT ON TABLES FROM verify_app": "verify_app use the tables that verify_owner",
    "REVOKE pg_monitor FROM verify_monitoring": "verify_monitoring see statistics",
    "CREATE FUNCTION evil() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'": "evil() runs as the superuser",
    "ALTER FUNCTION pg_read_file(text) SECURITY DEFINER": "pg_read_file(text) runs as the superuser",
    "CREATE FUNCTION spy() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
    "CREATE EVENT TRIGGER spy ON ddl_command_end EXECUTE FUNCTION spy()": "the event trigger spy",
    "CREATE PUBLICATION everything FOR ALL TABLES": "the publication everything refuses",
    "ALTER DATABASE verify OWNER TO verify_app": "the database verify belongs to verify_app",
    "REVOKE USAGE ON SCHEMA public FROM PUBLIC": "verify_app use the schema public",
    "REVOKE CONNECT ON DATABASE verify FROM PUBLIC": "verify_monitoring connect to the database verify",
    "REVOKE ALL ON SCHEMA public FROM verify_owner, PUBLIC": "verify_owner make tables in the schema public",
    "ALTER TABLE students OWNER TO verify_app": "public.students verify_app",
    "ALTER TABLE scans_2026 OWNER TO postgres": "public.scans_2026 postgres",
    "ALTER VIEW named OWNER TO postgres": "public.named postgres",
    "ALTER TABLE students ENABLE ROW LEVEL SECURITY": "public.students shows the application no row",
    "ALTER TABLE attendance DISABLE TRIGGER ALL": "public.attendance has triggers that are switched off, RI_",
    "DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE attendance ENABLE REPLICA TRIGGER %I', min(tgname))"
    " FROM pg_trigger WHERE tgrelid = 'attendance'::regclass); END $$": "has triggers that only a replica fires, RI_",
    "CREATE RULE swallow AS ON INSERT TO students DO INSTEAD NOTHING": "swallow, which takes the place of every INSERT",
    "CREATE RULE swallow AS ON UPDATE TO students DO INSTEAD NOTHING": "swallow, which takes the place of every UPDATE",
    "ALTER TABLE attendance SET UNLOGGED": "public.attendance is unlogged",
    "ALTER TABLE students SET (autovacuum_enabled = off)": "public.students is never cleaned",
    "ALTER TABLE students SET (autovacuum_vacuum_threshold = 1000000)": "autovacuum_vacuum_threshold=1000000",
    "ALTER TABLE students SET (autovacuum_vacuum_scale_factor = 1.5)": "autovacuum_vacuum_scale_factor=1.5",
    "ALTER TABLE students SET (autovacuum_analyze_threshold = 1000000)": "autovacuum_analyze_threshold=1000000",
    "ALTER TABLE students ALTER name SET STATISTICS 0": "public.students has no statistics of name",
    "CREATE SCHEMA fix CREATE TABLE copy (id int)": "fix.copy postgres",
    "ALTER TABLE students ADD CONSTRAINT long CHECK (name <> '') NOT VALID": "long, which was never proven",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_name'::regclass": "public.by_name REINDEX",
    "ALTER INDEX by_name RENAME TO by_name_ccnew;"
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_name_ccnew'::regclass": "public.by_name_ccnew DROP",
}


@pytest.fixture
def server(every_postgres: Server) -> Iterator[Server]:
    with healthy(every_postgres):
        yield every_postgres


def found(server: Server) -> list[dict[str, str]]:
    seen = gather(server)
    return [one for kind in KINDS for one in seen[kind]]


def test_nothing_is_found_where_nothing_is_wrong(server: Server) -> None:
    assert found(server) == []


@pytest.mark.parametrize(("fault", "said"), FAULTS.items())
def test_a_fault_is_found_and_its_statement_mends_it(server: Server, fault: str, said: str) -> None:
    with server.connect("verify") as connection:
        connection.execute(fault)
    problems = found(server)
    assert any(said in " ".join(map(str, one.values())) for one in problems)
    with server.connect("verify") as connection:
        for one in problems:
            connection.execute(one["fix"])
    assert found(server) == []


@pytest.mark.parametrize("kind", ["CHECK (name <> '')", "FOREIGN KEY (id) REFERENCES others"])
def test_a_constraint_that_is_not_enforced(server: Server, kind: str) -> None:
    if server.major < ENFORCED_OR_NOT:
        pytest.skip("PostgreSQL has NOT ENFORCED from 18 on")
    with server.connect("verify") as connection:
        connection.execute("SET ROLE verify_owner")
        connection.execute("CREATE TABLE others (id int PRIMARY KEY)")
        connection.execute(f"ALTER TABLE students ADD CONSTRAINT a {kind} NOT ENFORCED")
    (one,) = found(server)
    assert one["problem"] == "has the constraint a, which is not enforced"
    with server.connect("verify") as connection:
        connection.execute(one["fix"])
    assert found(server) == []


def test_an_index_that_is_being_built_is_not_invalid(server: Server) -> None:
    with server.connect("verify") as holder, holder.transaction(), server.connect("verify") as builder:
        holder.execute("INSERT INTO students VALUES (1)")
        builder.execute("SET statement_timeout = '2s'")
        builder.pgconn.send_query(b"CREATE INDEX CONCURRENTLY second ON students (id)")
        with server.connect("verify") as watcher:
            while not watcher.execute("SELECT 1 FROM pg_index WHERE NOT indisvalid").fetchall():
                pass
        assert gather(server)["invalid_indexes"] == []
        while builder.pgconn.get_result():
            pass
    assert [one["name"] for one in gather(server)["invalid_indexes"]] == ["public.second"]


def test_an_unlogged_sequence_is_found(server: Server) -> None:
    if server.major < PARAMETERS:
        pytest.skip("PostgreSQL has them from 15 on")
    typed(server, "ALTER SEQUENCE audit_log_id_seq SET UNLOGGED")
    (one,) = found(server)
    assert (one["name"], one["fix"]) == ("public.audit_log_id_seq", "ALTER SEQUENCE public.audit_log_id_seq SET LOGGED")
    typed(server, one["fix"])
    assert found(server) == []


def test_who_keeps_a_transaction_open_is_named(server: Server) -> None:
    old = "5 minutes", "1 hour"
    holder = server.connect("verify", user="verify_app")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "_OPEN", io._OPEN.replace(f"'{old[0]}'", "'0'").replace(f"'{old[1]}'", "'0'"))
        assert gather(server)["open"] == []
        holder.execute("SET application_name = 'psql'; BEGIN")
        (one,) = gather(server)["open"]
        assert {**one, "age": ""} == {
            "pid": holder.info.backend_pid,
            "role": "verify_app",
            "application": "psql",
            "idle": True,
            "age": "",
        }
        holder.pgconn.send_query(b"SELECT pg_sleep(600)")
        time.sleep(0.2)
        (one,) = gather(server)["open"]
        assert one["idle"] is False
        typed(server, f"SELECT pg_terminate_backend({one['pid']})")
        assert gather(server)["open"] == []
    holder.close()


def test_texts_in_another_order_than_their_indexes(server: Server) -> None:
    with server.connect("verify") as connection:
        connection.execute('CREATE COLLATION german (provider = icu, locale = "de")')
        connection.execute("ALTER COLLATION german OWNER TO verify_owner")
        connection.execute("ALTER TABLE students ADD place text COLLATE german")
        assert gather(server)["orders"] == []
        connection.execute("UPDATE pg_collation SET collversion = '1' WHERE collname = 'german'")
    (one,) = gather(server)["orders"]
    assert (one["name"], one["made"]) == ("the collation german", "1")
    typed(server, one["fix"])
    assert gather(server)["orders"] == []


def test_a_database_in_another_order(server: Server) -> None:
    if server.major < PARAMETERS:
        pytest.skip("PostgreSQL knows the version of a database's order from 15 on")
    with server.connect() as connection:
        connection.execute("DROP DATABASE verify")
        connection.execute(
            "CREATE DATABASE verify OWNER verify_owner TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de'"
        )
        assert gather(server)["orders"] == []
        connection.execute("UPDATE pg_database SET datcollversion = '1' WHERE datname = 'verify'")
    (one,) = gather(server)["orders"]
    assert one["name"] == "the database verify"
    typed(server, one["fix"])
    assert gather(server)["orders"] == []


def test_a_setting_that_no_file_says_any_more(server: Server) -> None:
    expected = {"socket": server.socket, "settings": {}}
    assert data.gather_settings(expected)["findings"] == []
    typed(server, "ALTER SYSTEM SET zero_damaged_pages = on", "SELECT pg_reload_conf()")
    time.sleep(0.5)
    typed(server, "ALTER SYSTEM RESET zero_damaged_pages")
    (one,) = data.gather_settings(expected)["findings"]
    assert (one["name"], one["problem"]) == ("zero_damaged_pages", "it is on, which no file says any more")
    typed(server, one["fix"])
    time.sleep(0.5)
    assert data.gather_settings(expected)["findings"] == []


def test_a_sequence_that_its_maxvalue_ends(server: Server) -> None:
    typed(server, "CREATE TABLE entries (id serial PRIMARY KEY)", "ALTER SEQUENCE entries_id_seq MAXVALUE 5")
    typed(server, "INSERT INTO entries SELECT FROM generate_series(1, 5)")
    (one,) = (row for row in gather(server)["sequences"] if row["name"] == "entries_id_seq")
    assert (one["next"], one["most"], one["widest"]) == (6, 5, 2147483647)
    ((_problem, fix),) = activity._of_sequence(one).items()
    typed(server, fix, "INSERT INTO entries DEFAULT VALUES")
    (one,) = (row for row in gather(server)["sequences"] if row["name"] == "entries_id_seq")
    assert activity._of_sequence(one) == {}


def test_without_the_schema_there_is_something_to_see(server: Server) -> None:
    typed(server, "ALTER SCHEMA public RENAME TO other")
    seen = gather(server)
    assert (seen["migrations"], seen["barred"], seen["app_creates"]) == (None, [], False)
    wanted = [{"table": "students", "columns": [{"column": "name"}]}]
    indexes = data.gather_indexes({"socket": server.socket, "database": "verify"}, {"indexes": wanted})
    assert indexes["findings"]


@pytest.mark.parametrize("role", ["verify_owner", "verify_app"])
def test_a_role_that_was_renamed_gets_its_name_back(server: Server, role: str) -> None:
    password = "secret" * 4
    wanted = {"owner_role": "verify_owner", "monitoring_role": "verify_monitoring", "roles_extra": []}
    with server.connect() as connection:
        connection.execute(f"ALTER ROLE {role} PASSWORD '{role_verifier(password, role, 'verify')}'")
        connection.execute(f'ALTER ROLE {role} RENAME TO "some Body"')
    kind = role.partition("_")[2]
    seen = gather(server, secrets={f"database_{kind}_password": password})
    (fix,) = roles.renamed(seen).values()
    assert fix == f'ALTER ROLE "some Body" RENAME TO "{role}"'
    typed(server, fix)
    seen = gather(server)
    assert (roles.renamed(seen), roles.mended_by(seen, ROLES, wanted)) == ({}, {})


def test_a_role_that_may_not_log_in_is_there(server: Server) -> None:
    with server.connect() as connection:
        connection.execute("ALTER ROLE verify_app NOLOGIN")
    assert {one["name"]: one["login"] for one in gather(server)["roles"]}["verify_app"] is False


def test_a_migration_that_failed_is_told_from_one_under_way(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gather(server)["migrations"] is None
    with server.connect("verify") as connection:
        connection.execute("SET ROLE verify_owner")
        connection.execute(LEDGER)
        nothing = {"failed": [], "begun": [], "holders": []}
        assert gather(server)["migrations"] == {"applied": 1, **nothing}
        connection.execute("INSERT INTO _prisma_migrations VALUES ('3', 'three', '', now(), NULL, NULL, 'no seat')")
        (failed,) = gather(server)["migrations"]["failed"]
        assert (failed["name"], failed["log"]) == ("three", "no seat")
        connection.execute("SELECT pg_advisory_lock(72707369)")
        seen = gather(server)["migrations"]
        assert (seen["failed"], seen["begun"]) == ([], ["three"])
        (holder,) = seen["holders"]
        assert (holder["pid"], holder["role"], holder["at_work"]) == (connection.info.backend_pid, "postgres", True)
        monkeypatch.setattr(schema, "FORGOTTEN_SECONDS", 0)
        seen = gather(server)["migrations"]
        assert (seen["failed"], seen["begun"], seen["holders"][0]["at_work"]) == ([failed], [], False)
    with server.connect("verify") as ledger, server.connect("verify") as script:
        ledger.execute("SELECT pg_advisory_lock(72707369)")
        script.execute("SET application_name = 'firstbell migration'")
        assert gather(server)["migrations"]["failed"] == [failed]
        script.pgconn.send_query(b"SELECT pg_sleep(600)")
        assert gather(server)["migrations"]["begun"] == ["three"]
        script.cancel()
        while script.pgconn.get_result():
            pass
        typed(server, f"SELECT pg_terminate_backend({ledger.info.backend_pid})")
        assert gather(server)["migrations"]["holders"] == []


def test_built_in_roles_have_only_postgresqls_own_members(server: Server) -> None:
    own = [{"granted": "pg_monitor", "member": "verify_monitoring"}]
    assert gather(server)["memberships"] == own
    typed(server, "GRANT pg_execute_server_program TO pg_monitor")
    further = {"granted": "pg_execute_server_program", "member": "pg_monitor"}
    assert gather(server)["memberships"] == [further, *own]
    typed(server, "REVOKE pg_execute_server_program FROM pg_monitor")
    assert gather(server)["memberships"] == own


@pytest.fixture
def fast(server: Server) -> Iterator[Path]:
    """A directory for a tablespace that the server's next container would not have."""
    place = server.data.parent / "socket" / "fast"
    place.mkdir()
    os.chown(place, server.data.stat().st_uid, -1)
    typed(server, f"CREATE TABLESPACE fast LOCATION '{place}'")
    yield place
    with server.connect() as connection:
        connection.execute("DROP TABLESPACE IF EXISTS fast")
    place.rmdir()


def test_what_lies_outside_of_the_data_directory_comes_back(server: Server, fast: Path) -> None:
    for moved in ("TABLE students", "TABLE scans", "TABLE scans_2026", "INDEX by_name", "INDEX students_pkey"):
        typed(server, f"ALTER {moved} SET TABLESPACE fast")
    typed(server, "CREATE MATERIALIZED VIEW all_names TABLESPACE fast AS SELECT name FROM students")
    problems = gather(server)["weak_tables"]
    assert [one["name"] for one in problems] == [
        *("public.all_names", "public.by_name", "public.scans", "public.scans_2026", "public.students"),
        *("public.students_pkey", "the server"),
    ]
    assert problems[0]["problem"].startswith(f"lies in the tablespace fast ({fast}), which no backup has")
    typed(server, *(one["fix"] for one in problems))
    assert gather(server)["weak_tables"] == []


def test_a_database_that_lies_elsewhere_comes_back(server: Server, fast: Path) -> None:
    typed(server, "ALTER DATABASE verify SET TABLESPACE fast", database="postgres")
    (one,) = gather(server)["weak_tables"]
    assert str(fast) in one["problem"]
    with server.connect("verify"):
        typed(server, one["problem"].partition("in the database postgres: ")[2], database="postgres")
    (one,) = gather(server)["weak_tables"]
    typed(server, one["fix"])
    assert gather(server)["weak_tables"] == []


def test_rights_on_parameters_are_found(server: Server) -> None:
    if server.major < PARAMETERS:
        pytest.skip("PostgreSQL has them from 15 on")
    with server.connect("verify") as connection:
        connection.execute("GRANT SET ON PARAMETER log_statement TO verify_app")
        (one,) = found(server)
        assert one["first"] == "PARAMETER log_statement"
        connection.execute(one["fix"])
    assert found(server) == []


def test_where_sequences_stand(server: Server) -> None:
    with server.connect("verify") as connection:
        connection.execute(
            'CREATE TABLE entries (id serial PRIMARY KEY); CREATE TABLE "Odd name" (id bigserial UNIQUE)'
        )
        connection.execute("INSERT INTO entries SELECT FROM generate_series(1, 7)")
        by_name = {one["name"]: one for one in gather(server)["sequences"]}
        assert by_name["entries_id_seq"] == {
            "name": "entries_id_seq",
            "table": "entries",
            "most": 2147483647,
            "widest": 2147483647,
            "highest": 7,
            "next": 8,
        }
        assert by_name['"Odd name_id_seq"']["next"] == 1
        connection.execute("SELECT setval('entries_id_seq', 3)")
    assert {one["name"]: one["next"] for one in gather(server)["sequences"]}["entries_id_seq"] == 4
    with server.connect("verify") as connection:
        connection.execute("SELECT setval('entries_id_seq', 9, false)")
    assert {one["name"]: one["next"] for one in gather(server)["sequences"]}["entries_id_seq"] == 9


def test_what_would_recover_at_the_next_start_and_who_blocks(server: Server) -> None:
    seen = gather(server)
    assert (seen["signals"], seen["blockers"]) == ([], [])
    signal = server.data / "standby.signal"
    with server.connect("verify") as holder, server.connect("verify") as waiter, holder.transaction():
        signal.touch()
        holder.execute("LOCK TABLE guarded")
        waiter.pgconn.send_query(b"SELECT * FROM guarded")
        time.sleep(6)
        seen = gather(server)
        signal.unlink()
        assert seen["signals"] == ["standby.signal"]
        assert [(one["pid"], one["waiting"]) for one in seen["blockers"]] == [(holder.info.backend_pid, 1)]
        holder.execute("COMMIT; BEGIN")
        while waiter.pgconn.get_result():
            pass


@pytest.mark.parametrize("line", ["shared_bufers = '1GB'", "no setting at all"])
def test_what_the_server_would_not_start_with_is_told(server: Server, line: str) -> None:
    assert gather(server)["by_hand"] == []
    with (server.data / "postgresql.auto.conf").open("a") as file:
        file.write(f"work_mem = '5MB'\n{line}\nmine.own = 'x'\n")
    refused = {one["name"] for one in gather(server)["by_hand"] if one["refused"]}
    assert refused == ({"shared_bufers"} if "=" in line else {""})
    with server.connect() as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
    assert gather(server)["by_hand"] == []


@pytest.mark.parametrize(
    ("fault", "fix"),
    [
        ("ALTER DATABASE verify ALLOW_CONNECTIONS false", "ALTER DATABASE verify ALLOW_CONNECTIONS true"),
        ("ALTER DATABASE verify RENAME TO other", "ALTER DATABASE other RENAME TO verify"),
        (
            "ALTER DATABASE verify SET session_preload_libraries = 'missing'",
            "ALTER DATABASE verify RESET session_preload_libraries",
        ),
    ],
)
def test_a_database_that_takes_no_session_is_opened_again(server: Server, fault: str, fix: str) -> None:
    with server.connect() as connection:
        connection.execute(fault)
        with pytest.raises(ConnectError, match=f"in the database postgres: {fix}$"):
            gather(server)
        connection.execute(fix)
    assert found(server) == []
