# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of Redis' data on this host."""

from __future__ import annotations

import os

from .._core import redis_save
from . import system


def lost(directory: str) -> list[str]:
    """Files from which Redis would start and that are not there, below its data's ``directory``.

    Redis has them open and notices nothing until then.
    """
    folder = f"{directory}/{redis_save.AOF_FOLDER}"
    # A second look, as Redis may have written its manifest anew meanwhile and removed what the one before named.
    return _lost(folder) and _lost(folder)


def _lost(folder: str) -> list[str]:
    manifest = system.read_text(f"{folder}/{redis_save.AOF_MANIFEST}")
    if manifest is None:
        return [redis_save.AOF_MANIFEST]
    return [name for name in redis_save.named(manifest) if not os.path.exists(f"{folder}/{name}")]
