# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pg_settings against real servers: the oldest, the newest, and what the stack deploys."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration import postgres_images, postgres_server
from integration.harness import COLLECTIONS, ModuleFailedError, run_module
from integration.postgres_server import Server

WANTED = {
    "work_mem": "8MB",
    "maintenance_work_mem": 65536,
    "random_page_cost": 1.1,
    "jit": False,
    "log_min_duration_statement": "500ms",
    "shared_buffers": "33MB",
}


@dataclass
class Target:
    """A server, and what a test may do to it by hand."""

    server: Server

    def run(
        self, settings: Mapping[str, Any], *, check: bool = False, diff: bool = False, **more: Any
    ) -> dict[str, Any]:
        return run_module(
            "pg_settings", {**self.server.login("postgres"), "settings": settings, **more}, check=check, diff=diff
        )

    def fail(self, settings: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        with pytest.raises(ModuleFailedError) as raised:
            self.run(settings, **more)
        return raised.value.result

    def apply(self, settings: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return self.run(settings, mode="apply", **more)

    def sql(self, *statements: str) -> list[Any]:
        rows: list[Any] = []
        with self.server.connect() as connection:
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def show(self, name: str) -> str:
        return str(self.sql(f"SHOW {name}")[0][0])

    def reload(self) -> None:
        (before,) = self.sql("SELECT pg_conf_load_time()::text")
        self.sql("SELECT pg_reload_conf()")
        while self.sql("SELECT pg_conf_load_time()::text") == [before]:
            time.sleep(0.02)

    @property
    def conf_d(self) -> Path:
        return self.server.data / "conf.d"

    @property
    def auto_conf(self) -> Path:
        return self.server.data / "postgresql.auto.conf"

    def write(self, name: str, text: str) -> Path:
        path = self.conf_d / name
        path.write_text(text, encoding="utf-8")
        owner = self.server.data.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
        return path

    def automatic(self) -> dict[str, str]:
        """What ALTER SYSTEM has written."""
        lines = self.auto_conf.read_text(encoding="utf-8").splitlines()
        return dict(line.split(" = ", 1) for line in lines if line and not line.startswith("#"))


def kinds(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(finding["kind"], finding["name"]) for finding in result["findings"]]


@contextlib.contextmanager
def clean(server: Server) -> Iterator[Target]:
    """The server with an empty conf.d, and as it was when the test ends."""
    target = Target(server)
    conf = server.data / "postgresql.conf"
    original = conf.read_text(encoding="utf-8")
    if "include_dir" not in original.rpartition("#")[2]:
        target.conf_d.mkdir(exist_ok=True)
        owner = server.data.stat()
        os.chown(target.conf_d, owner.st_uid, owner.st_gid)
        conf.write_text(original + "include_dir = 'conf.d'\n", encoding="utf-8")
        original = conf.read_text(encoding="utf-8")
        target.reload()
    try:
        yield target
    finally:
        conf.write_text(original, encoding="utf-8")
        for path in target.conf_d.iterdir():
            path.unlink()
        target.auto_conf.write_text("", encoding="utf-8")
        target.sql("ALTER ROLE ALL RESET ALL", "ALTER ROLE postgres RESET ALL", "ALTER DATABASE postgres RESET ALL")
        target.sql("ALTER ROLE postgres IN DATABASE postgres RESET ALL", 'DROP ROLE IF EXISTS "O\'Neil ""x"')
        target.reload()
        if target.sql(
            "SELECT 1 FROM pg_settings WHERE pending_restart OR source IN ('command line', 'environment variable')"
        ):
            server.restart()


@pytest.fixture
def target(every_postgres: Server) -> Iterator[Target]:
    with clean(every_postgres) as found:
        yield found


@pytest.fixture
def deployed(postgres: Server) -> Iterator[Target]:
    with clean(postgres) as found:
        yield found


def test_check_then_apply_then_nothing(target: Target) -> None:
    found = target.fail(WANTED)
    assert found["changed"] is False
    assert {kind for kind, _name in kinds(found)} == {"differs"}

    planned = target.apply(WANTED, check=True, diff=True)
    assert planned["changed"] is True
    assert planned["restart_required"] == ["shared_buffers"]
    # maintenance_work_mem is 64MB already.
    assert [change["name"] for change in planned["changes"]] == [
        name for name in WANTED if name != "maintenance_work_mem"
    ]
    assert target.automatic() == {}

    done = target.apply(WANTED, diff=True)
    assert (done["changes"], done["diff"]) == (planned["changes"], planned["diff"])
    assert "ALTER SYSTEM work_mem = 8MB\n" in done["diff"][0]["after"]
    assert done["reloaded"] is True
    assert done["restart_required"] == ["shared_buffers"]
    assert kinds(done) == [("pending_restart", "shared_buffers")]
    assert target.automatic() == {
        "work_mem": "'8MB'",
        "random_page_cost": "'1.1'",
        "jit": "'off'",
        "log_min_duration_statement": "'500ms'",
        "shared_buffers": "'33MB'",
    }
    assert [target.show(name) for name in ("work_mem", "jit", "shared_buffers")] == ["8MB", "off", "32MB"]

    for check in (True, False):
        again = target.apply(WANTED, check=check, diff=True)
        assert (again["changed"], again["diff"], again["reloaded"]) == (False, [], False)
        assert again["restart_required"] == ["shared_buffers"]
    assert kinds(target.fail(WANTED)) == [("pending_restart", "shared_buffers")]

    target.server.restart()
    assert target.run(WANTED)["findings"] == []
    assert target.show("shared_buffers") == "33MB"


#: The values of a fresh server, spelt in other ways.
SPELLINGS: dict[str, list[Any]] = {
    "shared_buffers": ["32MB", "32768kB", 4096, "4096", "0x1000", "010000", "33554432B", "0.03125GB", " 32 MB"],
    "work_mem": ["4MB", 4096, "4096kB", "4096.4", "4.096e3kB", "0.004GB"],
    "max_wal_size": ["1GB", 1024, "1024MB", "1073741824B"],
    "checkpoint_timeout": ["5min", 300, "300s", "300000ms", "0.083333h"],
    "autovacuum_naptime": ["1min", "60s", 60],
    "wal_writer_delay": ["200ms", "0.2s", "200000us"],
    "log_rotation_age": ["1d", "24h", 1440, "1440min"],
    "autovacuum_vacuum_scale_factor": [0.2, "0.2", "2e-1", ".2"],
    "autovacuum_vacuum_cost_delay": ["2ms", 2, "2000us", "0.002s"],
    "autovacuum": [True, "on", "TRUE", "t", "yes", "y", "1", 1],
    "fsync": [False, "off", "of", "f", "no", "n", 0],
    "synchronous_commit": [True, "on", "true", "yes", "1", "ON"],
    "wal_level": ["replica", "REPLICA", "archive", "hot_standby"],
    "client_min_messages": ["notice", "NOTICE"],
    "constraint_exclusion": ["partition", "Partition"],
    "wal_buffers": [-1, "-1"],
    "unix_socket_permissions": ["0777", 511, "0x1ff"],
    "search_path": ['"$user", public', '"$user",public', ["$user", "public"], '"$user", PUBLIC'],
    "log_destination": ["stderr", "STDERR", ["stderr"]],
    "archive_command": [""],
    "shared_preload_libraries": ["", []],
}


@pytest.mark.parametrize("round_number", range(max(map(len, SPELLINGS.values()))))
def test_every_spelling_of_the_same_value(target: Target, round_number: int) -> None:
    settings = {name: same[round_number % len(same)] for name, same in SPELLINGS.items()}
    settings["TIMEZONE"] = target.show("TimeZone").lower()
    for how in ({}, {"mode": "apply"}):
        result = target.run(settings, **how)
        assert (result["findings"], result["changed"]) == ([], False)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("ALTER SYSTEM SET work_mem = '64MB'", "alter_system"),
        ("ALTER ROLE postgres SET work_mem = '64MB'", "role"),
        ("ALTER ROLE ALL SET work_mem = '64MB'", "role"),
        ("ALTER DATABASE postgres SET work_mem = '64MB'", "database"),
        ("ALTER ROLE postgres IN DATABASE postgres SET work_mem = '64MB'", "role_in_database"),
    ],
)
def test_overrides_by_statement_are_found_and_taken_back_on_request(target: Target, statement: str, kind: str) -> None:
    target.write("10-ours.conf", "work_mem = 8MB\n")
    target.sql(statement)
    target.reload()
    found = target.fail({"work_mem": "8192kB"})
    assert kinds(found) == [(kind, "work_mem")]
    assert "64MB" in found["msg"]
    assert found["settings"]["work_mem"]["value"] == ("64MB" if kind == "alter_system" else "8MB")
    assert kinds(target.run({"work_mem": "8MB"}, fail_on=[])) == [(kind, "work_mem")]
    what = "role" if kind == "role_in_database" else kind
    done = target.apply({"work_mem": "8MB"}, method="reload", reset=[what], diff=True)
    assert done["changed"] is True
    assert [change["before"] for change in done["changes"]] == ["64MB"]
    assert target.run({"work_mem": "8MB"})["findings"] == []
    assert target.apply({"work_mem": "8MB"}, method="reload", reset=[what])["changed"] is False
    assert target.show("work_mem") == "8MB"


