# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a PostgreSQL server: read in one session, written, and read again in a new one."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import FirstbellError, InputError
from .._core.pg_differences import file_errors, findings_of
from .._core.pg_findings import PgFinding, unmet
from .._core.pg_plan import FileChange, Method, Plan, Write, items_of
from .._core.pg_settings import PRELOADED, Verdict, Wanted, judge, resolve, with_spellings, would_not_start
from .._core.pg_state import Entry, Override, State, parse_command_line
from .._core.pg_values import Parameter
from . import postgres, system
from .postgres import QueryError, Session, compose

Connect = Callable[[], Session]

_PARAMETERS = """
SELECT name, setting, vartype, coalesce(unit, '') AS unit, context, source, coalesce(min_val, '') AS min_val,
       coalesce(max_val, '') AS max_val, coalesce(enumvals, '{}') AS enumvals, coalesce(boot_val, '') AS boot_val,
       coalesce(reset_val, '') AS reset_val, coalesce(sourcefile, '') AS sourcefile,
       coalesce(sourceline, 0) AS sourceline, pending_restart
FROM pg_catalog.pg_settings
"""
_ENTRIES = """
SELECT coalesce(sourcefile, '') AS file, coalesce(sourceline, 0) AS line, coalesce(name, '') AS name,
       coalesce(setting, '') AS setting, applied, coalesce(error, '') AS error
FROM pg_catalog.pg_file_settings ORDER BY seqno
"""
_OVERRIDES = """
SELECT coalesce(rolname, '') AS role, coalesce(datname, '') AS database, split_part(entry, '=', 1) AS name,
       substr(entry, strpos(entry, '=') + 1) AS value
FROM pg_catalog.pg_db_role_setting
LEFT JOIN pg_catalog.pg_roles r ON r.oid = setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = setdatabase
CROSS JOIN LATERAL unnest(setconfig) AS entry
WHERE (setrole = 0 OR rolname IS NOT NULL) AND (setdatabase = 0 OR datname IS NOT NULL)
ORDER BY role, database
"""
# A line that only cannot match, such as hostssl without TLS, is no error for the server.
_REFUSED_LINES = """
SELECT current_setting('hba_file') AS file, line_number AS line, 'pg_hba.conf' AS name, error
FROM pg_catalog.pg_hba_file_rules WHERE error NOT LIKE '%cannot match because%'
"""
_REFUSED_MAPPINGS = """
SELECT current_setting('ident_file') AS file, line_number AS line, 'pg_ident.conf' AS name, error
FROM pg_catalog.pg_ident_file_mappings WHERE error IS NOT NULL
"""
# As a number: in which style a time is written is a setting, too.
_LOADED_AT = "extract(epoch FROM pg_catalog.pg_conf_load_time())::float8 AS loaded_at"
_IDENT_SINCE = 150000
_NO_PRIVILEGE = "42501"
_POLL = 0.02


