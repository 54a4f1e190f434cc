# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file of PostgreSQL that is managed as a whole: its settings, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping

HEADER = "# Written by Ansible (firstbell.stack.pg_settings); its settings are changed there."
# The grammar of guc-file.l for a line with a setting.
_LINE = re.compile(r"\s*([A-Za-z_][\w$.]*)(?:\s*=\s*|\s+)('(?:[^'\\\n]|''|\\.)*'|[^\s#']+)\s*(?:#.*)?")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPED = re.compile(r"\\([0-7]{1,3}|.)|''")


def render(settings: Mapping[str, str]) -> str:
    """The file; a quote and a backslash are doubled, as in any string of that file."""
    lines = [HEADER]
    for name, value in sorted(settings.items(), key=lambda item: item[0].lower()):
        escaped = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{escaped}'")
    return "\n".join(lines) + "\n"


def read(text: str) -> dict[str, str]:
    """The settings of a file by lower-case name, a later one in place of an earlier; other lines are left out."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if match is not None:
            found[match[1].lower()] = _unquoted(match[2])
    return found


def is_managed(text: str | None) -> bool:
    """Whether the file may be replaced: there is none, it is empty, or it was written here."""
    return not text or not text.strip() or text.startswith(HEADER.split(";", maxsplit=1)[0])


def _unquoted(text: str) -> str:
    if not text.startswith("'"):
        return text

    def character(match: re.Match[str]) -> str:
        code = match[1]
        if code is None:
            return "'"
        return chr(int(code, 8) & 0xFF) if code.isdigit() and code[0] in "01234567" else _ESCAPES.get(code, code)

    return _ESCAPED.sub(character, text[1:-1])