def test_a_role_with_a_hostile_name(target: Target) -> None:
    target.sql('CREATE ROLE "O\'Neil ""x"', 'ALTER ROLE "O\'Neil ""x" SET search_path = \'A b\', public')
    found = target.fail({"search_path": "public"})
    assert ("role", "search_path") in kinds(found)
    done = target.apply({"search_path": "public"}, reset=["role"])
    assert done["changed"] is True
    assert target.run({"search_path": "public"})["findings"] == []


def test_a_line_that_was_not_read_yet(target: Target) -> None:
    target.write("10-ours.conf", "work_mem = 8MB\nshared_buffers = 40MB\n")
    wanted = {"work_mem": "8MB", "shared_buffers": "40MB"}
    found = target.fail(wanted)
    assert kinds(found) == [("not_reloaded", "work_mem"), ("pending_restart", "shared_buffers")]
    assert found["findings"][0]["file"] == str(target.conf_d / "10-ours.conf")
    assert found["findings"][0]["line"] == 1
    planned = target.apply(wanted, method="reload", check=True, diff=True)
    assert (planned["changed"], planned["changes"]) == (True, [])
    assert target.show("work_mem") == "4MB"
    done = target.apply(wanted, method="reload", diff=True)
    assert (done["changed"], done["reloaded"], done["diff"]) == (True, True, planned["diff"])
    assert target.show("work_mem") == "8MB"
    assert target.apply(wanted, method="reload")["changed"] is False


