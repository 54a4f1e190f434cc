# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of PostgreSQL that hold a list of names, and how such a list is written.

Source: the flags GUC_LIST_INPUT and GUC_LIST_QUOTE of PostgreSQL 13 to 18 and of the extensions that come
with it; ``SplitIdentifierString`` and ``SplitDirectoriesString`` of varlena.c.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .errors import InputError
from .units import shown

#: ALTER SYSTEM takes these item by item: one text of two names would become one quoted name.
QUOTED = frozenset(
    (
        "local_preload_libraries",
        "oauth_validator_libraries",
        "output_plugin_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    )
)
#: Whose items are names of files or addresses, of which a capital letter is part.
_CASE_MATTERS = QUOTED - {"search_path", "temp_tablespaces"} | {"listen_addresses"}
LISTS = QUOTED | {
    "createrole_self_grant",
    "debug_io_direct",
    "listen_addresses",
    "log_connections",
    "log_destination",
    "plpgsql.extra_errors",
    "plpgsql.extra_warnings",
    "restrict_nonsystem_relation_kind",
    "synchronized_standby_slots",
    "wal_consistency_checking",
}
_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",]*?))\s*(,|$)')
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")
_PLAIN_FILE = re.compile(r'[^\s",]+')


def split_list(name: str, text: str) -> tuple[str, ...]:
    """The items; a name without quotes is in lower case. Raises InputError for a list that is none."""
    items: list[str] = []
    position = 0
    if not text.strip():
        return ()
    while True:
        match = _ITEM.match(text, position)
        if match is None or (match[1] is None and not match[2]):
            raise InputError(f"{shown(text)} is no list of names; part them with commas, and quote one with signs")
        quoted, plain, end = match.groups()
        if quoted is not None:
            items.append(quoted.replace('""', '"'))
        else:
            items.append(plain if name.lower() in _CASE_MATTERS else plain.lower())
        if not end:
            return tuple(items)
        position = match.end()


def join_list(name: str, items: Sequence[str]) -> str:
    """The list as a configuration file has it; names with signs or capital letters are quoted."""
    plain = _PLAIN_FILE if name.lower() in _CASE_MATTERS or name.lower() not in QUOTED else _PLAIN_NAME
    return ", ".join(item if plain.fullmatch(item) else '"' + item.replace('"', '""') + '"' for item in items)
