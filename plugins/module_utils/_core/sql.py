# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL scripts as text: their statements, the place of an error, what must not be shown.

Sources: PostgreSQL's manual 4.1 (lexical structure) and 55.2.2.1 (several
statements in one simple query are one transaction, unless the script itself
says otherwise), and psql's rule for ``BEGIN ATOMIC`` bodies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*)
  | (?P<block>/\*)
  | (?P<escape>[eE]'(?:[^'\\]|\\.|'')*(?:'|$))
  | (?P<string>'(?:[^']|'')*(?:'|$))
  | (?P<quoted>"(?:[^"]|"")*(?:"|$))
  | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<number>\d[\w.]*)
  | (?P<open>[(\[])
  | (?P<close>[)\]])
  | (?P<end>;)
  | (?P<space>\s+)
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS = 8
_BLOCK_MARK = re.compile(r"/\*|\*/")
_TRANSACTION = frozenset({"begin", "start", "commit", "end", "rollback", "abort", "prepare"})

# What may stand before a secret in a statement: PASSWORD 'x' of a role, password
# 'x' in the options of a user mapping, password=x in a connection string, and
# user:password@ in an address.
_SECRETS = (
    (re.compile(r"(?i)(\bpassword\s*[=:]?\s*)(?:[eE]?'(?:[^']|'')*(?:'|$))"), r"\1'***'"),
    (re.compile(r"(?i)(\b(?:password|passwd|secret|token)\s*=\s*)[^\s'\",;)]+"), r"\1***"),
    (re.compile(r"(://[^\s:/@']*:)[^\s@']+@"), r"\1***@"),
)


@dataclass(frozen=True)
class Statement:
    """One statement; ``offset`` counts characters from the script's start, ``words`` are its first ones."""

    text: str
    offset: int
    words: tuple[str, ...]

    @property
    def controls_transaction(self) -> bool:
        """Whether it begins or ends a transaction (PREPARE of a query does not)."""
        if not self.words or self.words[0] not in _TRANSACTION:
            return False
        return self.words[0] != "prepare" or self.words[1:2] == ("transaction",)


@dataclass(frozen=True)
class ServerError:
    """What a PostgreSQL server said; ``position`` counts characters from 1 in the text sent."""

    severity: str
    code: str
    message: str
    detail: str = ""
    hint: str = ""
    context: str = ""
    position: int | None = None

    def text(self) -> str:
        """The error as a log shows it, secrets masked."""
        lines = [f"{self.severity} {self.code}: {self.message}" if self.code else self.message]
        for name, value in (("DETAIL", self.detail), ("HINT", self.hint), ("CONTEXT", self.context)):
            if value:
                lines.append(f"{name}: {value}")
        return mask("\n".join(lines))


def mask(text: str) -> str:
    """The text with passwords replaced by ``***``."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def place(script: str, position: int) -> tuple[int, int]:
    """Line and column, both from 1, of the character that a server counts as ``position``."""
    before = script[: max(position - 1, 0)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def excerpt(script: str, line: int, context: int = 2) -> str:
    """The line with its number, and up to ``context`` lines before it; secrets masked."""
    # A password may stand on a line of its own: mask the whole first, by whole lines.
    lines = mask(script).split("\n")
    if len(lines) != script.count("\n") + 1:
        return ""
    first = max(line - context, 1)
    numbered = enumerate(lines[first - 1 : line], first)
    return "\n".join(f"{'>' if number == line else ' '} {number:>4} | {text.rstrip()}" for number, text in numbered)


def split(script: str) -> tuple[Statement, ...]:
    """The statements of a script, without their semicolons and what is only comment."""
    statements: list[Statement] = []
    words: list[str] = []
    start, depth, atomic = -1, 0, 0
    for kind, begin, end in tokens(script):
        if kind == "end" and depth <= 0 and atomic == 0:
            if start >= 0:
                statements.append(Statement(script[start:begin].rstrip(), start, tuple(words)))
            start, words, depth = -1, [], 0
            continue
        if kind in ("comment", "block", "space"):
            continue
        start = begin if start < 0 else start
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "word":
            word = script[begin:end].lower()
            if len(words) < _WORDS:
                words.append(word)
            atomic = _atomic_depth(word, atomic, words)
    if start >= 0:
        statements.append(Statement(script[start:].rstrip(), start, tuple(words)))
    return tuple(statements)


def _atomic_depth(word: str, depth: int, words: list[str]) -> int:
    """psql's rule: in CREATE FUNCTION and PROCEDURE, BEGIN and CASE open and END closes."""
    if words[0] != "create" or not {"function", "procedure"} & set(words[:4]):
        return depth
    if word == "begin" or (word == "case" and depth):
        return depth + 1
    return depth - 1 if word == "end" and depth else depth


def tokens(script: str) -> Iterator[tuple[str, int, int]]:
    """Kind, begin and end of each token; what a text leaves open reaches to its end."""
    position = 0
    while position < len(script):
        match = _TOKEN.match(script, position)
        kind = "other" if match is None else str(match.lastgroup)
        end = position + 1 if match is None else match.end()
        if kind == "block":
            end = _block_end(script, position)
        elif kind == "dollar":
            tag = script[position:end]
            close = script.find(tag, end)
            end = len(script) if close < 0 else close + len(tag)
        yield kind, position, end
        position = end


def _block_end(script: str, position: int) -> int:
    """The end of a block comment, which may hold others."""
    depth = 0
    for mark in _BLOCK_MARK.finditer(script, position):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(script)