def test_a_later_line(target: Target) -> None:
    target.write("10-ours.conf", "work_mem = 8MB\n")
    target.write("99-theirs.conf", "\nwork_mem = 16MB\n")
    target.reload()
    (finding,) = target.fail({"work_mem": "8MB"})["findings"]
    assert (finding["kind"], finding["line"]) == ("later_line", 2)
    assert finding["file"] == str(target.conf_d / "99-theirs.conf")
    failed = target.fail({"work_mem": "8MB"}, mode="apply", method="reload")
    assert (failed["changed"], kinds(failed)) == (False, [("later_line", "work_mem")])


def test_a_value_that_the_next_reload_or_restart_will_take_away(target: Target) -> None:
    target.write("10-theirs.conf", "work_mem = 16MB\nshared_buffers = 40MB\n")
    found = target.fail({"work_mem": "4MB", "shared_buffers": "32MB"})
    problems = {finding["name"]: finding["problem"] for finding in found["findings"]}
    assert "holds only until the next reload" in problems["work_mem"]
    assert "holds only until the next restart" in problems["shared_buffers"]


def test_the_command_line(target: Target) -> None:
    target.server.restart("-c", "work_mem=5MB", "-c", "shared_buffers=40MB")
    target.sql("ALTER ROLE postgres SET work_mem = '6MB'")
    found = target.fail({"work_mem": "8MB", "shared_buffers": "32MB"}, fail_on=["command_line"])
    assert [one for one in kinds(found) if one[0] == "command_line"] == [
        ("command_line", "work_mem"),
        ("command_line", "shared_buffers"),
    ]
    assert target.run({"work_mem": "5MB", "shared_buffers": "40MB"}, fail_on=["command_line"])["changed"] is False
    failed = target.fail({"work_mem": "8MB", "jit": False}, mode="apply")
    assert "nothing was changed" in failed["msg"]
    assert target.automatic() == {}


