# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the autoscaler last decided, and what was done last night, as the checks judge it."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

from .. import system


def gather(stack: str, autoscaling: bool) -> dict[str, Any]:
    """Status, calendar and the last night; the first two are empty without an autoscaler."""
    found: dict[str, Any] = {"status": {}, "said": "", "calendar": {}, "now": time.time()}
    if autoscaling:
        said = system.run([f"/usr/local/sbin/{stack}-autoscaler", "status", "--json"], stdin="", check=False)
        if said.code == 0:
            found["status"] = json.loads(said.out)
        found["said"] = said.err.strip()
        found["calendar"] = _json(f"/opt/{stack}/autoscaler/config/autoscaler.json").get("calendar", {})
    found["night"] = _json(f"/opt/{stack}/night/last.json")
    found["night_since"] = system.modified_at(f"/opt/{stack}/night/redis-password")
    return found


def _json(path: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        return dict(json.loads(system.read_text(path) or "{}"))
    return {}
