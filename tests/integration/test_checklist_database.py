# SPDX-License-Identifier: GPL-3.0-or-later
"""What `verify` finds in a real database, and that the statement it gives mends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import data

from integration.postgres_server import Server

ROLES = ("verify_owner", "verify_app", "verify_monitoring")
KINDS = ("barred", "strange_owners", "weak_tables", "unproven", "invalid_indexes")
ENFORCED_OR_NOT = 18
TABLES = """
CREATE TABLE students (id int PRIMARY KEY, name text);
CREATE TABLE attendance (id int GENERATED ALWAYS AS IDENTITY, student int REFERENCES students);
CREATE TABLE audit_log (id serial);
CREATE TABLE scans (at date) PARTITION BY RANGE (at);
CREATE TABLE scans_2026 PARTITION OF scans FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE guarded (id int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded USING (true);
CREATE RULE kept AS ON DELETE TO audit_log DO INSTEAD NOTHING;
CREATE VIEW named AS SELECT name FROM students;
CREATE INDEX by_name ON students (name);
"""
LEDGER = """
CREATE TABLE _prisma_migrations (id text, migration_name text, checksum text, started_at timestamptz DEFAULT now(),
                                 finished_at timestamptz, rolled_back_at timestamptz, logs text);
INSERT INTO _prisma_migrations VALUES ('1', 'one', '', now(), now(), NULL), ('2', 'two', '', now(), NULL, now());
"""
FAULTS = {
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
    "ALTER TABLE students ADD CONSTRAINT long CHECK (name <> '') NOT VALID": "long, which was never proven",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_name'::regclass": "public.by_name REINDEX",
    "ALTER INDEX by_name RENAME TO by_name_ccnew;"
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'by_name_ccnew'::regclass": "public.by_name_ccnew DROP",
}


@pytest.fixture
def server(every_postgres: Server) -> Iterator[Server]:
    """A server with the application's roles and database, without anything wrong."""
    with every_postgres.connect() as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role} LOGIN")
    with every_postgres.database("verify", ROLES[0]):
        with every_postgres.connect("verify") as connection:
            connection.execute("ALTER SCHEMA public OWNER TO verify_owner")
            connection.execute("SET ROLE verify_owner")
            connection.execute(TABLES)
        yield every_postgres
    with every_postgres.connect() as connection:
        connection.execute(f"DROP ROLE {', '.join(ROLES)}")


def gather(server: Server) -> dict[str, Any]:
    expected = {
        "socket": server.socket,
        "database": "verify",
        "roles_extra": [],
        "app_role_revoked": ["audit_log"],
        "app_role_creates_tables": False,
        **dict(zip(("owner_role", "app_role", "monitoring_role"), ROLES)),
    }
    return data.gather("verify", expected, {})


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
    assert any(said in " ".join(one.values()) for one in problems)
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


def test_a_role_that_may_not_log_in_is_there(server: Server) -> None:
    with server.connect() as connection:
        connection.execute("ALTER ROLE verify_app NOLOGIN")
    assert {one["name"]: one["login"] for one in gather(server)["roles"]}["verify_app"] is False


def test_a_migration_that_failed_is_told_from_one_under_way(server: Server) -> None:
    assert gather(server)["migrations"] is None
    with server.connect("verify") as connection:
        connection.execute("SET ROLE verify_owner")
        connection.execute(LEDGER)
        assert gather(server)["migrations"] == {"applied": 1, "failed": []}
        connection.execute("INSERT INTO _prisma_migrations VALUES ('3', 'three', '', now(), NULL, NULL, 'no seat')")
        (failed,) = gather(server)["migrations"]["failed"]
        assert (failed["name"], failed["log"]) == ("three", "no seat")
        connection.execute("SELECT pg_advisory_lock(72707369)")
        assert gather(server)["migrations"]["failed"] == []
