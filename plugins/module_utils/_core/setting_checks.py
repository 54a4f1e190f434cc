# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own settings of PostgreSQL, PgBouncer and Redis: known names, and values that can be right.

They go into the servers' files as they are written, so their form is the server's
own. What only the server can tell, it tells when its file is tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from . import known_settings
from .errors import InputError
from .names import did_you_mean
from .overrides import count, scalar, unknown_setting
from .postgres_settings import COUNT_SETTINGS, MEMORY_SETTINGS, memory_setting
from .units import format_size, parse_duration, parse_size, shown

_Check = Callable[[object, str], object]

_EXTENSION = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)+")
_POSTGRES_NUMBER = r"-?(0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?)"
_POSTGRES_SIZE = re.compile(r"[0-9]+(\.[0-9]+)? *(B|kB|MB|GB|TB)")
_POSTGRES_TIME = re.compile(_POSTGRES_NUMBER + r"\s*(us|ms|s|min|h|d)?")
_NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+|0x[0-9a-fA-F]+")
_WITHOUT_UNIT = re.compile(_POSTGRES_NUMBER)
_REDIS_SIZE = re.compile(r"[0-9]+([kmg]?b|[kmg])?", re.IGNORECASE)

#: How the names of PostgreSQL's settings end that hold a time.
_TIMES = ("_timeout", "_delay", "_interval", "_naptime", "_min_duration", "_min_duration_statement")
#: Those of PgBouncer that hold a text; the plan's others are numbers.
_PGBOUNCER_TEXTS = frozenset(
    ("ignore_startup_parameters", "pool_mode", "server_check_query", "server_reset_query", "track_extra_parameters")
)
#: Directives of redis.conf that CONFIG GET does not list.
_REDIS_FILE_ONLY = frozenset(("include", "loadmodule", "rename-command", "user"))
#: Those of PgBouncer that take true and false; its other switches are numbers.
_PGBOUNCER_TRUTHS = frozenset(("log_connections", "log_disconnections", "log_pooler_errors", "log_stats"))


@dataclass(frozen=True)
class _Server:
    """How one server's settings are called and written."""

    name: str
    known: frozenset[str]
    checks: Mapping[str, _Check] = field(default_factory=dict)
    truths: frozenset[str] | None = None  # those that take true and false; None is all
    spelled: tuple[str, str] = ("on", "off")
    dotted: bool = False
    empty: bool = True

    def problem(self, key: object, value: object, path: str) -> str | None:
        try:
            self.refuse(key, value, path)
        except InputError as error:
            return str(error)
        return None

    def refuse(self, key: object, value: object, path: str) -> None:
        """Raise InputError if the server cannot take it."""
        name = str(key).lower() if isinstance(key, str) else ""
        if name not in self.known and not (self.dotted and isinstance(key, str) and _EXTENSION.fullmatch(key)):
            raise InputError(unknown_setting(self.name, key, self.known, path))
        path = f"{path}.{key}"
        if isinstance(value, bool) and self.truths is not None and name not in self.truths:
            yes, no = self.spelled
            raise InputError(f'{path}: {shown(value)} is no value here; write "{yes}" or "{no}", with the quotes')
        text = scalar(value, path, (True, False))
        if text == "" and not self.empty:
            raise InputError(f"{path}: it is empty; write '\"\"' for an empty text")
        if name in self.checks:
            self.checks[name](value, path)


def _postgres_memory(name: str) -> _Check:
    def check(value: object, path: str) -> object:
        if (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, str) and _WITHOUT_UNIT.fullmatch(value.strip())
        ):
            return value  # in the setting's own unit
        text = str(value).strip()
        if not _POSTGRES_SIZE.fullmatch(text):
            right = format_size(parse_size(text, path))
            raise InputError(f"{path}: {shown(value)} is no size for PostgreSQL; write {right}")
        return memory_setting(name, text.replace(" ", ""), path)

    return check


def _postgres_time(value: object, path: str) -> object:
    text = str(value).strip()
    if not _POSTGRES_TIME.fullmatch(text):
        right = "a number with ms, s, min, h or d, such as 30s"
        if text.endswith("m") and text[:-1].isdigit():
            right = f"{text}in"
        raise InputError(f"{path}: {shown(value)} is no time for PostgreSQL; write {right}")
    return value


