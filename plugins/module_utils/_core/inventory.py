# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that nobody changes once they are written, as they were when first seen: bytes and seconds by path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Marks = Mapping[str, Sequence[int]]

_SHOWN = 3


def damage(known: Marks, present: Marks) -> str:
    """Which files are gone or were changed; nothing where all are as they were."""
    gone = [path for path in sorted(known) if path not in present]
    changed = [path for path in sorted(known) if path in present and list(present[path]) != list(known[path])]
    return ", and ".join(_said(paths, what) for paths, what in ((gone, "gone"), (changed, "changed")) if paths)


def _said(paths: Sequence[str], what: str) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{', '.join(paths[:_SHOWN])}{more} {'is' if len(paths) == 1 else 'are'} {what}"


def after_work(known: Marks, before: Marks, after: Marks) -> dict[str, Sequence[int]]:
    """What to know once a command has added and removed files. What had vanished before it began stays missed."""
    lost = {path: mark for path, mark in known.items() if path not in before}
    return {**lost, **{path: known.get(path, mark) for path, mark in after.items()}}
