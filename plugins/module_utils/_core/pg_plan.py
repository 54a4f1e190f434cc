# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do so that a PostgreSQL server has the wanted settings, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import pg_conf
from .errors import InputError
from .pg_differences import overrides_of
from .pg_findings import OF_SESSIONS, PgFinding
from .pg_lists import QUOTED, split_list
from .pg_settings import NOT_AUTOMATIC, Verdict
from .pg_state import Override, State, pretty
from .sql import mask

#: ALTER SYSTEM takes names of libraries that are not loaded from this version on.
_UNKNOWN_NAMES_SINCE = 170000


@dataclass(frozen=True)
class Write:
    """ALTER SYSTEM for one setting: SET with these items, or RESET without any."""

    name: str
    items: tuple[str, ...]
    before: str
    after: str


@dataclass(frozen=True)
class FileChange:
    """The managed file on this host. ``before`` is None where there is none yet."""

    path: str
    before: str | None
    after: str

    @property
    def changes(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class Plan:
    """Every step, in this order; empty for a server that is as wanted."""

    writes: tuple[Write, ...] = ()
    overrides: tuple[tuple[str, Override], ...] = ()
    file: FileChange | None = None
    reload: bool = False

    @property
    def changes(self) -> bool:
        return bool(self.writes or self.overrides or self.reload or (self.file and self.file.changes))


@dataclass(frozen=True)
class Method:
    """How to write: the options of the module that say it."""

    name: str
    reset: tuple[str, ...] = ()
    purge: bool = False
    path: str = ""
    server_path: str = ""


def items_of(name: str, text: str) -> tuple[str, ...]:
    """The constants of ALTER SYSTEM SET; a list of quoted names goes item by item."""
    return split_list(name, text) if name.lower() in QUOTED else (text,)


def plan(verdicts: Sequence[Verdict], state: State, method: Method, found: str | None = None) -> Plan:
    """The steps; ``found`` is the managed file as it is."""
    writes: list[Write] = []
    file = None
    if method.name == "alter_system":
        writes += [_set(verdict) for verdict in verdicts if not verdict.written]
        if method.purge:
            writes += _purged(verdicts, state)
    else:
        if "alter_system" in method.reset:
            writes += [
                Write(verdict.wanted.name, (), _written(verdict), "")
                for verdict in verdicts
                if (entry := state.automatic(verdict.wanted.name)) and not verdict.wanted.is_met_by(entry.setting)
            ]
        if method.name == "file":
            file = _file(verdicts, state, method, found)
    overrides = tuple(overrides_of(verdicts, state, method.reset))
    stale = any(_is_stale(verdict) for verdict in verdicts)
    reload = bool(writes or (file and file.changes) or stale)
    return Plan(tuple(writes), overrides, file, reload)


def _is_stale(verdict: Verdict) -> bool:
    """Whether reading the files again would bring the wanted value."""
    parameter = verdict.wanted.parameter
    by_reload = not verdict.wanted.awaits_library and not (
        parameter and parameter.context in ("postmaster", "internal")
    )
    return by_reload and verdict.written and not verdict.in_force and verdict.source != "command line"


def _written(verdict: Verdict) -> str:
    entry, parameter = verdict.entry, verdict.wanted.parameter
    if entry is None:
        return verdict.shown
    return mask(pretty(parameter, entry.setting) if parameter else entry.setting)


def _set(verdict: Verdict) -> Write:
    wanted = verdict.wanted
    return Write(wanted.name, items_of(wanted.name, wanted.text), _written(verdict), wanted.shown)


def _purged(verdicts: Sequence[Verdict], state: State) -> Iterator[Write]:
    kept = {verdict.wanted.name.lower() for verdict in verdicts}
    for entry in state.entries or ():
        if entry.automatic and entry.name and entry.name.lower() not in kept:
            parameter = state.find(entry.name)
            yield Write(entry.name, (), mask(pretty(parameter, entry.setting) if parameter else entry.setting), "")


def _file(verdicts: Sequence[Verdict], state: State, method: Method, found: str | None) -> FileChange:
    if not pg_conf.is_managed(found):
        raise InputError(
            f"{method.path} was not written by this module, and would be replaced as a whole; "
            "name a file of its own, such as conf.d/ansible.conf, that the configuration includes"
        )
    before = pg_conf.read(found or "")
    kept = {} if method.purge else dict(before)
    settings: dict[str, str] = {}
    for verdict in verdicts:
        name = verdict.wanted.name
        old = before.get(name.lower())
        # Another spelling of the same value stays as it is.
        settings[name] = old if old is not None and verdict.wanted.is_met_by(old) else verdict.wanted.text
        kept.pop(name.lower(), None)
    for name, value in kept.items():
        parameter = state.find(name)
        settings[parameter.name if parameter else name] = value
    return FileChange(method.path, found, pg_conf.render(settings))


def impossible(verdicts: Sequence[Verdict], state: State, method: Method) -> Iterator[PgFinding]:
    """What ALTER SYSTEM cannot write, though a file can."""
    for verdict in verdicts if method.name == "alter_system" else ():
        wanted = verdict.wanted
        if verdict.written:
            continue
        problem = ""
        if wanted.name in NOT_AUTOMATIC:
            problem = "ALTER SYSTEM does not take it"
        elif wanted.parameter is None and state.version < _UNKNOWN_NAMES_SINCE:
            problem = f"ALTER SYSTEM of PostgreSQL {state.release} takes it only when its library is loaded"
        elif not items_of(wanted.name, wanted.text):
            problem = "ALTER SYSTEM cannot write an empty list; it would become a list of one empty name"
        if problem:
            yield PgFinding(wanted.name, problem, "Write it with method: file", "not_settable")


def beyond_reach(finding: PgFinding, method: Method) -> bool:
    """Whether the finding would still be there after the plan, so that it is refused before anything is written."""
    if finding.kind == "alter_system":
        return method.name != "alter_system" and "alter_system" not in method.reset
    if finding.kind in OF_SESSIONS:
        return finding.kind not in method.reset and not (finding.kind == "role_in_database" and "role" in method.reset)
    if finding.kind == "file_error":
        return str(finding.details.get("file", "")) != method.server_path
    return finding.kind in ("unknown", "invalid", "not_settable", "would_not_start", "command_line")


def changes_of(made: Plan) -> list[dict[str, Any]]:
    """The steps in the module's result."""
    told: list[dict[str, Any]] = []
    for write in made.writes:
        verb = "SET" if write.items else "RESET"
        told.append({"name": write.name, "before": write.before, "after": write.after, "by": f"ALTER SYSTEM {verb}"})
    if made.file is not None and made.file.changes:
        before, after = pg_conf.read(made.file.before or ""), pg_conf.read(made.file.after)
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                values = {"before": mask(before.get(name, "")), "after": mask(after.get(name, ""))}
                told.append({"name": name, **values, "by": made.file.path})
    for name, override in made.overrides:
        told.append({"name": name, "before": mask(override.value), "after": "", "by": f"{override.where} RESET"})
    return told


def diff_of(made: Plan) -> list[dict[str, str]]:
    """Before and after, for --diff; nothing is in it that the plan does not do."""
    parts = []
    if made.file is not None and made.file.changes:
        path = made.file.path
        texts = {"before": mask(made.file.before or ""), "after": mask(made.file.after)}
        parts.append({"before_header": path, "after_header": path, **texts})
    steps = [step for step in changes_of(made) if made.file is None or step["by"] != made.file.path]
    if steps or (made.reload and not parts):
        lines: Mapping[str, list[str]] = {
            side: [f"{step['by'].rpartition(' ')[0]} {step['name']} = {step[side]}" for step in steps if step[side]]
            for side in ("before", "after")
        }
        if made.reload and not steps:
            lines["after"].append("the configuration files are read again")
        parts.append({side: "".join(f"{line}\n" for line in lines[side]) for side in ("before", "after")})
    return parts
