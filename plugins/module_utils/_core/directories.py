# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories as they should be, and the steps that get them there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .errors import InputError

_MODE = re.compile(r"0?[0-7]{3,4}")


@dataclass(frozen=True)
class Directory:
    """A directory that must exist, with numeric owner and group."""

    path: str
    owner: int
    group: int
    mode: int


@dataclass(frozen=True)
class Found:
    """What is at a path now; symbolic links are followed."""

    kind: str  # "absent", "directory" or "other"
    owner: int = -1
    group: int = -1
    mode: int = -1


@dataclass(frozen=True)
class Change:
    """One step. ``what`` is "create", "owner" or "mode"."""

    what: str
    wanted: Directory
    before: str
    after: str


def parse_path(value: str) -> str:
    """An absolute, normalised path, or InputError."""
    if not value.startswith("/") or posixpath.normpath(value) != value or "\0" in value:
        raise InputError(
            f'directory "{value}" is not a plain absolute path; '
            'write it like "/opt/firstbell/data", without "..", "//" or a slash at the end'
        )
    return value


def parse_mode(value: str, path: str) -> int:
    """The mode from an octal text such as "0755"; anything else is an InputError."""
    if not _MODE.fullmatch(value):
        raise InputError(f'mode "{value}" of {path} is not octal; quote it in the play, like mode: "0755"')
    return int(value, 8)


def check_unique(directories: Sequence[Directory]) -> None:
    """The same path twice with different wishes can never settle."""
    seen: dict[str, Directory] = {}
    for directory in directories:
        other = seen.setdefault(directory.path, directory)
        if other != directory:
            raise InputError(
                f"{directory.path} is asked for twice, as {_shown(other)} and as {_shown(directory)}; remove one"
            )


def plan(wanted: Iterable[Directory], found: Mapping[str, Found]) -> tuple[Change, ...]:
    """The steps from ``found`` to ``wanted``, parents before children."""
    changes: list[Change] = []
    for directory in sorted(set(wanted), key=lambda item: item.path):
        actual = found[directory.path]
        if actual.kind == "other":
            raise InputError(f"{directory.path} must be a directory but is a file; move it away and run again")
        if actual.kind == "absent":
            changes.append(Change("create", directory, "absent", _shown(directory)))
            continue
        if (actual.owner, actual.group) != (directory.owner, directory.group):
            changes.append(
                Change("owner", directory, f"{actual.owner}:{actual.group}", f"{directory.owner}:{directory.group}")
            )
        if actual.mode != directory.mode:
            changes.append(Change("mode", directory, f"{actual.mode:04o}", f"{directory.mode:04o}"))
    return tuple(changes)


def describe(changes: Iterable[Change]) -> tuple[str, str]:
    """The same changes as the two sides of a diff."""
    rows = [(change.wanted.path, change.what, change.before, change.after) for change in changes]
    before = "".join(f"{path}: {_label(what)}{old}\n" for path, what, old, _new in rows)
    after = "".join(f"{path}: {_label(what)}{new}\n" for path, what, _old, new in rows)
    return before, after


def _label(what: str) -> str:
    return "" if what == "create" else f"{what} "


def _shown(directory: Directory) -> str:
    return f"directory {directory.owner}:{directory.group} {directory.mode:04o}"
