# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wanted settings of PostgreSQL compared with a server: one finding for whatever is not as wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import known_settings
from .errors import InputError
from .names import did_you_mean
from .pg_findings import PgFinding
from .pg_lists import split_list
from .pg_state import Entry, State, pretty, same
from .pg_values import Parameter, Value, ValueRefusedError, parse_given, range_of, text_of
from .sql import mask

#: No configuration file takes these (GUC_DISALLOW_IN_FILE), or they have no value that lasts.
_OF_THE_SESSION = frozenset(
    (
        *("config_file", "is_superuser", "role", "seed", "session_authorization"),
        *("transaction_deferrable", "transaction_isolation", "transaction_read_only"),
    )
)
#: ALTER SYSTEM does not take these (GUC_DISALLOW_IN_AUTO_FILE); a configuration file does.
NOT_AUTOMATIC = frozenset(("allow_alter_system", "data_directory"))
#: Lists of the libraries that define further settings.
PRELOADED = ("shared_preload_libraries", "session_preload_libraries", "local_preload_libraries")
_AUTOMATIC_VALUES = (-1, 0)
_CUSTOM_NAME = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)+")


@dataclass(frozen=True)
class Wanted:
    """A setting that was asked for. ``values`` are those that count as equal: the server may spell one its own way."""

    name: str
    text: str
    parameter: Parameter | None = None
    values: tuple[Value, ...] = ()
    #: A name that the server does not have yet, because the library is only about to be loaded.
    awaits_library: bool = False

    def is_met_by(self, text: str) -> bool:
        if self.parameter is None:
            return text == self.text
        return any(same(self.parameter, text, value) for value in self.values)

    @property
    def shown(self) -> str:
        return mask(self.text if self.parameter is None else pretty(self.parameter, self.text))


@dataclass(frozen=True)
class Verdict:
    """One wanted setting and how it stands. ``entry`` is the line that counts, ``text`` what holds for everybody."""

    wanted: Wanted
    text: str
    source: str
    in_force: bool
    entry: Entry | None
    written: bool

    @property
    def after_restart(self) -> bool:
        """Whether it waits for a restart, or will once it is written."""
        parameter = self.wanted.parameter
        possible = not self.in_force and self.source != "command line"
        return possible and (self.wanted.awaits_library if parameter is None else parameter.context == "postmaster")

    @property
    def shown(self) -> str:
        parameter = self.wanted.parameter
        return mask(self.text if parameter is None else pretty(parameter, self.text))


def resolve(settings: Mapping[str, object], state: State) -> tuple[list[Wanted], list[PgFinding]]:
    """The settings under the server's names with values that it would take, and what cannot be."""
    wanted: dict[str, Wanted] = {}
    findings: list[PgFinding] = []
    for given, value in settings.items():
        name = str(given)
        parameter = state.find(name)
        try:
            if parameter is None:
                libraries = _libraries(state, settings)
                findings += _unknown(name, state, libraries)
                one = Wanted(name, _placeholder(value), awaits_library=name.partition(".")[0] in libraries)
            else:
                text, parsed = parse_given(parameter, value)
                one = Wanted(parameter.name, text, parameter, (parsed,))
        except InputError as refused:
            takes = range_of(parameter) if parameter is not None else ""
            fix = f"It takes {takes}" if takes not in str(refused) else ""
            findings.append(PgFinding(name, str(refused), fix, "invalid"))
            continue
        if one.name.lower() in wanted:
            findings.append(PgFinding(name, f"it is the same setting as {one.name}", "Give it once", "invalid"))
        wanted[one.name.lower()] = one
    refused_names = {finding.name for finding in findings}
    return [one for one in wanted.values() if one.name not in refused_names], findings


def _placeholder(value: object) -> str:
    return ", ".join(text_of(item) for item in value) if isinstance(value, (list, tuple)) else text_of(value)


def _unknown(name: str, state: State, libraries: set[str]) -> list[PgFinding]:
    """A name that the server does not have; one of a library that it will load is none."""
    if name.lower() in _OF_THE_SESSION:
        problem = "it belongs to a session or a transaction, and no configuration holds it"
        return [PgFinding(name, problem, "Leave it out", "not_settable")]
    prefix, dot, _rest = name.partition(".")
    if dot and _CUSTOM_NAME.fullmatch(name) and not state.has_library(prefix):
        return _unloaded(name, prefix, state, libraries)
    release = state.release
    if name.lower() in known_settings.POSTGRES:
        problem, fix = f"PostgreSQL {release} has no such setting, another version has", "Leave it out on this server"
    else:
        near = did_you_mean(name, [parameter.name for parameter in state.parameters.values()])
        problem = f"PostgreSQL {release} has no such setting"
        fix = f"Did you mean {near}?" if near else "SELECT name FROM pg_settings lists them all"
    return [PgFinding(name, problem, fix, "unknown", {"did_you_mean": did_you_mean(name, state.parameters)})]