def test_the_environment(target: Target) -> None:
    target.server.data.joinpath("postgresql.conf").write_text(
        re.sub("(?m)^datestyle.*$", "", target.server.data.joinpath("postgresql.conf").read_text(encoding="utf-8")),
        encoding="utf-8",
    )
    target.server.restart(environment={"PGDATESTYLE": "SQL, DMY"})
    (finding,) = target.fail({"DateStyle": "iso, mdy"})["findings"]
    assert (finding["kind"], finding["source"]) == ("differs", "environment variable")
    target.apply({"DateStyle": "iso, mdy"})
    assert target.show("DateStyle") == "ISO, MDY"
    assert target.apply({"DateStyle": "iso, mdy"})["changed"] is False


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"work_meme": "8MB"}, "unknown", "Did you mean work_mem?"),
    ({"pg_stat_statments.max": 100}, "unknown", "Did you mean pg_stat_statements.max?"),
    ({"pg_stat_statements.max": 100}, "unknown", "Add pg_stat_statements to shared_preload_libraries"),
    ({"work_mem": "8mb"}, "invalid", "no unit that is valid here: B, kB, MB, GB, TB"),
    ({"work_mem": "63kB"}, "invalid", "out of range; it takes 64kB to"),
    ({"work_mem": "plenty"}, "invalid", "is no number"),
    ({"work_mem": None}, "invalid", "is no value for a setting"),
    ({"work_mem": ["8MB"]}, "invalid", "is a list"),
    ({"work_mem": "8MB\nfsync = off"}, "invalid", "line break"),
    ({"max_connections": "100s"}, "invalid", "a plain number"),
    ({"random_page_cost": -1}, "invalid", "out of range"),
    ({"jit": "maybe"}, "invalid", "neither on nor off"),
    ({"wal_level": "full"}, "invalid", "none of minimal, replica, logical"),
    ({"search_path": 'a, "b'}, "invalid", "is no list"),
    ({"timezone": "Mars/Olympus"}, "invalid", "the server refuses it"),
    ({"default_tablespace": "nowhere"}, "invalid", "the server refuses it"),
    ({"shared_preload_libraries": "auto_explain, nix"}, "invalid", "there is no library nix"),
    ({"block_size": 4096}, "not_settable", "is fixed"),
    ({"role": "postgres"}, "not_settable", "belongs to a session"),
    ({"config_file": "/etc/x"}, "not_settable", "belongs to a session"),
    ({"wal_level": "minimal"}, "would_not_start", "it needs wal_level replica"),
    ({"superuser_reserved_connections": 40}, "would_not_start", "40 of 40 connections"),
    ({"work_mem": "8MB", "WORK_MEM": "9MB"}, "invalid", "the same setting"),
]