class SettingsError(FirstbellError):
    """The server did not take the settings; ``result`` is what the module returns with the failure."""

    def __init__(self, message: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result = result or {}


@dataclass(frozen=True)
class Look:
    """What a session saw, and what is not as wanted."""

    state: State
    verdicts: tuple[Verdict, ...]
    findings: tuple[PgFinding, ...]
    loaded_at: float


def look(session: Session, settings: dict[str, Any]) -> Look:
    """Compare the wanted settings with the server."""
    (facts,) = session.query(f"SELECT current_setting('server_version_num')::int AS version, {_LOADED_AT}")
    state = _state(session, int(facts["version"]))
    wanted, findings = resolve(settings, state)
    spelled: dict[str, str] = {}
    for one in wanted:
        findings += _refused_by_server(session, one, state, spelled)
    refused = {finding.name for finding in findings}
    wanted = with_spellings([one for one in wanted if one.name not in refused], spelled)
    verdicts = tuple(judge(one, state, _custom(session, one)) for one in wanted)
    findings += would_not_start(wanted, state)
    for verdict in verdicts:
        findings += findings_of(verdict, state)
    findings += file_errors(state)
    return Look(state, verdicts, tuple(findings), facts["loaded_at"])


def _custom(session: Session, one: Wanted) -> str | None:
    """The present text of a name of an application's own, which pg_settings does not show."""
    if one.parameter is not None or one.awaits_library:
        return None
    (row,) = session.query("SELECT pg_catalog.current_setting(%s, true) AS text", (one.name,))
    text: str | None = row["text"]
    return text


def _state(session: Session, version: int) -> State:
    rows = session.query(_PARAMETERS)
    parameters = {
        row["name"].lower(): Parameter(**{**row, "enumvals": tuple(row["enumvals"]), "setting": row["setting"] or ""})
        for row in rows
    }
    entries = _if_allowed(session, _ENTRIES)
    refused = _if_allowed(session, _REFUSED_LINES) or []
    if version >= _IDENT_SINCE:
        refused += _if_allowed(session, _REFUSED_MAPPINGS) or []
    return State(
        version,
        parameters,
        None if entries is None else tuple(Entry(**row) for row in entries),
        tuple(Override(**row) for row in session.query(_OVERRIDES)),
        _command_line(session),
        tuple(Entry(setting="", applied=False, **row) for row in refused),
    )


def _if_allowed(session: Session, query: str) -> list[Any] | None:
    """The rows, or None for a role that may not see them."""
    try:
        return session.query(query)
    except QueryError as error:
        if error.error.code != _NO_PRIVILEGE:
            raise
        return None


def _command_line(session: Session) -> dict[str, str]:
    rows = _if_allowed(session, "SELECT pg_catalog.pg_read_file('postmaster.opts', 0, 65536, true) AS text")
    return parse_command_line(rows[0]["text"] or "") if rows else {}


def _refused_by_server(session: Session, one: Wanted, state: State, spelled: dict[str, str]) -> Iterator[PgFinding]:
    """What only the server can say of a text: whether it takes it, how it spells it, whether a library is there."""
    parameter = one.parameter
    if one.name.lower() in PRELOADED:
        for library in items_of(one.name, one.text):
            # Those that any user may load stand in a folder of their own.
            local = one.name == "local_preload_libraries" and "/" not in library
            if not _has_library(session, f"$libdir/plugins/{library}" if local else library):
                problem = f"there is no library {library} on the server, and it would not start, or let nobody in"
                yield PgFinding(one.name, problem, "Install its package, or correct the name", "invalid")
        return
    if parameter is None or parameter.vartype != "string" or one.is_met_by(state.server_wide(parameter)[0]):
        return
    # In the zone of a session the server reads the names of zones for its log, too.
    name = "TimeZone" if parameter.name == "log_timezone" else parameter.name
    if name == parameter.name and parameter.context not in ("user", "superuser"):
        return
    try:
        # Only within this statement: it is taken back at its end.
        (row,) = session.query("SELECT pg_catalog.set_config(%s, %s, true) AS text", (name, one.text))
    except QueryError as error:
        if error.error.code != _NO_PRIVILEGE:
            yield PgFinding(one.name, f"the server refuses it: {error.error.message}", error.error.hint, "invalid")
        return
    spelled[one.name] = row["text"]


def _has_library(session: Session, library: str) -> bool:
    """Whether the server has the file; without the right to look, it is taken for granted."""
    query = """
        SELECT bool_or((pg_catalog.pg_stat_file(place || ending, true)).size IS NOT NULL) AS found
        FROM unnest(string_to_array(current_setting('dynamic_library_path'), ':')) AS folder,
             unnest(ARRAY['', '.so']) AS ending,
             LATERAL (SELECT replace(CASE WHEN %(name)s LIKE '%%/%%' THEN %(name)s ELSE folder || '/' || %(name)s END,
                      '$libdir', (SELECT setting FROM pg_catalog.pg_config WHERE name = 'PKGLIBDIR')) AS place) AS path
    """
    rows = _if_allowed(session, "SELECT 1 FROM pg_catalog.pg_config") and _if_allowed_with(session, query, library)
    return True if not rows else bool(rows[0]["found"])


def _if_allowed_with(session: Session, query: str, name: str) -> list[Any] | None:
    try:
        return session.query(query, {"name": name})
    except QueryError as error:
        if error.error.code != _NO_PRIVILEGE:
            raise
        return None


@dataclass(frozen=True)
class Means:
    """How to reach the server, and how the managed file is to be."""

    connect: Connect
    method: Method
    owner: tuple[int, int] | None = None
    file_mode: int = 0o640
    reload_timeout: float = 30.0


def means(params: Mapping[str, Any], method: Method, reload_timeout: float) -> Means:
    """As the options say; raises InputError for a file that cannot be written."""

    def connect() -> Session:
        return postgres.connect(params, application="firstbell settings")

    if method.name != "file":
        return Means(connect, method, reload_timeout=reload_timeout)
    if not re.fullmatch("0?[0-7]{3}", params["file_mode"]):
        raise InputError(f"file_mode: {params['file_mode']} is no octal number; write it in quotes, such as '0640'")
    owner = owner_of(method.path, params["file_owner"], params["file_group"])
    return Means(connect, method, owner, int(params["file_mode"], 8), reload_timeout)


def read_managed(method: Method) -> str | None:
    """The managed file as it is."""
    return system.read_text(method.path) if method.name == "file" else None


def apply(plan: Plan, before: Look, means: Means) -> bool:
    """Do what the plan says; whether the server has read its files again. A failure leaves nothing half done."""
    with means.connect() as session, _undone(session, before.state) as undo:
        if plan.file is not None and plan.file.changes:
            undo.append(_write_file(plan.file, means))
            _check_file(session, before.state, means.method)
        for write in plan.writes:
            undo.append(write)
            _alter_system(session, write.name, write.items)
        for name, override in plan.overrides:
            undo.append(override)
            _reset(session, name, override)
        if not plan.reload:
            return False
        session.query("SELECT pg_catalog.pg_reload_conf()")
    _wait_for_reload(before.loaded_at, means)
    return True


@contextlib.contextmanager
def _undone(session: Session, state: State) -> Iterator[list[Any]]:
    """A list of what was done; after an error all of it is taken back."""
    done: list[Any] = []
    try:
        yield done
    except BaseException:
        for step in reversed(done):
            with contextlib.suppress(FirstbellError):
                if isinstance(step, Write):
                    entry = state.automatic(step.name)
                    _alter_system(session, step.name, items_of(step.name, entry.setting) if entry else ())
                elif isinstance(step, Override):
                    _restore(session, step)
                else:
                    step()
        raise


def _alter_system(session: Session, name: str, items: Sequence[str]) -> None:
    identifier = tuple(name.split("."))
    if items:
        session.query(compose("ALTER SYSTEM SET {name} = {literals}", items, name=identifier))
    else:
        session.query(compose("ALTER SYSTEM RESET {name}", name=identifier))


def _reset(session: Session, name: str, override: Override) -> None:
    query, names = _target(override)
    session.query(compose(query + " RESET {name}", name=tuple(name.split(".")), **names))


def _restore(session: Session, override: Override) -> None:
    query, names = _target(override)
    items = items_of(override.name, override.value)
    session.query(compose(query + " SET {name} = {literals}", items, name=tuple(override.name.split(".")), **names))


def _target(override: Override) -> tuple[str, dict[str, tuple[str, ...]]]:
    database = {"database": (override.database,)} if override.database else {}
    if override.kind == "database":
        return "ALTER DATABASE {database}", database
    role = {"role": (override.role,)} if override.role else {}
    place = " IN DATABASE {database}" if database else ""
    return f"ALTER ROLE {'{role}' if role else 'ALL'}{place}", {**role, **database}


def owner_of(path: str, user: str | None, group: str | None) -> tuple[int, int]:
    """As the options say, else as the file's, else as its directory's."""
    try:
        found = os.stat(path if os.path.exists(path) else os.path.dirname(path))
    except FileNotFoundError:
        raise InputError(f"path: there is no directory {os.path.dirname(path)} on this host; create it") from None
    return (
        found.st_uid if user is None else system.user_id(user),
        found.st_gid if group is None else system.group_id(group),
    )


def _write_file(change: FileChange, means: Means) -> Callable[[], None]:
    """Replace the managed file; what is returned puts back the old one."""
    old = os.stat(change.path) if change.before is not None else None

    def put_back() -> None:
        if old is None:
            system.remove(change.path)
        else:
            system.write_text(change.path, change.before or "", stat.S_IMODE(old.st_mode), (old.st_uid, old.st_gid))

    system.write_text(change.path, change.after, means.file_mode, means.owner)
    return put_back


def _check_file(session: Session, before: State, method: Method) -> None:
    """Have the server read the new file, without taking it: a bad line would stop its next start."""
    after = _state(session, before.version)
    known = {(one.details["file"], one.problem) for one in file_errors(before)}
    bad = [
        one
        for one in file_errors(after)
        if one.details["file"] == method.server_path or (one.details["file"], one.problem) not in known
    ]
    if bad:
        raise SettingsError(unmet(bad, f"the server refuses {method.path}, so what was there before is back:"))
    if not any(entry.file == method.server_path for entry in after.entries or ()):
        raise SettingsError(
            f"the server does not read {method.server_path}, so it is not written: include its directory in "
            "postgresql.conf (include_dir = 'conf.d'), let the server read it (file_owner), and where the server "
            "sees it under another path, name that in server_path"
        )


def _wait_for_reload(loaded_at: float, means: Means) -> None:
    """Until a new session has a later time: it inherits what the server has read."""
    deadline = time.monotonic() + means.reload_timeout
    pause = _POLL
    while True:
        with means.connect() as session:
            (row,) = session.query(f"SELECT {_LOADED_AT}")
            if row["loaded_at"] > loaded_at:
                return
            if time.monotonic() > deadline:
                errors = list(file_errors(_state(session, 0)))
                reason = unmet(errors, "its files have errors:") if errors else "see its log"
                raise SettingsError(
                    f"the server has not read its files again within {means.reload_timeout:g} seconds; {reason}",
                    {"changed": True},
                )
        time.sleep(pause)
        pause = min(pause * 2, 0.5)
