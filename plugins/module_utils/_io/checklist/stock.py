# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was there on a host when stock was taken: what its owner may have meant so, by check."""

from __future__ import annotations

import json

from ..._core.errors import FirstbellError
from .. import system

_PATH = "/var/lib/firstbell/{}-stock.json"


def read(stack: str) -> dict[str, list[str]] | None:
    """What was told then; None where stock was never taken."""
    path = _PATH.format(stack)
    text = system.read_text(path)
    if text is None:
        return None
    try:
        return {str(name): [*map(str, told)] for name, told in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError):
        raise FirstbellError(
            f"{path} cannot be read: look whether somebody hides what is new there, then remove it"
        ) from None
