# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a source folder belong to a build, by the rules of ``.dockerignore``.

The rules are those of Docker's documentation (Build context, .dockerignore files):
patterns are relative to the folder, ``**`` stands for any number of folders, a line
with ``!`` brings back what an earlier one excluded, and the last match decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: Never part of an app's build, whatever its own .dockerignore says: what is made anew by the
#: build, and what may hold secrets.
ALWAYS_IGNORED = (
    "**/.DS_Store",
    "**/.env*",
    "**/.git",
    "**/.next",
    "**/*.log",
    "**/node_modules",
    ".dockerignore",
    ".firstbell",
)
#: Left behind by editors and tools in the collection's own image folders.
LITTER = ("**/.DS_Store", "**/*.orig", "**/*.rej", "**/*.swp", "**/*~", "**/__pycache__")


@dataclass(frozen=True)
class Rule:
    """One line: what it matches, and whether it brings back instead of excluding."""

    expression: re.Pattern[str]
    keep: bool


def parse_rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of a ``.dockerignore``, without its comments and blank lines."""
    rules = []
    for line in lines:
        text = line.strip()
        if not text or line.startswith("#"):
            continue
        keep = text.startswith("!")
        pattern = re.sub(r"/{2,}", "/", text[keep:].strip().strip("/"))
        parts = [part for part in pattern.split("/") if part not in {"", "."}]
        if parts:
            rules.append(Rule(re.compile(_expression(parts)), keep))
    return tuple(rules)


def is_ignored(path: str, rules: Iterable[Rule]) -> bool:
    """Whether the path, written with ``/`` and relative to the folder, is left out.

    A pattern that matches a folder matches everything in it.
    """
    ignored = False
    for rule in rules:
        if rule.keep == ignored and rule.expression.match(path):
            ignored = not ignored
    return ignored


def may_contain_kept(rules: Iterable[Rule]) -> bool:
    """Whether an ignored folder still has to be looked into, because something is brought back."""
    return any(rule.keep for rule in rules)


def _expression(parts: list[str]) -> str:
    text = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]+/)*"
        else:
            text += _segment(part) + ("" if last else "/")
    return text + r"(?:/.*)?\Z"


def _segment(part: str) -> str:
    """One name of a pattern, as Go's filepath.Match reads it."""
    text, index = "", 0
    while index < len(part):
        character = part[index]
        if character == "*":
            text += "[^/]*"
        elif character == "?":
            text += "[^/]"
        elif character == "\\" and index + 1 < len(part):
            index += 1
            text += re.escape(part[index])
        elif character == "[" and "]" in part[index + 2 :]:
            end = part.index("]", index + 2)
            text += "[" + part[index + 1 : end].replace("\\", "\\\\") + "]"
            index = end
        else:
            text += re.escape(character)
        index += 1
    return text
