# SPDX-License-Identifier: GPL-3.0-or-later
"""Wanted settings against a server that is described: findings, plan, and the plan applied twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import pg_conf, pg_findings, pg_plan
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.pg_differences import file_errors, findings_of
from ansible_collections.firstbell.stack.plugins.module_utils._core.pg_findings import KINDS
from ansible_collections.firstbell.stack.plugins.module_utils._core.pg_plan import Method
from ansible_collections.firstbell.stack.plugins.module_utils._core.pg_settings import (
    describe,
    judge,
    resolve,
    with_spellings,
    would_not_start,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.pg_state import (
    NOT_APPLIED,
    Entry,
    Override,
    State,
    parse_command_line,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.pg_values import Parameter
from hypothesis import given, settings
from hypothesis import strategies as st

MOST = "2147483647"
AUTO = "/data/postgresql.auto.conf"
CONF = "/data/postgresql.conf"
OURS = "/data/conf.d/ours.conf"


def number(name: str, value: str, unit: str = "", context: str = "user", **more: Any) -> Parameter:
    values = {"boot_val": value, "reset_val": value, "min_val": "-1", "max_val": MOST, **more}
    return Parameter(name, value, "integer", unit, context, **values)


def text(name: str, value: str, context: str = "user", **more: Any) -> Parameter:
    return Parameter(name, value, context=context, **{"boot_val": value, "reset_val": value, **more})


PARAMETERS = (
    number("work_mem", "4096", "kB", min_val="64"),
    number("shared_buffers", "4096", "8kB", "postmaster", min_val="16"),
    number("wal_buffers", "128", "8kB", "postmaster", boot_val="-1"),
    number("max_connections", "40", "", "postmaster", min_val="1"),
    number("superuser_reserved_connections", "3", "", "postmaster", min_val="0"),
    number("log_min_duration_statement", "-1", "ms", "superuser"),
    number("checkpoint_timeout", "300", "s", "sighup", min_val="30"),
    number("block_size", "8192", "", "internal"),
    Parameter("jit", "on", "bool", boot_val="on", reset_val="on"),
    Parameter("wal_level", "replica", "enum", "", "postmaster", enumvals=("minimal", "replica"), reset_val="replica"),
    text("search_path", '"$user", public'),
    text("shared_preload_libraries", "", "postmaster"),
    text("archive_command", "(disabled)", "sighup", reset_val="", boot_val=""),
    text("TimeZone", "UTC"),
    number("auto_explain.log_min_duration", "-1", "ms", "superuser"),
)


def server(*changed: Parameter, **more: Any) -> State:
    parameters = {one.name.lower(): one for one in (*PARAMETERS, *changed)}
    return State(170011, parameters, **more)


def from_file(name: str, value: str, file: str = CONF, **more: Any) -> Parameter:
    (found,) = (one for one in PARAMETERS if one.name == name)
    return replace(found, setting=value, reset_val=value, source="configuration file", sourcefile=file, **more)


def kinds(wanted: dict[str, Any], state: State) -> list[tuple[str, str]]:
    found, findings = resolve(wanted, state)
    for one in found:
        findings += findings_of(judge(one, state), state)
    return [(finding.kind, finding.name) for finding in findings]


@pytest.mark.parametrize(
    ("state", "wanted", "expected"),
    [
        (server(), {"work_mem": "4MB", "JIT": True, "wal_buffers": -1, "timezone": "UTC", "block_size": 8192}, []),
        (server(), {"sort_mem": "4MB"}, []),
        (server(), {"work_mem": "8MB"}, [("differs", "work_mem")]),
        (server(), {"block_size": 4096}, [("not_settable", "block_size")]),
        (server(), {"archive_command": ""}, []),
        (server(), {"work_men": 1}, [("unknown", "work_men")]),
        (server(), {"autovacuum": True}, [("unknown", "autovacuum")]),
        (server(), {"role": "x"}, [("not_settable", "role")]),
        (server(), {"work_mem": "1kB"}, [("invalid", "work_mem")]),
        (server(), {"work_mem": "4MB", "sort_mem": "4MB"}, [("invalid", "sort_mem")]),
        (server(), {"auto_explain.log_min_duratio": 1}, [("unknown", "auto_explain.log_min_duratio")]),
        (server(), {"auto_explan.log_min_duration": 1}, [("unknown", "auto_explan.log_min_duration")]),
        (server(), {"pg_stat_statements.max": 1}, [("unknown", "pg_stat_statements.max")]),
        (
            server(),
            {"pg_stat_statements.max": 1, "shared_preload_libraries": ["pg_stat_statements"]},
            [("differs", "pg_stat_statements.max"), ("differs", "shared_preload_libraries")],
        ),
        (server(), {"app.tenant": "a"}, [("differs", "app.tenant")]),
        # A line that counts and one that does not.
        (
            server(from_file("work_mem", "8192"), entries=(Entry(CONF, 3, "work_mem", "8MB"),)),
            {"work_mem": "8192kB"},
            [],
        ),
        (
            server(
                from_file("work_mem", "16384"),
                entries=(Entry(CONF, 3, "work_mem", "8MB", False), Entry(OURS, 1, "work_mem", "16MB")),
            ),
            {"work_mem": "8MB"},
            [("later_line", "work_mem")],
        ),
        (
            server(from_file("work_mem", "16384"), entries=(Entry(AUTO, 3, "work_mem", "16MB"),)),
            {"work_mem": "8MB"},
            [("alter_system", "work_mem")],
        ),
        # Written and not in force.
        (server(entries=(Entry(CONF, 3, "work_mem", "8MB"),)), {"work_mem": "8MB"}, [("not_reloaded", "work_mem")]),
        (
            server(entries=(Entry(CONF, 3, "shared_buffers", "1GB", False, NOT_APPLIED),)),
            {"shared_buffers": "1GB"},
            [("pending_restart", "shared_buffers")],
        ),
        # In force and not for long.
        (server(entries=(Entry(CONF, 3, "work_mem", "8MB"),)), {"work_mem": "4MB"}, [("differs", "work_mem")]),
        (server(from_file("work_mem", "8192")), {"work_mem": "8MB"}, [("not_reloaded", "work_mem")]),
        (server(from_file("work_mem", "8192")), {"work_mem": "4MB"}, [("not_reloaded", "work_mem")]),
        # The server has taken -1 and shows what it has made of it.
        (
            server(from_file("wal_buffers", "128"), entries=(Entry(CONF, 3, "wal_buffers", "-1"),)),
            {"wal_buffers": -1},
            [],
        ),
        # Settings of the session that looks hide the server's.
        (
            server(
                replace(PARAMETERS[0], setting="1024", reset_val="1024", source="user"),
                overrides=(Override("postgres", "", "work_mem", "1MB"),),
            ),
            {"work_mem": "4MB"},
            [("role", "work_mem")],
        ),
        (
            server(
                replace(PARAMETERS[0], setting="1024", source="database"),
                command_line={"work_mem": "5MB"},
                entries=(Entry(CONF, 1, "work_mem", "4MB"),),
            ),
            {"work_mem": "4MB"},
            [("command_line", "work_mem")],
        ),
        (
            server(
                replace(PARAMETERS[0], setting="1024", reset_val="1024", source="global"),
                entries=(Entry(CONF, 1, "work_mem", "4MB"),),
            ),
            {"work_mem": "4MB"},
            [],
        ),
        (
            server(replace(PARAMETERS[0], setting="5120", reset_val="5120", source="command line")),
            {"work_mem": "5MB"},
            [],
        ),
        (
            server(overrides=(Override("a", "b", "work_mem", "1MB"), Override("", "b", "work_mem", "4096"))),
            {"work_mem": "4MB"},
            [("role_in_database", "work_mem")],
        ),
        # Without a right to see the files.
        (server(from_file("work_mem", "8192"), entries=None), {"work_mem": "8MB"}, []),
        (
            server(replace(PARAMETERS[0], reset_val="1024", source="user"), entries=None),
            {"work_mem": "4MB"},
            [("differs", "work_mem")],
        ),
    ],
)
def test_findings(state: State, wanted: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert sorted(kinds(wanted, state)) == sorted(expected)
    assert all(kind in KINDS for kind, _name in expected)


def test_an_application_has_names_of_its_own() -> None:
    state = server(entries=(Entry(CONF, 1, "app.tenant", "a"),))
    ((wanted,), findings) = resolve({"app.tenant": "a"}, state)
    assert findings == []
    assert list(findings_of(judge(wanted, state, "a"), state)) == []
    assert [one.kind for one in findings_of(judge(wanted, state, "b"), state)] == ["not_reloaded"]


def test_what_the_server_spells_its_own_way() -> None:
    state = server()
    wanted, _findings = resolve({"TimeZone": "utc"}, state)
    assert not judge(wanted[0], state).in_force
    (same,) = with_spellings(wanted, {"TimeZone": "UTC"})
    assert judge(same, state).in_force
    assert describe(judge(same, state))["wanted"] == "utc"


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"max_connections": 3}, ["max_connections"]),
        ({"superuser_reserved_connections": 40}, ["max_connections"]),
        ({"max_connections": 4}, []),
        ({"work_mem": "4MB"}, []),
    ],
)
def test_settings_with_which_it_would_not_start(wanted: dict[str, Any], names: list[str]) -> None:
    state = server()
    assert [one.name for one in would_not_start(resolve(wanted, state)[0], state)] == names


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        (Entry(CONF, 3, "work_mem", "plenty", False, NOT_APPLIED), ["work_mem"]),
        (Entry(CONF, 3, "", "", False, "syntax error"), [f"{CONF}:3"]),
        (Entry(CONF, 3, "shared_buffers", "1GB", False, NOT_APPLIED), []),
        (Entry(CONF, 3, "shared_buffers", "lots", False, NOT_APPLIED), ["shared_buffers"]),
        (Entry(CONF, 3, "nonsense", "1", False, "unrecognized configuration parameter"), ["nonsense"]),
        (Entry(CONF, 3, "work_mem", "8MB"), []),
    ],
)
def test_lines_with_errors(entry: Entry, names: list[str]) -> None:
    assert [one.name for one in file_errors(server(entries=(entry,)))] == names


@pytest.mark.parametrize(
    ("opts", "found"),
    [
        ('/usr/bin/postgres "-D" "/data" "-c" "work_mem=5MB"\n', {"work_mem": "5MB"}),
        (
            '/usr/bin/postgres "-cwork_mem=5MB" "--log-min-messages=info"\n',
            {"work_mem": "5MB", "log_min_messages": "info"},
        ),
        ('/usr/bin/postgres "-S" "6000" "-c" "app.x=a=b"\n', {"work_mem": "6000", "app.x": "a=b"}),
        ('/usr/bin/postgres "-D" "/data"', {}),
        ("", {}),
        ('/usr/bin/postgres "open', {}),
    ],
)
def test_command_lines(opts: str, found: dict[str, str]) -> None:
    assert parse_command_line(opts) == found


def plan(wanted: dict[str, Any], state: State, method: Method, found: str | None = None) -> pg_plan.Plan:
    verdicts = [judge(one, state) for one in resolve(wanted, state)[0]]
    return pg_plan.plan(verdicts, state, method, found)


def applied(made: pg_plan.Plan, state: State) -> State:
    """What the server is after the plan, as PostgreSQL would take it."""
    entries = {entry.name: entry for entry in state.entries or () if entry.automatic}
    for line, write in enumerate(made.writes, 3):
        entries.pop(write.name, None)
        if write.items:
            value = write.items[0]
            if write.name in ("search_path", "shared_preload_libraries"):
                value = ", ".join(f'"{item}"' for item in write.items)
            entries[write.name] = Entry(AUTO, line, write.name, value)
    lines = [entry for entry in state.entries or () if not entry.automatic and entry.file != OURS]
    if made.file is not None:
        written = pg_conf.read(made.file.after).items()
        lines += [Entry(OURS, line, name, value) for line, (name, value) in enumerate(written, 2)]
    overrides = tuple(one for one in state.overrides if one not in [override for _name, override in made.overrides])
    after = replace(state, entries=(*lines, *entries.values()), overrides=overrides)
    if not made.reload:
        return after
    parameters = dict(after.parameters)
    for name, parameter in parameters.items():
        entry = after.winner(name)
        if parameter.context == "postmaster":
            continue
        value = entry.setting if entry else parameter.boot_val
        source = "configuration file" if entry else "default"
        parameters[name] = replace(parameter, setting=value, reset_val=value, source=source)
    return replace(after, parameters=parameters)


SIZES = st.integers(128, 10**6).flatmap(lambda size: st.sampled_from([size, str(size), f"{size}kB", f" {size} MB"]))
WANTED = st.fixed_dictionaries(
    {},
    optional={
        "work_mem": SIZES,
        "shared_buffers": SIZES,
        "checkpoint_timeout": st.integers(1, 60).flatmap(lambda time: st.sampled_from([f"{time}min", time * 60])),
        "jit": st.sampled_from([True, False, "on", "of", "YES", "n", 0]),
        "wal_level": st.sampled_from(["minimal", "REPLICA", "hot_standby"]),
        "search_path": st.lists(st.sampled_from(["$user", "public", "Year 1"]), min_size=1),
        "log_min_duration_statement": st.sampled_from([-1, "500ms", "0.5s", "1min"]),
        "archive_command": st.sampled_from(["", "cp %p '/x y'", "true \\ "]),
    },
)
OVERRIDES = st.lists(
    st.builds(Override, st.sampled_from(["", "a"]), st.sampled_from(["", "b"]), st.just("work_mem"), st.just("1MB")),
    unique=True,
)
METHODS = st.sampled_from(
    [
        Method("alter_system", ("role", "database")),
        Method("alter_system", ("role", "database"), purge=True),
        Method("file", ("alter_system", "role", "database"), False, OURS, OURS),
        Method("file", ("alter_system", "role", "database"), True, OURS, OURS),
    ]
)


@settings(deadline=None)
@given(WANTED, WANTED, METHODS, OVERRIDES)
def test_a_plan_applied_twice_is_empty(
    before: dict[str, Any], wanted: dict[str, Any], method: Method, overrides: list[Override]
) -> None:
    state = server(overrides=tuple(overrides))
    state = applied(plan(before, state, Method("alter_system")), state)
    first = plan(wanted, state, method)
    after = applied(first, state)
    second = plan(wanted, after, method, first.file.after if first.file else None)
    assert not second.changes
    assert {kind for kind, _name in kinds(wanted, after)} <= {"pending_restart"}


@settings(deadline=None)
@given(WANTED, METHODS)
def test_the_diff_is_empty_exactly_if_nothing_is_done(wanted: dict[str, Any], method: Method) -> None:
    made = plan(wanted, server(), method)
    assert bool(pg_plan.diff_of(made)) == made.changes


def test_writes_go_item_by_item_where_names_are_quoted() -> None:
    wanted = {"search_path": "a, b", "shared_preload_libraries": ["auto_explain"], "TimeZone": "Europe/Berlin"}
    made = plan(wanted, server(), Method("alter_system"))
    assert [(write.name, write.items) for write in made.writes] == [
        ("search_path", ("a", "b")),
        ("shared_preload_libraries", ("auto_explain",)),
        ("TimeZone", ("Europe/Berlin",)),
    ]


def test_a_line_that_was_not_read_is_a_reason_to_reload() -> None:
    state = server(entries=(Entry(CONF, 3, "work_mem", "8MB"), Entry(CONF, 4, "shared_buffers", "1GB", False)))
    for name in ("alter_system", "reload"):
        assert plan({"work_mem": "8MB"}, state, Method(name)) == pg_plan.Plan(reload=True)
        assert not plan({"shared_buffers": "1GB"}, state, Method(name)).changes


def test_another_spelling_in_the_file_stays() -> None:
    found = pg_conf.render({"work_mem": "4096kB", "jit": "yes"})
    state = server(entries=(Entry(OURS, 2, "jit", "yes"), Entry(OURS, 3, "work_mem", "4096kB")))
    method = Method("file", path=OURS, server_path=OURS)
    assert not plan({"work_mem": "4MB", "jit": True}, state, method, found).changes
    assert plan({"work_mem": "5MB", "jit": True}, state, method, found).changes


def test_a_file_of_somebody_else() -> None:
    with pytest.raises(InputError, match="was not written by this module"):
        plan({"work_mem": "8MB"}, server(), Method("file", path=OURS, server_path=OURS), "work_mem = 1\n")


@pytest.mark.parametrize(
    ("mode", "fail_on", "inside", "outside"),
    [
        ("check", None, {"role", "pending_restart", "drift"}, set()),
        ("check", [], set(), set(KINDS)),
        ("apply", None, {"differs", "alter_system"}, {"role", "database", "role_in_database", "pending_restart"}),
        ("apply", ["any"], {"role"}, {"pending_restart"}),
        ("apply", [], {"unknown", "invalid", "not_settable", "would_not_start"}, {"differs", "file_error"}),
    ],
)
def test_what_fails(mode: str, fail_on: list[str] | None, inside: set[str], outside: set[str]) -> None:
    found = pg_findings.failing(mode, fail_on)
    assert inside <= found
    assert not outside & found


def test_secrets_stay_out_of_what_is_told() -> None:
    state = server(text("primary_conninfo", "host=a password=hunter2", "sighup"))
    found, _findings = resolve({"primary_conninfo": "host=b password=hunter3"}, state)
    verdict = judge(found[0], state)
    told = [describe(verdict), pg_plan.changes_of(pg_plan.plan([verdict], state, Method("alter_system")))]
    told += [one.as_dict() for one in findings_of(verdict, state)]
    assert "hunter" not in str(told)