def _plain_number(value: object, path: str) -> object:
    text = str(value).strip()
    if not _NUMBER.fullmatch(text):
        try:
            right = f"{parse_duration(text, path):g}"
        except InputError:
            right = "one such as 30"
        raise InputError(f"{path}: {shown(value)} is no number, and units are not taken here; write {right}")
    return value


def _between(least: int, most: int) -> _Check:
    return lambda value, path: count(value.strip() if isinstance(value, str) else value, path, least, most)


def _redis_memory(value: object, path: str) -> object:
    if not _REDIS_SIZE.fullmatch(str(value)):
        parse_size(value, path)
        raise InputError(
            f"{path}: {shown(value)} is no size for Redis; write a whole number with a unit, such as 512mb"
        )
    return value


def _one_of(*words: str) -> _Check:
    def check(value: object, path: str) -> object:
        if str(value).lower() not in words:
            nearest = did_you_mean(str(value), words)
            hint = f"did you mean {nearest}?" if nearest else f"take one of {', '.join(words)}"
            raise InputError(f"{path}: {shown(value)} is none of its values; {hint}")
        return value

    return check


_POSTGRES = _Server(
    "PostgreSQL",
    known_settings.POSTGRES | known_settings.POSTGRES_OF_THE_ROLE,
    {
        **{name: _postgres_memory(name) for name in MEMORY_SETTINGS},
        **{name: _between(*bounds) for name, bounds in COUNT_SETTINGS.items()},
        **{name: _postgres_time for name in known_settings.POSTGRES if name.endswith(_TIMES)},
    },
    dotted=True,
)
_PGBOUNCER = _Server(
    "PgBouncer",
    known_settings.PGBOUNCER | known_settings.PGBOUNCER_OF_THE_ROLE,
    {
        **dict.fromkeys(known_settings.PGBOUNCER - _PGBOUNCER_TEXTS - _PGBOUNCER_TRUTHS, _plain_number),
        **dict.fromkeys(
            (
                "default_pool_size",
                "max_client_conn",
                "max_db_connections",
                "max_prepared_statements",
                "max_user_connections",
                "min_pool_size",
                "reserve_pool_size",
            ),
            _between(0, 1_000_000),
        ),
        "listen_port": _between(1, 65535),
        "pool_mode": _one_of("session", "transaction", "statement"),
    },
    truths=_PGBOUNCER_TRUTHS,
    spelled=("1", "0"),
)
_REDIS = _Server(
    "Redis",
    known_settings.REDIS | known_settings.REDIS_OF_THE_ROLE | _REDIS_FILE_ONLY,
    {
        **dict.fromkeys(("databases", "hz", "slowlog-max-len", "tcp-keepalive", "timeout"), _plain_number),
        **dict.fromkeys(("activedefrag", "appendonly", "protected-mode"), _one_of("yes", "no")),
        "appendfsync": _one_of("always", "everysec", "no"),
        "maxclients": _between(1, 1_000_000),
        "maxmemory": _redis_memory,
        "maxmemory-policy": _one_of(
            "allkeys-lfu",
            "allkeys-lru",
            "allkeys-random",
            "noeviction",
            "volatile-lfu",
            "volatile-lru",
            "volatile-random",
            "volatile-ttl",
        ),
    },
    truths=frozenset(),
    spelled=("yes", "no"),
    empty=False,
)


def _of(server: _Server) -> Callable[[object, str], Iterator[str]]:
    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{path}: {shown(value)} is no dictionary of settings; write name: value"
            return
        for key, item in value.items():
            problem = server.problem(key, item, path)
            if problem:
                yield problem

    return check


#: What is wrong with the settings in each of these variables, line by line.
SETTING_CHECKS: Mapping[str, Callable[[object, str], Iterable[str]]] = {
    "postgres_settings_extra": _of(_POSTGRES),
    "postgres_app_role_settings": _of(_POSTGRES),
    "pgbouncer_settings_extra": _of(_PGBOUNCER),
    "redis_settings_extra": _of(_REDIS),
}
