# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dicts of arguments, as filters get them, for functions with named arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import InputError
from .names import did_you_mean
from .units import shown


def keywords(value: object, what: str, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """The dict as keyword arguments: nothing missing, nothing unknown.

    ``what`` names the filter in messages, which never repeat a value.
    """
    known = (*required, *optional)
    if not isinstance(value, Mapping):
        raise InputError(f"{what} takes a dictionary with {', '.join(known)}")
    for key in value:
        if key not in known:
            near = did_you_mean(key, known) if isinstance(key, str) else None
            hint = f"did you mean {near}?" if near else f"it takes {', '.join(known)}"
            raise InputError(f"{what}: there is no {shown(key)}; {hint}")
    missing = [key for key in required if key not in value]
    if missing:
        raise InputError(f"{what}: {', '.join(missing)} is missing; it takes {', '.join(known)}")
    return {str(key): item for key, item in value.items()}
