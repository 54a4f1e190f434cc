# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps secrets out of the output of programs that were given them."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "********"
_SHORTEST_SECRET = 6
_PASSWORD_IN_URL = re.compile(r"(://[^/@\s:]*:)([^/@\s]+)@")


def secret_values(text: str) -> list[str]:
    """What is to be hidden of a secret file with lines ``NAME=value``: the values, and passwords in their URLs."""
    values = []
    for line in text.splitlines():
        value = line.partition("=")[2].strip().strip("'\"`").strip()
        if len(value) >= _SHORTEST_SECRET:
            values.append(value)
        values += [match[2] for match in _PASSWORD_IN_URL.finditer(value) if len(match[2]) >= _SHORTEST_SECRET]
    return values


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these values and without passwords in addresses."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return re.sub(r"(://)[^/@\s]+@", rf"\1{HIDDEN}@", text)
