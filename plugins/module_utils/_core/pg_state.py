# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server says of its settings, and where each value comes from."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import InputError
from .pg_values import Parameter, Value, parse, shown_as

AUTO_FILE = "postgresql.auto.conf"
#: Sources that belong to the session which looks, and hide what holds for everybody.
_OF_A_SESSION = frozenset(("global", "database", "user", "database user", "client", "session", "interactive", "test"))
#: What pg_file_settings says both of a value that the server refuses and of one that waits for a restart.
NOT_APPLIED = "setting could not be applied"
#: The server's older names (map_old_guc_names).
_RENAMED = {
    "sort_mem": "work_mem",
    "vacuum_mem": "maintenance_work_mem",
    "force_parallel_mode": "debug_parallel_query",
    "ssl_ecdh_curve": "ssl_groups",
}
_OPTION = re.compile(r"(?:--|-c)?([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """A line of a configuration file (pg_file_settings); without a name it is one that cannot be read."""

    file: str
    line: int
    name: str
    setting: str
    applied: bool = True
    error: str = ""

    @property
    def automatic(self) -> bool:
        """Whether ALTER SYSTEM has written it."""
        return posixpath.basename(self.file) == AUTO_FILE

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Override:
    """A setting of a role, a database, or both; an empty name stands for all."""

    role: str
    database: str
    name: str
    value: str

    @property
    def kind(self) -> str:
        if self.role and self.database:
            return "role_in_database"
        return "database" if self.database else "role"

    @property
    def where(self) -> str:
        """As ALTER writes it, for a message."""
        if self.database and not self.role:
            return f'ALTER DATABASE "{self.database}"'
        role = f'"{self.role}"' if self.role else "ALL"
        return f"ALTER ROLE {role}" + (f' IN DATABASE "{self.database}"' if self.database else "")


@dataclass(frozen=True)
class State:
    """One look at a server. ``entries`` is None where the role that looks may not see the files."""

    version: int
    parameters: Mapping[str, Parameter]
    entries: tuple[Entry, ...] | None = ()
    overrides: tuple[Override, ...] = ()
    command_line: Mapping[str, str] = field(default_factory=dict)
    #: Lines of pg_hba.conf and pg_ident.conf that the server refuses.
    refused_lines: tuple[Entry, ...] = ()

    @property
    def release(self) -> str:
        """``17`` of 170011."""
        return str(self.version // 10000)

    @property
    def prefixes(self) -> frozenset[str]:
        """The libraries that have settings here."""
        return frozenset(name.partition(".")[0] for name in self.parameters if "." in name)

    def has_library(self, prefix: str) -> bool:
        return prefix.lower() in self.prefixes

    def find(self, name: str) -> Parameter | None:
        """The setting of this name; capital letters do not matter, and old names are known."""
        lower = name.lower()
        return self.parameters.get(lower) or self.parameters.get(_RENAMED.get(lower, ""))

    def winner(self, name: str, without: str = "") -> Entry | None:
        """The last line that sets it, lines of the file ``without`` left out: that one counts."""
        parameter = self.find(name)
        names = {name.lower()} if parameter is None else {name.lower(), parameter.name.lower()}
        names |= {old for old, new in _RENAMED.items() if new in names}
        found = (e for e in reversed(self.entries or ()) if e.name.lower() in names and e.file != without)
        return next(found, None)

    def automatic(self, name: str) -> Entry | None:
        """What ALTER SYSTEM has written for it."""
        found = (e for e in reversed(self.entries or ()) if e.automatic and e.name.lower() == name.lower())
        return next(found, None)

    def server_wide(self, parameter: Parameter) -> tuple[str, str]:
        """The value for a session without settings of its own, and its source."""
        if parameter.source not in _OF_A_SESSION:
            # What is shown may be another thing: archive_command while archiving is off, or tcp_keepalives_count,
            # which is that of the connection that looks. What RESET would bring is the value itself.
            text = parameter.setting if parameter.context == "internal" else parameter.reset_val
            return text, parameter.source
        if parameter.name.lower() in self.command_line:
            return self.command_line[parameter.name.lower()], "command line"
        entry = self.winner(parameter.name)
        if entry is not None:
            return entry.setting, "configuration file"
        if self.entries is None:
            # What holds for others cannot be known; the source says that this is the session's.
            return parameter.reset_val, parameter.source
        return parameter.boot_val, "default"


def same(parameter: Parameter, text: str, value: Value) -> bool:
    """Whether the server would take the text for this value."""
    try:
        return parse(parameter, text) == value
    except InputError:
        return False


def pretty(parameter: Parameter, text: str) -> str:
    """The text as people write it, whether it comes from pg_settings or from a file."""
    try:
        value = parse(parameter, text)
    except InputError:
        return text
    if parameter.vartype == "integer" and parameter.unit:
        return shown_as(parameter, str(value))
    if parameter.vartype == "bool":
        return "on" if value else "off"
    return text


def parse_command_line(postmaster_opts: str) -> dict[str, str]:
    """The settings on a server's command line, by lower-case name, from its file postmaster.opts."""
    try:
        words = shlex.split(postmaster_opts)[1:]
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], ""]):
        if word == "-S":
            found["work_mem"] = following
            continue
        match = _OPTION.fullmatch(following if word == "-c" else word)
        if match is not None:
            found[match[1].replace("-", "_").lower()] = match[2]
    return found
