# SPDX-License-Identifier: GPL-3.0-or-later
"""A database for the tests of pg_indexes, and what another tool says of it."""

from __future__ import annotations

import pathlib
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from integration import postgres_images
from integration.harness import ModuleFailedError, run_module
from integration.postgres_server import Server

QUIET = {"advice": False, "fail_on": [], "retries": 1, "retry_delay": "100ms", "lock_timeout": "1s"}


@dataclass
class Database:
    """A database of a server; ``run`` calls the module on it."""

    server: Server
    name: str

    def options(self, *indexes: dict[str, Any], **more: Any) -> dict[str, Any]:
        given = {**self.server.login(self.name), **QUIET, "indexes": list(indexes), **more}
        return {name: value for name, value in given.items() if value is not None}

    def run(self, *indexes: dict[str, Any], check: bool = False, diff: bool = False, **more: Any) -> dict[str, Any]:
        return run_module("pg_indexes", self.options(*indexes, **more), check=check, diff=diff)

    def fail(self, *indexes: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        with pytest.raises(ModuleFailedError) as raised:
            self.run(*indexes, check=check, **more)
        return raised.value.result

    def assured(self, *indexes: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Dry run, run, and run again: the first changes nothing and says the same, the last has nothing to do."""
        before = self.everything()
        planned = self.run(*indexes, check=True, **more)
        assert self.everything() == before
        done = self.run(*indexes, **more)
        assert done["changed"] == planned["changed"]
        assert actions(done) == actions(planned)
        assert done["compliant"] is True
        again = self.run(*indexes, **more)
        assert again["changed"] is False, again["findings"]
        assert set(actions(again)) <= {"keep"}
        return done

    def query(self, query: str, *parameters: Any) -> list[Any]:
        with self.server.connect(self.name) as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def everything(self) -> list[Any]:
        """Every relation and index of the database, with what could be changed of it."""
        return self.query(
            "SELECT c.oid, c.relname, c.relfilenode, c.reloptions::text, c.reltablespace, i.indisvalid, i.indisready,"
            " i.indislive, pg_get_indexdef(i.indexrelid) FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid"
            " WHERE c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY c.oid"
        )

    def definitions(self) -> dict[str, str]:
        """The valid indexes by name, as the server writes them; an INVALID one is marked."""
        rows = self.query(
            "SELECT c.relname, pg_get_indexdef(c.oid), i.indisvalid FROM pg_index i JOIN pg_class c"
            " ON c.oid = i.indexrelid WHERE c.relnamespace::regnamespace::text !~ '^pg_'"
        )
        return {name: definition if valid else f"INVALID {definition}" for name, definition, valid in rows}

    def dump(self) -> list[str]:
        """pg_dump's statements of the schema, sorted."""
        container = pathlib.Path(self.server.socket).parent.name
        image = subprocess.run(
            ["docker", "inspect", "-f", "{{.Config.Image}}", container], capture_output=True, text=True, check=True
        )
        command = [f"{postgres_images.bindir(image.stdout.strip())}/pg_dump", "-s", "-h", self.server.socket]
        done = subprocess.run(
            ["docker", "exec", container, *command, "-U", "postgres", self.name],
            capture_output=True,
            text=True,
            check=True,
        )
        text = re.sub(r"^(--|\\).*$", "", done.stdout, flags=re.MULTILINE)
        return sorted(" ".join(statement.split()) for statement in text.split(";\n") if statement.strip())


def actions(result: dict[str, Any]) -> list[str]:
    return [entry["action"] for entry in result["indexes"]]


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """What the condition returns as soon as that is true; fails when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it never came to that")
