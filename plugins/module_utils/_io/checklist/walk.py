# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in folders, and in theirs, up to a number of them: a host may have more than there is time for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

_MOST_FILES = 100_000


def below(folders: Iterable[str], left_out: str, *, for_all: bool = False) -> Iterator[str]:
    """The paths, but those below ``left_out``. ``for_all``: only in folders that everybody may enter."""
    left = _MOST_FILES
    for top in folders:
        for folder, names, files in os.walk(top):
            if for_all and not os.lstat(folder).st_mode & stat.S_IXOTH:
                names.clear()
                continue
            names[:] = [name for name in names if f"{folder}/{name}" != left_out]
            yield from (f"{folder}/{name}" for name in files)
            left -= len(files)
            if left < 0:
                return
