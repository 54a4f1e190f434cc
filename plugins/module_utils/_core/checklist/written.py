# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands of the host know of the stack, as the playbook would write it now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_ROLES = ("autoscaler", "backup", "monitoring", "night_work", "operations")
_LONGEST = 40
_NOTHING = "nothing"


def configurations(expected: Mapping[str, Any]) -> dict[str, Any]:
    """What the files of those roles that are switched on say, by path. Only the first host has them."""
    if not expected["first"]:
        return {}
    found = (expected.get(role, {}).get("config") for role in _ROLES)
    return {one["path"]: one["settings"] for one in found if one}


def differing(wanted: object, text: str | None) -> Iterator[str]:
    """By name, where a file of settings says something else than is wanted."""
    if text is None:
        yield "it is missing"
        return
    try:
        has = json.loads(text)
    except ValueError:
        yield "it is no JSON any more"
        return
    yield from _differing("", wanted, has)


def _differing(name: str, wanted: object, has: object) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(has, Mapping):
        for key in sorted({*wanted, *has}):
            yield from _differing(f"{name}.{key}".lstrip("."), wanted.get(key, _NOTHING), has.get(key, _NOTHING))
    elif wanted != has:
        yield f"{name or 'all of it'} is {_shown(has)}, not {_shown(wanted)}"


def _shown(value: object) -> str:
    text = _NOTHING if value == _NOTHING else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