def test_refused_before_anything_is_written(target: Target) -> None:
    rounds: list[list[tuple[dict[str, Any], str, str]]] = []
    for case in REFUSED:
        names = {name.lower() for name in case[0]}
        free = (found for found in rounds if not any(names & {name.lower() for name in other[0]} for other in found))
        found = next(free, None)
        if found is None:
            rounds.append([case])
        else:
            found.append(case)
    for cases in rounds:
        settings: dict[str, Any] = {"jit": False}
        for case in cases:
            settings.update(case[0])
        for more in ({}, {"mode": "apply", "fail_on": []}, {"mode": "apply", "check": True}):
            failed = target.fail(settings, **more)
            assert failed["changed"] is False
            lines = failed["msg"].splitlines()
            for case_settings, kind, message in cases:
                name = next(iter(case_settings))
                assert any(f"- {kind}: " in line and message in line for line in lines), (name, message, failed["msg"])
    assert target.automatic() == {}


def test_a_value_that_alter_system_refuses_leaves_nothing_behind(target: Target) -> None:
    target.sql("ALTER SYSTEM SET work_mem = '6MB'")
    failed = target.fail({"work_mem": "8MB", "jit": False, "log_destination": "nowhere"}, mode="apply")
    assert "log_destination" in failed["msg"]
    assert target.automatic() == {"work_mem": "'6MB'"}


def test_lists_go_item_by_item(target: Target) -> None:
    wanted = {
        "shared_preload_libraries": ["pg_stat_statements", "auto_explain"],
        "search_path": ["$user", "Year 1", "public"],
        "log_destination": ["stderr", "csvlog"],
        "cluster_name": "it's \\ here",
    }
    target.apply(wanted)
    target.server.restart()
    assert target.run(wanted)["findings"] == []
    assert target.apply(wanted)["changed"] is False
    assert target.show("shared_preload_libraries") == "pg_stat_statements, auto_explain"
    assert target.show("search_path") == '"$user", "Year 1", public'
    assert target.show("cluster_name") == "it's \\ here"
    target.apply({"pg_stat_statements.max": 100, "pg_stat_statements.track": "ALL", "auto_explain.log_level": "debug"})
    assert target.show("auto_explain.log_level") == "debug2"
    failed = target.fail({"shared_preload_libraries": []}, mode="apply")
    assert "empty list" in failed["msg"]


