# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's overrides of a plan: known keys only, every value checked and normalised."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Union

from . import known_settings
from .errors import InputError
from .names import did_you_mean
from .plan import AUTOSCALER, SERVICES, Setting
from .postgres_settings import COUNT_SETTINGS, MEMORY_SETTINGS, memory_setting
from .units import format_duration, is_unicode, parse_duration, parse_size, shown

#: A nested dict of normalised values: ``{"app": {"connection_limit": 10}}``.
Overrides = dict[str, "Override"]
Override = Union[Setting, bool, Overrides]
_Check = Callable[[object, str], Override]

MOST_CPUS = 4096
_MOST_COUNT = 1_000_000
_MOST_HASH_MEM_MULTIPLIER = 1000.0
_CPUS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,9})?")


def count(value: object, path: str, least: int = 0, most: int = _MOST_COUNT) -> int:
    """A whole number within bounds, also as the text that ``-e`` makes of it."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_MOST_COUNT)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{path}: {shown(value)} is no number between {least} and {most}")
    return int(value)


def number_of_cpus(value: object, path: str, least: float = 0.01) -> float:
    """CPUs in thousandths, as the engine counts them."""
    if isinstance(value, str) and _CPUS.fullmatch(value):
        value = float(value)
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not usable or not least <= float(value) <= MOST_CPUS:  # type: ignore[arg-type]
        raise InputError(f"{path}: {shown(value)} is no number of CPUs; write one such as 2 or 0.5")
    return round(float(value), 3)  # type: ignore[arg-type]


def _memory(value: object, path: str) -> int:
    """The engine takes no container below 6 MB; 16 leave room for a process."""
    size = parse_size(value, path)
    if size < parse_size("16MB"):
        raise InputError(f"{path}: {shown(value)} is too little for any service; write 16MB or more")
    return size


def _duration(value: object, path: str) -> str:
    seconds = parse_duration(value, path)
    if seconds <= 0:
        raise InputError(f'{path}: {shown(value)} is no time at all; write it as "10s"')
    return format_duration(seconds)


def truth(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{path}: {shown(value)} is neither true nor false")
    return value


def _between(least: int, most: int = _MOST_COUNT) -> _Check:
    return lambda value, path: count(value, path, least, most)


def scalar(value: object, path: str, spelled: tuple[Setting, Setting]) -> Setting:
    """Any other setting: one line of text or a number; a truth as its server spells it."""
    if isinstance(value, bool):
        return spelled[0] if value else spelled[1]
    if isinstance(value, int):
        return count(value, path, -(2**31), 2**63 - 1)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if not isinstance(value, str) or not value.isprintable() or not is_unicode(value):
        raise InputError(f"{path}: {shown(value)} is no value for a setting; write one line of text or a number")
    return str(value)


def _hash_mem_multiplier(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= _MOST_HASH_MEM_MULTIPLIER:
        raise InputError(f"{path}: {shown(value)} is no factor between 1 and 1000")
    return float(value)


def _of_service(value: object, path: str) -> Override:
    return _walk(
        value,
        path,
        {
            "limits": _group({"cpus": number_of_cpus, "memory": _memory, "pids": _between(16, 4194304)}),
            "reservations": _group(
                {"cpus": lambda value, path: number_of_cpus(value, path, 0.0), "memory": parse_size}
            ),
        },
    )


def _group(schema: Mapping[str, _Check]) -> _Check:
    return lambda value, path: _walk(value, path, schema)


def _walk(value: object, path: str, schema: Mapping[str, _Check]) -> Overrides:
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: {shown(value)} is no dictionary; its keys are {', '.join(schema)}")
    normal: Overrides = {}
    for key, item in value.items():
        check = schema.get(key) if isinstance(key, str) else None
        if check is None:
            raise InputError(_unknown(path, key, schema))
        normal[str(key)] = check(item, f"{path}.{key}")
    return normal


def _unknown(path: str, key: object, known: Mapping[str, object]) -> str:
    nearest = did_you_mean(key, known) if isinstance(key, str) else None
    hint = f"did you mean {nearest}?" if nearest else f"it has {', '.join(sorted(known))}"
    return f"{path}: there is no {shown(key)}; {hint}"


def unknown_setting(server: str, key: object, known: Iterable[str], path: str) -> str:
    """What to say of a setting that the server does not have."""
    nearest = did_you_mean(key, known) if isinstance(key, str) else None
    hint = f"; did you mean {nearest}?" if nearest else ""
    return f"{path}: {server} has no setting {shown(key)}{hint}"


def _settings(
    server: str,
    known: frozenset[str],
    of_the_role: frozenset[str],
    special: Mapping[str, _Check],
    *,
    spelled: tuple[Setting, Setting],
    prefixes: tuple[str, ...] = (),
) -> _Check:
    """The check of one server's settings, by name."""

    def check(value: object, path: str) -> Overrides:
        if not isinstance(value, Mapping):
            raise InputError(f"{path}: {shown(value)} is no dictionary of settings")
        normal: Overrides = {}
        for key, item in value.items():
            name = str(key) if isinstance(key, str) else ""
            if name in of_the_role:
                raise InputError(f"{path}: {name} is set by the role {server}; see its variables")
            extension, dot, rest = name.partition(".")
            if name not in known and not (dot and rest.replace("_", "").isalnum() and extension in prefixes):
                raise InputError(unknown_setting(server, key, known, path))
            if name in special:
                normal[name] = special[name](item, f"{path}.{name}")
            else:
                normal[name] = scalar(item, f"{path}.{name}", spelled)
        return normal

    return check