def _libraries(state: State, settings: Mapping[str, object]) -> set[str]:
    """The libraries that the server loads or will load, as far as its files and the settings say."""
    loaded: set[str] = set()
    for given, value in settings.items():
        if str(given).lower() in PRELOADED:
            loaded.update(split_list(str(given), _placeholder(value)))
    for entry in state.entries or ():
        if entry.name.lower() in PRELOADED:
            loaded.update(split_list(entry.name, entry.setting))
    return {library.rpartition("/")[2] for library in loaded}


def _unloaded(name: str, prefix: str, state: State, libraries: set[str]) -> list[PgFinding]:
    """A name whose prefix the server does not know: of a library to come, of an application, or misspelt."""
    if prefix in libraries:
        return []
    known = {*libraries, *state.prefixes, *known_settings.POSTGRES_PREFIXES}
    near = prefix if prefix in known else did_you_mean(prefix, known)
    if near is None:
        return []
    problem = f"no library that this server loads or will load has it; the prefix {prefix} has no settings"
    fix = (
        f"Add {prefix} to shared_preload_libraries"
        if near == prefix
        else f"Did you mean {near}.{name.partition('.')[2]}?"
    )
    return [PgFinding(name, problem, fix, "unknown", {"did_you_mean": f"{near}.{name.partition('.')[2]}"})]


def judge(wanted: Wanted, state: State, custom: str | None = None) -> Verdict:
    """How one wanted setting stands on the server; ``custom`` is the value of a name that is not the server's."""
    entry = state.winner(wanted.name)
    if wanted.parameter is None:
        written = entry is not None and wanted.is_met_by(entry.setting)
        return Verdict(wanted, custom or "", "", custom == wanted.text, entry, written)
    parameter = wanted.parameter
    text, source = state.server_wide(parameter)
    in_force = wanted.is_met_by(text)
    if source == "command line":
        written = in_force
    elif entry is not None:
        written = wanted.is_met_by(entry.setting)
        # The server has taken this line and shows what it has computed from it, as for wal_buffers = -1.
        in_force = in_force or (written and entry.applied and parameter.context == "postmaster")
    elif source == "configuration file" and state.entries is not None:
        # Its line was taken out, and the server has not read the files since.
        written = wanted.is_met_by(parameter.boot_val)
    else:
        computed = bool(set(wanted.values) & set(_AUTOMATIC_VALUES)) and wanted.is_met_by(parameter.boot_val)
        in_force = in_force or (computed and source in ("default", "override"))
        written = in_force and not (parameter.pending_restart and state.entries is None)
    return Verdict(wanted, text, source, in_force, entry, written)


def with_spellings(wanted: Sequence[Wanted], spelled: Mapping[str, str]) -> list[Wanted]:
    """The same with the texts that the server itself makes of them."""
    found = []
    for one in wanted:
        text = spelled.get(one.name)
        if text is None or one.parameter is None:
            found.append(one)
            continue
        try:
            found.append(replace(one, values=(*one.values, parse_given(one.parameter, text)[1])))
        except ValueRefusedError:
            found.append(one)
    return found


def would_not_start(wanted: Sequence[Wanted], state: State) -> Iterator[PgFinding]:
    """Settings that are fine one by one and together keep the server from starting (postmaster.c)."""
    values = {one.name: one.values[0] for one in wanted if one.values}

    def value(name: str) -> Value | None:
        parameter = state.find(name)
        if name in values or parameter is None:
            return values.get(name)
        try:
            entry = state.winner(name)
            return parse_given(parameter, entry.setting if entry else parameter.setting)[1]
        except InputError:
            return None

    def finding(name: str, problem: str) -> PgFinding:
        return PgFinding(name, f"{problem}, and the server would not start with that", "", "would_not_start")

    names = ("max_connections", "superuser_reserved_connections", "reserved_connections")
    most, *reserved = (value(name) for name in names)
    taken = sum(number for number in reserved if isinstance(number, int))
    if values.keys() & set(names) and isinstance(most, int) and taken >= most:
        yield finding("max_connections", f"{taken} of {most} connections are reserved")
    if value("wal_level") == "minimal":
        for name, off in (("max_wal_senders", 0), ("archive_mode", "off"), ("summarize_wal", False)):
            if values.keys() & {"wal_level", name} and value(name) not in (off, None):
                yield finding(name, "it needs wal_level replica or logical")


def describe(verdict: Verdict) -> dict[str, Any]:
    """A setting in the module's result."""
    wanted, parameter = verdict.wanted, verdict.wanted.parameter
    told: dict[str, Any] = {
        "value": verdict.shown,
        "wanted": wanted.shown,
        "in_force": verdict.in_force,
        "source": verdict.source,
    }
    if verdict.entry is not None:
        told["file"], told["line"] = verdict.entry.file, verdict.entry.line
    if parameter is not None:
        told.update(
            setting=mask(parameter.setting),
            unit=parameter.unit,
            context=parameter.context,
            type=parameter.vartype,
            source_file=parameter.sourcefile,
            source_line=parameter.sourceline,
            reset_value=mask(parameter.reset_val),
            default=mask(parameter.boot_val),
            pending_restart=parameter.pending_restart,
            takes=range_of(parameter),
        )
    return told
