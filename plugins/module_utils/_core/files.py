# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as they should be, and which of them must be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .errors import InputError


@dataclass(frozen=True)
class File:
    """A file that must exist, with numeric owner and group; ``validate`` is a command with a word for its path."""

    path: str
    content: str
    owner: int
    group: int
    mode: int
    validate: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What is at a path now; ``content`` is None for a file that is not there."""

    content: str | None = None
    owner: int = -1
    group: int = -1
    mode: int = -1


def check(files: Sequence[File]) -> None:
    """Refuse a path that is named twice, and a check that never gets to see the file."""
    paths: set[str] = set()
    for file in files:
        if file.path in paths:
            raise InputError(f"files: {file.path} is listed twice; remove one")
        paths.add(file.path)
        if file.validate and not any("%s" in word for word in file.validate):
            raise InputError(f"files: validate of {file.path} names no file; write %s where its path belongs")


def plan(files: Iterable[File], found: Mapping[str, Found]) -> list[File]:
    """The files to write, in the order that they were listed in."""
    return [file for file in files if found[file.path] != Found(file.content, file.owner, file.group, file.mode)]


def command(file: File, path: str) -> list[str]:
    """The command that reads a file at ``path`` before it takes its place."""
    return [word.replace("%s", path) for word in file.validate]


def describe(file: File, found: Found) -> dict[str, str]:
    """What changes in a file as Ansible shows a difference: the text, or who may do what with it."""
    before, after = found.content or "", file.content
    if before == after:
        before, after = (_shown(found.owner, found.group, found.mode), _shown(file.owner, file.group, file.mode))
    return {"before_header": file.path, "after_header": file.path, "before": before, "after": after}


def _shown(owner: int, group: int, mode: int) -> str:
    return f"{owner}:{group} {mode:04o}\n" if mode >= 0 else ""
