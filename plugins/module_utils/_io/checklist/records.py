# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What drills and loads measured, as the checks judge it and the report shows it."""

from __future__ import annotations

import glob
import json
import os
from typing import Any

from .. import records, system

_SHOWN = 12
_OTHERS_WRITE, _ROOT = 0o022, 0


def gather(stack: str) -> dict[str, Any]:
    """The last records of each kind, the oldest first, and the last rehearsed restores."""
    return {"kept": kept(f"/opt/{stack}/records"), "restores": restores(f"/opt/{stack}/backup/records")}


def kept(directory: str) -> dict[str, list[dict[str, Any]]]:
    """Records by kind; ``problem`` says why one is not to be believed."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in records.read(directory):
        problem = one.problem or _open(directory) or _open(os.path.join(directory, one.name))
        content = one.record.as_dict() if one.record else {}
        found.setdefault(one.kind, []).append({**content, "time": one.at, "problem": problem})
    return {kind: ones[-_SHOWN:] for kind, ones in found.items()}


def _open(path: str) -> str:
    """Why somebody else than root could have written it."""
    status = os.stat(path)
    if status.st_uid != _ROOT or status.st_mode & _OTHERS_WRITE:
        mode = f"owner {status.st_uid}, mode {status.st_mode & 0o777:04o}"
        return f"{path} could have been written by others than root: {mode}"
    return ""


def restores(directory: str) -> list[dict[str, Any]]:
    """When rehearsed restores ended, and what they measured."""
    found = []
    for path in sorted(glob.glob(f"{directory}/drill-*.json"))[-_SHOWN:]:
        try:
            one = json.loads(system.read_text(path) or "{}")
            found.append({name: one[name] for name in ("ended", "success", "recovery_time", "recovery_point")})
        except (ValueError, KeyError):  # that one could not run, or is damaged: it has no times to show
            continue
    return found
