# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection URLs and environment files that carry any text unharmed (RFC 3986)."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from urllib.parse import quote

from .errors import InputError
from .units import is_unicode, shown

#: Ports are 16-bit numbers; no Redis has more databases either.
MAX_NUMBER = 65535

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_])?")


def _encode(value: object, what: str) -> str:
    """Percent-encode everything but the unreserved characters. The message hides the value."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InputError(f"{what} is neither text nor a number")
    text = _number(value, what) if not isinstance(value, str) else value
    if "\0" in text:
        raise InputError(f"{what} has a NUL in it")
    if not is_unicode(text):
        raise InputError(f"{what} is not valid Unicode")
    return quote(text, safe="")


def _spelled(value: object) -> object:
    """A truth value as URLs spell it: YAML's ``pgbouncer: true`` means ``pgbouncer=true``."""
    return str(value).lower() if isinstance(value, bool) else value


def _number(value: float, what: str) -> str:
    try:
        return str(value)
    except ValueError:  # an int of more than 4300 digits
        raise InputError(f"{what} is too long a number") from None


def _whole_number(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _authority(user: object, password: object, host: object, port: object) -> str:
    number = _whole_number(port)
    if number is None or not 1 <= number <= MAX_NUMBER:
        raise InputError(f"port: {shown(port)} is no port; write a number between 1 and 65535")
    return f"{_encode(user, 'user')}:{_encode(password, 'password')}@{check_host(host)}:{number}"


def check_host(value: object) -> str:
    """Return a host name or an address as a URL holds it, or refuse it."""
    text = value if isinstance(value, str) else ""
    try:
        return f"[{ipaddress.IPv6Address(text.strip('[]')).compressed}]"
    except ValueError:
        pass
    if not _HOST.fullmatch(text):
        raise InputError(f"host: {shown(value)} is neither a host name nor an address")
    return text


def database_url(
    *,
    user: str,
    password: str,
    host: str,
    database: str,
    port: int = 5432,
    parameters: Mapping[str, object] | None = None,
) -> str:
    """``postgresql://user:password@host:port/database?parameters`` with every part encoded.

    Parameters keep their order. A space becomes ``%20``, never ``+``: libpq reads
    a plus as a plus.
    """
    if not database:
        raise InputError("database: there is none; write the name of the database")
    url = f"postgresql://{_authority(user, password, host, port)}/{_encode(database, 'database')}"
    if parameters is not None and not isinstance(parameters, Mapping):
        raise InputError("parameters: write a dictionary, such as {connection_limit: 10}")
    pairs = [
        f"{_encode(name, 'the name of a parameter')}={_encode(_spelled(value), f'parameter {shown(name)}')}"
        for name, value in (parameters or {}).items()
    ]
    return "?".join([url, "&".join(pairs)]) if pairs else url


def redis_url(*, user: str, password: str, host: str, port: int = 6379, database: int = 0) -> str:
    """``redis://user:password@host:port/number`` with every part encoded."""
    number = _whole_number(database)
    if number is None or not 0 <= number <= MAX_NUMBER:
        raise InputError(f"database: {shown(database)} is no number of a Redis database; write 0")
    return f"redis://{_authority(user, password, host, port)}/{number}"


def dotenv(values: Mapping[str, object]) -> str:
    """One line ``KEY="value"`` for each, the value quoted as JSON quotes it, sorted by key.

    Plain ASCII whatever the values hold, so that no line break, quote or dollar
    sign of a secret means anything to whoever reads the file.
    """
    if not isinstance(values, Mapping):
        raise InputError("An environment file is made from a dictionary of names and values")
    lines = []
    for key in sorted(values, key=str):
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise InputError(
                f"{shown(key)} cannot name an environment variable; use letters, digits and "
                "underscores, and no digit first"
            )
        lines.append(f"{key}={json.dumps(_environment_text(key, values[key]))}\n")
    return "".join(lines)


def _environment_text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise InputError(f"{key}: the value of an environment variable is a text or a number")
    text = value if isinstance(value, str) else _number(value, key)
    if "\0" in text:
        raise InputError(f"{key}: the value has a NUL in it, which no environment can hold")
    if not is_unicode(text):
        raise InputError(f"{key}: the value is not valid Unicode")
    return str(text)
