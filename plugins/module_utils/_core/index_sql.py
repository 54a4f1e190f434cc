# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL of indexes: names quoted, texts checked, statements written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from .errors import InputError
from .sql import tokens
from .units import shown

NAME_BYTES = 63  # NAMEDATALEN - 1
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = re.compile(r'"((?:[^"]|"")+)"')
_CLOSED = {
    "string": re.compile(r"'(?:[^']|'')*'", re.DOTALL),
    "escape": re.compile(r"[eE]'(?:[^'\\]|\\.|'')*'", re.DOTALL),
    "quoted": re.compile(r'"(?:[^"]|"")*"', re.DOTALL),
    "dollar": re.compile(r"(\$\w*\$).*\1", re.DOTALL),
}
_PARTS = re.compile(r'("(?:[^"]|"")+"|[^".]+)(?:\.("(?:[^"]|"")+"|[^".]+))?')


def identifier(*parts: str) -> str:
    """The name, or the qualified name, as SQL takes it: always quoted."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """The text as an SQL string, which ``standard_conforming_strings`` must not be off for."""
    return "'" + text.replace("'", "''") + "'"


def check_name(name: object, what: str) -> str:
    """Return a name that a relation can have, or say why it cannot."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"{what}: {shown(name)} is no name; write a text")
    plain = unquoted(name)
    size = len(plain.encode(errors="surrogatepass"))
    if size > NAME_BYTES:
        raise InputError(
            f"{what}: {shown(plain)} has {size} bytes and PostgreSQL's names at most {NAME_BYTES};"
            f" write {shorten(plain)!r} or another"
        )
    return plain


def unquoted(name: str) -> str:
    """The name inside of double quotes, or the text as it is."""
    match = _QUOTED.fullmatch(name)
    return match.group(1).replace('""', '"') if match else name


def qualified(text: str) -> tuple[str, str] | None:
    """Schema and name of ``a.b`` or ``"a"."b"``; None for what is one name only."""
    match = _PARTS.fullmatch(text)
    if match is None or match.group(2) is None:
        return None
    return unquoted(match.group(1)), unquoted(match.group(2))


def shorten(name: str, suffix: str = "") -> str:
    """The name and the suffix in 63 bytes, cut between characters."""
    room = NAME_BYTES - len(suffix.encode())
    return name.encode(errors="replace")[:room].decode(errors="ignore") + suffix


def passing_name(name: str) -> str:
    """What an index is called until the one that it replaces is gone: the same in every run."""
    return shorten(name, "_" + hashlib.sha256(name.encode()).hexdigest()[:8] + "_new")


def free_name(wanted: str, schema: str, taken: Mapping[tuple[str, str], str] | set[tuple[str, str]]) -> str:
    """The name, or with a number where it is taken, as the server would do it."""
    name, number = shorten(wanted), 0
    while (schema, name) in taken:
        number += 1
        name = shorten(wanted, str(number))
    return name


def check_expression(text: object, what: str) -> str:
    """Return a text that is one expression and ends where it ends, or refuse it.

    The server reads it next. This only sees to it that the text cannot leave the
    parentheses that are put around it: no statement ends, no comment, no bracket or
    quote is left open.
    """
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise InputError(f"{what}: {shown(text)} is no expression; write a text such as lower(email)")
    open_brackets = []
    for kind, begin, end in tokens(text):
        part = text[begin:end]
        if kind == "open":
            open_brackets.append(part)
        paired = kind != "close" or (open_brackets and open_brackets.pop() + part in ("()", "[]"))
        if not paired or kind in ("end", "comment", "block"):
            raise InputError(
                f"{what}: {shown(text)} is more than one expression: leave out semicolons and comments, pair brackets"
            )
        if kind in _CLOSED and not _CLOSED[kind].fullmatch(part):
            raise InputError(f"{what}: {shown(text)} has an open quote")
    if open_brackets:
        raise InputError(f"{what}: {shown(text)} has an open bracket")
    return text.strip()


def check_parameter(name: object, what: str) -> str:
    """Return the name of a storage or operator class parameter."""
    if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
        raise InputError(f"{what}: {shown(name)} is no parameter; write one such as fillfactor")
    return name


def parameters(values: Mapping[str, str]) -> str:
    """``(fillfactor = '70')``."""
    return "(" + ", ".join(f"{name} = {literal(value)}" for name, value in values.items()) + ")"


def create(
    relation: str,
    keys: Sequence[str],
    method: str,
    *,
    name: str = "",
    unique: bool = False,
    concurrently: bool = False,
    only: bool = False,
    include: Sequence[str] = (),
    nulls_distinct: bool = True,
    storage: Mapping[str, str] | None = None,
    tablespace: str = "",
    where: str = "",
) -> str:
    """CREATE INDEX; ``relation``, ``keys``, ``include`` and ``where`` are SQL, the rest names."""
    words = ["CREATE", "UNIQUE INDEX" if unique else "INDEX"]
    words += ["CONCURRENTLY"] if concurrently else []
    words += [identifier(name)] if name else []
    words += ["ON ONLY" if only else "ON", relation, "USING", identifier(method), "(" + ", ".join(keys) + ")"]
    words += ["INCLUDE (" + ", ".join(include) + ")"] if include else []
    words += [] if nulls_distinct else ["NULLS NOT DISTINCT"]
    words += ["WITH " + parameters(storage)] if storage else []
    words += ["TABLESPACE " + identifier(tablespace)] if tablespace else []
    words += [f"WHERE ({where})"] if where else []
    return " ".join(words)


def duplicates(relation: str, keys: Sequence[str], nulls_distinct: bool, where: str, samples: int) -> str:
    """The query for the values that stand in the way of a unique index, the most frequent first.

    Each row has the values as texts of up to 100 characters, how often they are there
    (``copies``), and of all such values the number (``values``) and the rows (``rows``).
    A row with a NULL among its keys is nobody's duplicate, unless NULLs are not distinct.
    """
    names = [f"k{number}" for number in range(len(keys))]
    parts = [
        f"SELECT ARRAY[{', '.join(f'left({name}::text, 100)' for name in names)}] AS sample, count(*) AS copies,",
        "count(*) OVER () AS values, sum(count(*)) OVER ()::bigint AS rows FROM (SELECT",
        ", ".join(f"{key} AS {name}" for key, name in zip(keys, names)),
        f"FROM {relation}",
        f"WHERE ({where})" if where else "",
        ") AS wanted WHERE",
        " AND ".join(f"{name} IS NOT NULL" for name in names) if nulls_distinct else "true",
        f"GROUP BY {', '.join(names)} HAVING count(*) > 1 ORDER BY count(*) DESC, 1 LIMIT {max(samples, 1)}",
    ]
    return " ".join(filter(None, parts))
