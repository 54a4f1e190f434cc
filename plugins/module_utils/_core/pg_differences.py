# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a setting is not as wanted: every place from which PostgreSQL takes a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .errors import InputError
from .pg_findings import PgFinding
from .pg_settings import Verdict
from .pg_state import NOT_APPLIED, Entry, Override, State, pretty
from .pg_values import Parameter, parse
from .sql import mask


def findings_of(verdict: Verdict, state: State) -> Iterator[PgFinding]:
    """What is not as wanted with one setting."""
    wanted, parameter = verdict.wanted, verdict.wanted.parameter
    if not (verdict.in_force and verdict.written):
        yield _difference(verdict, state)
    for override in state.overrides:
        known = {wanted.name.lower()} if parameter is None else {parameter.name.lower()}
        if override.name.lower() in known and not wanted.is_met_by(override.value):
            value = mask(override.value if parameter is None else pretty(parameter, override.value))
            place = {"role": override.role, "database": override.database, "value": value, "wanted": wanted.shown}
            problem = f"{override.where} sets it to {value} for the sessions concerned, and {wanted.shown} is wanted"
            yield PgFinding(wanted.name, problem, f"{override.where} RESET {wanted.name}", override.kind, place)


def _difference(verdict: Verdict, state: State) -> PgFinding:
    wanted, entry, parameter = verdict.wanted, verdict.entry, verdict.wanted.parameter
    details: dict[str, Any] = {"value": verdict.shown, "wanted": wanted.shown, "source": verdict.source}
    if entry is not None:
        details.update({"file": entry.file, "line": entry.line})
    holds = f"it is {verdict.shown or 'not set'}, and {wanted.shown} is wanted"
    fix = ""
    if parameter is not None and parameter.context == "internal":
        kind, problem = "not_settable", f"{holds}; it is fixed when the server or its data directory is made"
    elif verdict.source == "command line":
        kind, problem = "command_line", f"{holds}; the server's command line sets it"
        fix = "Change how the server is started"
    elif entry is not None and not verdict.written:
        kind, problem, fix = _beaten(verdict, entry, state, holds)
    else:
        place = f" ({entry.place})" if entry else ""
        if verdict.written and verdict.after_restart:
            kind, fix = "pending_restart", "Restart the server"
            problem = f"{holds}; that is written{place} and waits for a restart"
        elif verdict.written or verdict.source == "configuration file":
            kind, fix = "not_reloaded", "SELECT pg_reload_conf()"
            problem = f"{holds}; the files say otherwise than the server, which has not read them again{place}"
        else:
            kind, problem = "differs", f"{holds}; it comes from: {verdict.source or 'nothing'}"
    return PgFinding(wanted.name, problem, fix, kind, details)


def _beaten(verdict: Verdict, entry: Entry, state: State, holds: str) -> tuple[str, str, str]:
    """Kind, problem and fix where the line that counts has another value."""
    wanted, parameter = verdict.wanted, verdict.wanted.parameter
    there = f"{entry.place} sets it to {mask(pretty(parameter, entry.setting) if parameter else entry.setting)}"
    if verdict.in_force:
        moment = "restart" if parameter is not None and parameter.context == "postmaster" else "reload"
        holds = f"{wanted.shown} holds only until the next {moment}"
    if entry.automatic:
        fix = f"ALTER SYSTEM RESET {wanted.name}, or mode: apply with reset: [alter_system]"
        return "alter_system", f"{holds}; by ALTER SYSTEM {there}", fix
    earlier = [
        other
        for other in state.entries or ()
        if other.name.lower() == entry.name.lower() and other is not entry and wanted.is_met_by(other.setting)
    ]
    if earlier:
        problem = f"{holds}; {earlier[-1].place} has it, and a later line counts: {there}"
        return "later_line", problem, f"Take {entry.place} out"
    return "differs", f"{holds}; {there}", ""


def file_errors(state: State, without: str = "") -> Iterator[PgFinding]:
    """Lines that the server refuses. With one of them it takes no part of a reload for granted, and does not start."""
    for entry in (*(state.entries or ()), *state.refused_lines):
        if not entry.error or entry.file == without:
            continue
        if entry.error == NOT_APPLIED:
            parameter = state.find(entry.name)
            reason = _refusal(parameter, entry)
            if not reason:
                continue
        else:
            reason = entry.error
        details = {"file": entry.file, "line": entry.line, "value": mask(entry.setting)}
        problem = f"{entry.place}: {mask(entry.setting) + ': ' if entry.setting else ''}{reason}"
        yield PgFinding(entry.name or entry.place, problem, "Mend that line", "file_error", details)


def _refusal(parameter: Parameter | None, entry: Entry) -> str:
    """Why the server refuses the line, or nothing where the line only waits for a restart."""
    if parameter is None:
        return NOT_APPLIED
    try:
        parse(parameter, entry.setting)
    except InputError as refused:
        return str(refused)
    return "" if parameter.context == "postmaster" else NOT_APPLIED


def overrides_of(verdicts: Sequence[Verdict], state: State, kinds: Sequence[str]) -> list[tuple[str, Override]]:
    """The settings of roles and databases to take back, with the setting's name."""
    wanted_kinds = {*kinds, *(["role_in_database"] if "role" in kinds else [])}
    return [
        (verdict.wanted.name, override)
        for verdict in verdicts
        for override in state.overrides
        if override.kind in wanted_kinds
        and override.name.lower() == verdict.wanted.name.lower()
        and not verdict.wanted.is_met_by(override.value)
    ]
