# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in folders, and in theirs, up to a number of them: a host may have more than there is time for."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, MutableSequence

#: Of each folder; they may be read as well.
_MOST_FILES = 50_000


def below(
    folders: Iterable[str], left_out: str, *, for_all: bool = False, cut: MutableSequence[str] | None = None
) -> Iterator[str]:
    """The paths, but those below ``left_out``; of each folder first what lies highest, up to a number of files.

    ``for_all``: only in folders that everybody may enter. ``cut`` is told the folders of which not all was seen.
    """
    for top in folders:
        left, waiting = _MOST_FILES, deque([top])
        while waiting and left > 0:
            folder, names, files = next(os.walk(waiting.popleft()), ("", [], []))
            if not folder or (for_all and not _is_open(folder)):
                continue
            inner = (f"{folder}/{name}" for name in names)
            waiting.extend(path for path in inner if path != left_out and not os.path.islink(path))
            yield from (f"{folder}/{name}" for name in files)
            left -= len(files)
        if waiting and cut is not None:
            cut.append(top)


def _is_open(folder: str) -> bool:
    try:
        return bool(os.lstat(folder).st_mode & stat.S_IXOTH)
    except FileNotFoundError:  # it has gone meanwhile
        return False
