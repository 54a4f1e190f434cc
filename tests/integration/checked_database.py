# SPDX-License-Identifier: GPL-3.0-or-later
"""A database like the application's without anything wrong, what `verify` gathers of it, and what a person types."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.sql import split
from ansible_collections.firstbell.stack.plugins.module_utils._io import definitions
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import data

from integration.postgres_server import Server

ROLES = ("verify_owner", "verify_app", "verify_monitoring")
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
BY_DEFAULT = """
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO verify_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO verify_app;
"""
LEDGER = """
CREATE TABLE _prisma_migrations (id text, migration_name text, checksum text, started_at timestamptz DEFAULT now(),
                                 finished_at timestamptz, rolled_back_at timestamptz, logs text,
                                 applied_steps_count int);
INSERT INTO _prisma_migrations VALUES ('1', 'one', '', now(), now(), NULL), ('2', 'two', '', now(), NULL, now());
"""


@contextlib.contextmanager
def healthy(server: Server) -> Iterator[None]:
    """The application's roles and database on this server."""
    with server.connect() as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role} LOGIN")
    with server.database("verify", ROLES[0]):
        with server.connect("verify") as connection:
            connection.execute("ALTER SCHEMA public OWNER TO verify_owner")
            connection.execute("GRANT pg_monitor TO verify_monitoring")
            connection.execute("SET ROLE verify_owner")
            connection.execute(BY_DEFAULT)
            connection.execute(TABLES)
        yield
    with server.connect() as connection:
        connection.execute(f"DROP ROLE {', '.join(ROLES)}")


def gather(server: Server, kept: str = "", secrets: dict[str, str] | None = None) -> dict[str, Any]:
    """``kept``: where the record of definitions lies."""
    expected = {
        "socket": server.socket,
        "database": "verify",
        "roles_extra": [],
        "app_role_revoked": ["audit_log"],
        "app_role_creates_tables": False,
        "settings": {},
        **dict(zip(("owner_role", "app_role", "monitoring_role"), ROLES)),
    }
    with pytest.MonkeyPatch.context() as patch:
        read = definitions.read
        patch.setattr(definitions, "read", lambda _path: read(kept) if kept else {})
        return data.gather("verify", expected, secrets or {})


def typed(server: Server, *texts: str, database: str = "verify") -> None:
    """One statement after the other, as psql sends them."""
    with server.connect(database) as connection:
        for statement in split(";".join(texts)):
            connection.execute(statement.text)
