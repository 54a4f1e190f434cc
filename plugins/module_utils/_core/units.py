# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes in bytes and durations in seconds, and the text people write for them.

Sizes follow PostgreSQL: every unit is a power of 1024, so ``1kB`` is 1024 bytes
and ``256MB`` is 268435456 (PostgreSQL 17 manual, 19.1.1 Parameter Names and
Values). Durations take the units of Go, which Docker and Prometheus use
(``1h30m``), and PostgreSQL's ``min`` and ``d``.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from .errors import InputError

KB = 1024
MB = 1024 * KB
GB = 1024 * MB
TB = 1024 * GB

#: The largest size that a 64-bit signed counter of bytes can hold.
MAX_SIZE = 2**63 - 1
#: A hundred years in seconds: anything longer is a mistake.
MAX_DURATION = 100 * 365.25 * 86400

#: The longest value that a message repeats.
SHOWN_LENGTH = 60

_FACTORS = {"b": 1, "k": KB, "m": MB, "g": GB, "t": TB}
_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?) ?([kmgt]?i?b|[kmgt])", re.IGNORECASE)
_SIZE_HINT = 'write a number with a unit, such as "512MB" or "4GB"'

_SECONDS = {
    "d": Fraction(86400),
    "h": Fraction(3600),
    "min": Fraction(60),
    "m": Fraction(60),
    "s": Fraction(1),
    "ms": Fraction(1, 1000),
    "us": Fraction(1, 1000000),
}
_DURATION_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(us|ms|min|[dhms])")
_DURATION_HINT = 'write it as "10s", "500ms" or "1h30m"'


def shown(value: object) -> str:
    """The value as a message shows it: short, and of one line. Never for secrets."""
    try:
        text = repr(value)
    except ValueError:  # an int of more than 4300 digits
        text = "that number"
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 3] + "..."


def is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8: a lone surrogate cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def parse_size(value: object, name: str = "size") -> int:
    """Bytes from ``"256MB"`` or from an int that already is bytes.

    Takes B, kB, MB, GB, TB, the short K, M, G, T and the spelled-out KiB, MiB,
    GiB, TiB, in either case, all of them powers of 1024; one space may stand
    before the unit. A fraction such as ``1.5GB`` counts down to a whole byte. A text
    without a unit, a negative size and more than 2**63 - 1 bytes raise
    InputError, which calls the value ``name``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InputError(f"{name}: {shown(value)} is no size; {_SIZE_HINT}")
    if isinstance(value, int):
        size = Fraction(int(value))
    else:
        match = _SIZE.fullmatch(value)
        if match is None:
            raise InputError(f"{name}: {shown(value)} is no size; {_SIZE_HINT}")
        size = Fraction(match[1]) * _FACTORS[match[2][0].lower()]
    if size < 0:
        raise InputError(f"{name}: {shown(value)} is negative; {_SIZE_HINT}")
    if size > MAX_SIZE:
        raise InputError(f"{name}: {shown(value)} is more than 8 EiB; {_SIZE_HINT}")
    return int(size)


def format_size(size: int) -> str:
    """The size in the largest PostgreSQL unit that is exact: ``"256MB"``."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise InputError(f"{shown(size)} is no number of bytes")
    for unit, factor in (("TB", TB), ("GB", GB), ("MB", MB), ("kB", KB)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def parse_duration(value: object, name: str = "duration") -> float:
    """Seconds from ``"1h30m"``, ``"10s"``, ``"500ms"``, or from a number of seconds.

    Units: d, h, m or min, s, ms, us; the larger one comes first. A text without
    a unit, a negative or endless duration and more than a hundred years raise
    InputError, which calls the value ``name``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputError(f"{name}: {shown(value)} is no duration; {_DURATION_HINT}")
    if isinstance(value, str):
        seconds = _sum_of_parts(value, name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name}: {shown(value)} is no duration; {_DURATION_HINT}")
    else:
        seconds = Fraction(value)
    if seconds < 0:
        raise InputError(f"{name}: {shown(value)} is negative; {_DURATION_HINT}")
    if seconds > MAX_DURATION:
        raise InputError(f"{name}: {shown(value)} is more than a hundred years; {_DURATION_HINT}")
    return float(seconds)


def _sum_of_parts(text: str, name: str) -> Fraction:
    position, total, previous = 0, Fraction(0), None
    while position < len(text):
        match = _DURATION_PART.match(text, position)
        unit = None if match is None else _SECONDS[match[2]]
        if match is None or unit is None or (previous is not None and unit >= previous):
            break
        total += Fraction(match[1]) * unit
        position, previous = match.end(), unit
    if not text or position < len(text):
        raise InputError(f"{name}: {shown(text)} is no duration; {_DURATION_HINT}")
    return total


def format_duration(seconds: float) -> str:
    """The duration as Docker and Prometheus read it: ``"1h30m"``, ``"1s500ms"``, ``"0s"``.

    Rounded to microseconds. Docker's API itself takes nanoseconds.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= MAX_DURATION:
        raise InputError(f"{shown(seconds)} is no duration in seconds")
    left = round(Fraction(seconds) * 1000000)
    parts = []
    for unit in ("h", "m", "s", "ms", "us"):
        amount, left = divmod(left, int(_SECONDS[unit] * 1000000))
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"