def _memory_check(name: str) -> _Check:
    return lambda value, path: memory_setting(name, value, path)


_POSTGRES = _settings(
    "postgres",
    known_settings.POSTGRES,
    known_settings.POSTGRES_OF_THE_ROLE,
    {
        **{name: _memory_check(name) for name in MEMORY_SETTINGS},
        **{name: _between(*bounds) for name, bounds in COUNT_SETTINGS.items()},
        "hash_mem_multiplier": _hash_mem_multiplier,
    },
    spelled=("on", "off"),
    prefixes=known_settings.POSTGRES_PREFIXES,
)
_PGBOUNCER = _settings(
    "pgbouncer",
    known_settings.PGBOUNCER,
    known_settings.PGBOUNCER_OF_THE_ROLE,
    {
        "default_pool_size": _between(1),
        "min_pool_size": _between(0),
        "reserve_pool_size": _between(0),
        # 0 would be no limit, and nothing could be proved of it.
        "max_db_connections": _between(1),
        "max_client_conn": _between(1),
    },
    spelled=(1, 0),
)
_REDIS = _settings(
    "redis",
    known_settings.REDIS,
    known_settings.REDIS_OF_THE_ROLE,
    {"maxmemory": parse_size},
    spelled=("yes", "no"),
)
_HEALTH = _group({"interval": _duration, "timeout": _duration, "start_period": _duration, "retries": _between(1, 100)})
_ROOT: Mapping[str, _Check] = {
    "services": _group(dict.fromkeys((*SERVICES, AUTOSCALER), _of_service)),
    "postgres": _group({"settings": _POSTGRES, "shm": _memory}),
    "pgbouncer": _group({"settings": _PGBOUNCER}),
    "redis": _group({"settings": _REDIS}),
    "app": _group(
        {
            "replicas": _between(1, 1000),
            "max_replicas": _between(1, 1000),
            "surge": _between(0, 100),
            "connection_limit": _between(1, 10000),
            "pool_timeout": _between(1, 3600),
            "heap_mb": _between(16),
            "uv_threadpool_size": _between(1, 1024),
        }
    ),
    "health": _group({"app": _HEALTH, "postgres": _HEALTH}),
    "edge": _group({"sticky": truth}),
}


def normalise(overrides: object) -> Overrides:
    """Check the user's overrides and bring their values into one form.

    Sizes become bytes (settings of PostgreSQL keep its own spelling), durations
    Docker's. An unknown key, a value of the wrong kind and a setting that a role
    owns raise InputError with the full path.
    """
    if overrides is None:
        return {}
    return _walk(overrides, "overrides", _ROOT)


def section(overrides: Override, *path: str) -> Overrides:
    """The dict at this path, empty where nothing is overridden."""
    for key in path:
        overrides = overrides.get(key, {}) if isinstance(overrides, dict) else {}
    return overrides if isinstance(overrides, dict) else {}


def with_value(overrides: Overrides, path: tuple[str, ...], value: Override | None) -> Overrides:
    """A copy with this value at this path, or without it where the value is None."""
    copy = dict(overrides)
    head, *rest = path
    if rest:
        inner = with_value(section(copy, head), tuple(rest), value)
        if inner:
            copy[head] = inner
        else:
            copy.pop(head, None)
    elif value is None:
        copy.pop(head, None)
    else:
        copy[head] = value
    return copy
