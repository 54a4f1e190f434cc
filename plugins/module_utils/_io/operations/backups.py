# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on record of the backups: the commands that make and try them have written it."""

from __future__ import annotations

import contextlib
import glob
import json
import os
from typing import Any

from .. import system


def gather(directory: str) -> dict[str, Any]:
    """The records by name, and since when there are backups."""
    found: dict[str, Any] = {}
    for path in sorted(glob.glob(f"{directory}/backup/records/*.json")):
        with contextlib.suppress(ValueError):
            found[os.path.basename(path)[:-5]] = json.loads(system.read_text(path) or "{}")
    since = system.modified_at(f"{directory}/backup/repository/postgres/key.fingerprint")
    return {"records": found, "since": since}
