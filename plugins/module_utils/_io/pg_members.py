# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at one server or several, PostgreSQL's or PgBouncer's, and makes the module's result of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._core import pg_drift, pgbouncer_config
from .._core.errors import InputError
from .._core.pg_findings import PgFinding, by_gravity
from .._core.pg_settings import describe
from .._core.pg_state import State, pretty
from . import postgres
from .pg_settings import Look, look
from .postgres import Session


def check(params: Mapping[str, Any]) -> dict[str, Any]:
    """The result of ``mode: check``: it never changes anything."""
    if not params["members"]:
        return _of_one(params)[0]
    settings: dict[str, Any] = {}
    values: dict[str, Mapping[str, str]] = {}
    findings: list[dict[str, Any]] = []
    waiting: list[str] = []
    for member in params["members"]:
        merged = {**params, **_connection(member)}
        name = member["name"] or f"{merged['login_unix_socket'] or merged['login_host']}:{merged['login_port']}"
        if name in settings:
            raise InputError(f"members: {name} is there twice; give each a name of its own")
        result, values[name] = _of_one(merged)
        settings[name] = result["settings"]
        findings += [{**finding, "member": name} for finding in result["findings"]]
        waiting += [setting for setting in result["restart_required"] if setting not in waiting]
    findings += [finding.as_dict() for finding in pg_drift.compare(values, params["drift_ignore"])]
    return {**_empty(), "settings": settings, "findings": findings, "restart_required": waiting}


def _connection(member: Mapping[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in member.items() if key != "name" and value is not None}
    # A host in place of the socket of all members, and the other way round.
    if "login_host" in given:
        given.setdefault("login_unix_socket", "")
    elif "login_unix_socket" in given:
        given["login_host"] = ""
    return given


def _of_one(params: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The result, and all settings of the server as texts that can be compared."""
    if params["server"] == "pgbouncer":
        with postgres.connect({**params, "login_db": "pgbouncer", "session_role": None}) as session:
            return _of_pgbouncer(session, params["settings"])
    with postgres.connect(params, application="firstbell settings") as session:
        seen = look(session, params["settings"])
    return report(seen, seen.findings), server_wide(seen.state)


def server_wide(state: State) -> dict[str, str]:
    """What holds on the server for a session without settings of its own."""
    settings = state.parameters.values()
    return {one.name: pretty(one, state.server_wide(one)[0]) for one in settings}


def _of_pgbouncer(session: Session, settings: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, str]]:
    config = pgbouncer_config.items(session.query("SHOW CONFIG"))
    findings = list(pgbouncer_config.compare(settings, config))
    result = {
        **_empty(),
        "settings": pgbouncer_config.describe(settings, config),
        "findings": [finding.as_dict() for finding in by_gravity(findings)],
        "restart_required": [finding.name for finding in findings if finding.kind == "pending_restart"],
    }
    return result, {name: item.value for name, item in config.items()}


def report(seen: Look, findings: Sequence[PgFinding], *, planned: bool = False) -> dict[str, Any]:
    """The module's result for one look; ``planned`` counts what would be written as written."""
    waiting = [one.wanted.name for one in seen.verdicts if one.after_restart and (planned or one.written)]
    waiting += [
        parameter.name
        for parameter in seen.state.parameters.values()
        if parameter.pending_restart and parameter.source != "command line" and parameter.name not in waiting
    ]
    return {
        **_empty(),
        "settings": {verdict.wanted.name: describe(verdict) for verdict in seen.verdicts},
        "findings": [finding.as_dict() for finding in by_gravity(findings)],
        "restart_required": waiting,
        "version": seen.state.version,
    }


def _empty() -> dict[str, Any]:
    return {
        "changed": False,
        "changes": [],
        "diff": [],
        "findings": [],
        "settings": {},
        "restart_required": [],
        "reloaded": False,
        "version": 0,
    }