def test_a_library_and_its_settings_at_once(target: Target) -> None:
    wanted = {"shared_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "2s", "app.tenant": "a"}
    path = str(target.conf_d / "ours.conf")
    done = target.apply(wanted, method="file", path=path)
    assert done["restart_required"] == ["shared_preload_libraries", "auto_explain.log_min_duration"]
    assert target.apply(wanted, method="file", path=path)["changed"] is False
    target.server.restart()
    assert target.run({**wanted, "auto_explain.log_min_duration": "2000ms"})["findings"] == []


def test_a_managed_file(target: Target) -> None:
    path = target.conf_d / "ours.conf"
    more = {"mode": "apply", "method": "file", "path": str(path)}
    planned = target.run(WANTED, **more, check=True, diff=True)
    assert planned["changed"] is True
    assert not path.exists()
    done = target.run(WANTED, **more, diff=True)
    assert (done["changes"], done["diff"]) == (planned["changes"], planned["diff"])
    assert done["restart_required"] == ["shared_buffers"]
    assert path.read_text(encoding="utf-8") == done["diff"][0]["after"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert target.show("work_mem") == "8MB"
    assert target.run(WANTED, **more)["changed"] is False
    respelled = target.run({**WANTED, "work_mem": "8192kB", "jit": "no"}, **more)
    assert respelled["changed"] is False

    # What is not asked for stays, unless it is to go.
    assert target.run({"work_mem": "9MB"}, **more)["changed"] is True
    assert "random_page_cost = '1.1'\n" in path.read_text(encoding="utf-8")
    purged = target.run({"work_mem": "9MB"}, **more, purge=True)
    assert {change["name"] for change in purged["changes"]} == set(WANTED) - {"work_mem"}
    assert path.read_text(encoding="utf-8").splitlines()[1:] == ["work_mem = '9MB'"]
    assert target.show("random_page_cost") == "4"

    # Against ALTER SYSTEM nothing is written that would not hold.
    target.sql("ALTER SYSTEM SET work_mem = '64MB'")
    failed = target.fail({"work_mem": "10MB"}, **more)
    assert ("alter_system", "work_mem") in kinds(failed)
    assert "9MB" in path.read_text(encoding="utf-8")
    assert target.run({"work_mem": "10MB"}, **more, reset=["alter_system"])["changed"] is True
    assert target.automatic() == {}
    assert target.show("work_mem") == "10MB"


def test_a_managed_file_that_the_server_sees_under_another_path(deployed: Target, tmp_path: Path) -> None:
    (tmp_path / "conf.d").symlink_to(deployed.conf_d)
    more = {"mode": "apply", "method": "file", "path": str(tmp_path / "conf.d" / "ours.conf")}
    assert "the server does not read" in deployed.fail({"work_mem": "8MB"}, **more)["msg"]
    more["server_path"] = str(deployed.conf_d / "ours.conf")
    assert deployed.run({"work_mem": "8MB"}, **more, file_mode="0600", file_group="1001")["changed"] is True
    assert deployed.run({"work_mem": "8MB"}, **more)["changed"] is False
    assert deployed.run({"work_mem": "8MB"})["findings"] == []


@pytest.mark.parametrize(
    "settings",
    [
        {"log_destination": "nowhere"},
        {"synchronous_standby_names": "FIRST (", "work_mem": "9MB"},
    ],
)
def test_a_file_that_the_server_refuses_is_put_back(target: Target, settings: dict[str, Any]) -> None:
    path = target.conf_d / "ours.conf"
    more = {"mode": "apply", "method": "file", "path": str(path)}
    for before in (None, {"work_mem": "8MB"}):
        if before:
            target.run(before, **more)
        text = path.read_text(encoding="utf-8") if before else None
        failed = target.fail(settings, **more)
        assert "the server refuses" in failed["msg"]
        assert failed["changed"] is False
        assert (path.read_text(encoding="utf-8") if path.exists() else None) == text
    target.server.restart()
    assert target.show("work_mem") == "8MB"


def test_a_file_that_is_not_ours_or_that_nobody_reads(target: Target) -> None:
    theirs = target.write("theirs.conf", "work_mem = 16MB\n")
    failed = target.fail({"work_mem": "8MB"}, mode="apply", method="file", path=str(theirs))
    assert "was not written by this module" in failed["msg"]
    assert theirs.read_text(encoding="utf-8") == "work_mem = 16MB\n"
    unread = target.server.data / "unread.conf"
    failed = target.fail({"work_mem": "8MB"}, mode="apply", method="file", path=str(unread))
    assert "the server does not read" in failed["msg"]
    assert not unread.exists()
    failed = target.fail({"work_mem": "8MB"}, mode="apply", method="file", path="/nowhere/x.conf")
    assert "there is no directory /nowhere" in failed["msg"]


def test_a_line_with_an_error(target: Target) -> None:
    target.write("50-bad.conf", "work_mem = 8MB\nmaintenance_work_mem = plenty\nlog_destination = 'nowhere'\n")
    found = target.fail({"work_mem": "8MB"}, fail_on=["file_error"])
    errors = [one for one in found["findings"] if one["kind"] == "file_error"]
    assert [(one["name"], one["line"]) for one in errors] == [("maintenance_work_mem", 2), ("log_destination", 3)]
    failed = target.fail({"jit": False}, mode="apply")
    assert "nothing was changed" in failed["msg"]
    target.write("50-bad.conf", "work_mem 8MB 9MB\n")
    (syntax,) = target.fail({"jit": True}, fail_on=["file_error"])["findings"]
    assert (syntax["kind"], syntax["line"]) == ("file_error", 1)


def test_a_line_of_pg_hba_conf_with_an_error(target: Target) -> None:
    hba = target.server.data / "pg_hba.conf"
    text = hba.read_text(encoding="utf-8")
    try:
        hba.write_text(text + "host all all 10.0.0.0/8 scram\n", encoding="utf-8")
        (finding,) = target.fail({"jit": True})["findings"]
        assert (finding["kind"], finding["name"], finding["file"]) == ("file_error", "pg_hba.conf", str(hba))
        assert "scram" in finding["problem"]
    finally:
        hba.write_text(text, encoding="utf-8")


def test_without_a_right_to_see_the_files(target: Target) -> None:
    target.sql("DROP ROLE IF EXISTS monitor", "CREATE ROLE monitor LOGIN IN ROLE pg_read_all_settings")
    try:
        login = {"login_user": "monitor"}
        assert target.run({"work_mem": "4MB", "shared_buffers": "32MB", "wal_buffers": -1}, **login)["findings"] == []
        assert kinds(target.fail({"work_mem": "8MB"}, **login)) == [("differs", "work_mem")]
        failed = target.fail({"work_mem": "8MB"}, mode="apply", **login)
        assert "permission denied" in failed["msg"] or "must be superuser" in failed["msg"]
    finally:
        target.sql("DROP ROLE monitor")


def test_secrets_are_masked(target: Target) -> None:
    secret = "host=a password=hunter2secret"
    done = target.apply({"primary_conninfo": secret}, diff=True)
    assert "hunter2secret" not in re.sub(r'"invocation".*', "", str({**done, "invocation": ""}))
    assert target.apply({"primary_conninfo": secret})["changed"] is False


def test_purge_of_what_alter_system_wrote(deployed: Target) -> None:
    deployed.sql("ALTER SYSTEM SET jit = off", "ALTER SYSTEM SET work_mem = '6MB'")
    assert deployed.apply({"work_mem": "6MB"})["changed"] is True  # it was not reloaded
    assert set(deployed.automatic()) == {"jit", "work_mem"}
    purged = deployed.apply({"work_mem": "6MB"}, purge=True)
    assert [(change["name"], change["by"]) for change in purged["changes"]] == [("jit", "ALTER SYSTEM RESET")]
    assert deployed.show("jit") == "on"


def test_members(target: Target, postgres: Server) -> None:
    members = [
        {"name": "one", "login_unix_socket": target.server.socket},
        {"name": "two", "login_unix_socket": postgres.socket},
    ]
    target.sql("ALTER SYSTEM SET work_mem = '6MB'", "ALTER SYSTEM SET deadlock_timeout = '2s'")
    target.reload()
    found = target.fail({"work_mem": "4MB"}, members=members, fail_on=["drift"])
    assert {"kind": "alter_system", "member": "one"}.items() <= found["findings"][0].items()
    drift = {one["name"]: one["values"] for one in found["findings"] if one["kind"] == "drift"}
    assert drift["work_mem"] == {"one": "6MB", "two": "4MB"}
    assert drift["deadlock_timeout"] == {"one": "2s", "two": "1s"}
    if target.server.major == postgres.major:
        assert set(drift) == {"work_mem", "deadlock_timeout"}
        more = {"members": members, "drift_ignore": ["work_mem", "deadlock_timeout"]}
        target.sql("ALTER SYSTEM RESET work_mem")
        target.reload()
        assert target.run({"work_mem": "4MB"}, **more)["findings"] == []
    assert "can only be checked" in target.fail({"work_mem": "4MB"}, members=members, mode="apply")["msg"]


def test_over_tls(tmp_path: Path) -> None:
    with postgres_server.running(postgres_server.DEPLOYED, network="bridge") as server:
        key, certificate = server.data / "server.key", server.data / "server.crt"
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
        make += ["-addext", f"subjectAltName=IP:{server.address}", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(make, check=True, capture_output=True)
        owner = server.data.stat()
        for path in (key, certificate):
            os.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(0o600)
        with (server.data / "pg_hba.conf").open("a", encoding="utf-8") as hba:
            hba.write("hostssl all all all scram-sha-256\n")
        target = Target(server)
        target.sql("ALTER ROLE postgres PASSWORD 'secret-of-the-test'")
        target.apply({"ssl": True})
        authority = tmp_path / "ca.crt"
        authority.write_bytes(certificate.read_bytes())
        login = {
            "login_host": server.address,
            "login_password": "secret-of-the-test",
            "ssl_mode": "verify-full",
            "ca_cert": str(authority),
        }
        assert run_module("pg_settings", {**login, "settings": {"ssl": "yes"}})["findings"] == []
        assert run_module("pg_settings", {**login, "settings": {"jit": False}, "mode": "apply"})["changed"] is True
        with pytest.raises(ModuleFailedError, match="cannot log in"):
            run_module("pg_settings", {**login, "login_password": "wrong", "settings": {}})


@pytest.mark.parametrize("major", postgres_server.VERSIONS)
def test_pgbouncer(major: int) -> None:
    image = postgres_images.image(major)
    # Below the directory of all: the pool runs as another user.
    with tempfile.TemporaryDirectory(prefix="firstbell-pgbouncer-") as name:
        directory = Path(name)
        directory.chmod(0o777)
        (directory / "users").write_text('"stats" ""\n', encoding="utf-8")
        (directory / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={name}\n[pgbouncer]\nunix_socket_dir = {name}\nauth_type = trust\n"
            f"auth_file = {name}/users\nstats_users = stats\npool_mode = transaction\nquery_wait_timeout = 15\n"
            "ignore_startup_parameters = extra_float_digits, options\nlog_connections = 0\n",
            encoding="utf-8",
        )
        container = directory.name
        command = ["docker", "run", "-d", "--name", container, "--network", "none", "--user", "1001:1001"]
        command += ["-v", f"{name}:{name}", "--entrypoint", "/usr/sbin/pgbouncer", image, f"{name}/pgbouncer.ini"]
        subprocess.run(command, check=True, capture_output=True)
        try:
            deadline = time.monotonic() + 30
            while not (directory / ".s.PGSQL.6432").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            login = {"server": "pgbouncer", "login_unix_socket": name, "login_port": 6432, "login_user": "stats"}
            good = {
                "pool_mode": "transaction",
                "query_wait_timeout": 15,
                "log_connections": False,
                "ignore_startup_parameters": ["extra_float_digits", "options"],
                "default_pool_size": "20",
            }
            found = run_module("pg_settings", {**login, "settings": good})
            assert (found["findings"], found["changed"]) == ([], False)
            bad = {"pool_mode": "session", "listen_port": 5433, "default_pool_sise": 1, "query_wait_timeout": "15s"}
            with pytest.raises(ModuleFailedError) as raised:
                run_module("pg_settings", {**login, "settings": bad})
            assert kinds(raised.value.result) == [
                ("unknown", "default_pool_sise"),
                ("invalid", "query_wait_timeout"),
                ("differs", "pool_mode"),
                ("pending_restart", "listen_port"),
            ]
            with pytest.raises(ModuleFailedError, match="can only be checked"):
                run_module("pg_settings", {**login, "settings": good, "mode": "apply"})
        finally:
            subprocess.run(["docker", "rm", "-f", container], check=True, capture_output=True)


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    (tmp_path / "psycopg.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.firstbell.stack.plugins.modules.pg_settings"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"settings": {}}}),
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{COLLECTIONS}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "python3-psycopg" in json.loads(done.stdout)["msg"]
