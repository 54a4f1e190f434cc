# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How figures and statements are written in reports for people."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from ..units import GB, KB, MB, TB

_DAY, _HOUR, _MINUTE = 86400, 3600, 60
_LITERALS = re.compile(
    r"\$([A-Za-z_]*)\$.*?(?:\$\1\$|$)|[eEbBxX]?'(?:[^'\\]|''|\\.)*(?:'|$)|(?<![\w$.])\d+(?:\.\d+)?\b", re.DOTALL
)
_SHORT = 100


def size(count: float) -> str:
    """Bytes, as people read them; powers of 1024."""
    for unit, factor in (("TB", TB), ("GB", GB), ("MB", MB), ("kB", KB)):
        if abs(count) >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"


def duration(seconds: float) -> str:
    """Seconds, as people read them."""
    if seconds >= 2 * _DAY:
        return f"{seconds / _DAY:.0f} days"
    if seconds >= 2 * _HOUR:
        return f"{seconds / _HOUR:.0f} hours"
    if seconds >= 2 * _MINUTE:
        return f"{seconds / _MINUTE:.0f} minutes"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - a tenth says nothing then


def moment(at: float) -> str:
    """Seconds since 1970, as people read them."""
    return f"{datetime.fromtimestamp(at, tz=timezone.utc):%Y-%m-%d %H:%M UTC}"


def statement(text: str, longest: int = _SHORT) -> str:
    """An SQL statement on one line without its constants, which may be names or passwords of people."""
    shown = " ".join(_LITERALS.sub("?", text).split())
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def count(number: int, one: str, many: str = "") -> str:
    """ "1 table", "2 tables"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
