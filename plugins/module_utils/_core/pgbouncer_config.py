# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of PgBouncer, as its console shows them, against wanted ones.

The console knows texts only (``SHOW CONFIG``). What is written by ``SET`` there is lost with the next
restart, so this compares and never changes: the file is the place, and ``RELOAD`` reads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import InputError
from .names import did_you_mean
from .pg_findings import PgFinding
from .pg_values import text_of
from .sql import mask
from .units import shown

# libusual's cf_set_bool, which log settings use, beside plain numbers.
_TRUE, _FALSE = ("1", "on", "true", "yes"), ("0", "off", "false", "no")


@dataclass(frozen=True)
class Item:
    """A row of SHOW CONFIG."""

    name: str
    value: str
    default: str = ""
    changeable: bool = True


def items(rows: Sequence[Mapping[str, Any]]) -> dict[str, Item]:
    """The rows by name; what is null is an empty text."""
    return {
        str(row["key"]): Item(
            str(row["key"]),
            str(row["value"] or ""),
            str(row.get("default") or ""),
            row.get("changeable") in ("yes", True),
        )
        for row in rows
    }


def same(item: Item, text: str) -> bool:
    """Whether PgBouncer would take the text for the value that it shows."""
    live, wanted = item.value.strip(), text.strip()
    if live == wanted:
        return True
    for words in (_TRUE, _FALSE):
        if live.lower() in words and wanted.lower() in words:
            return True
    numbers = [_number(one, octal="mode" in item.name) for one in (live, wanted)]
    if None not in numbers:
        return numbers[0] == numbers[1]
    lists = [[part.strip() for part in one.split(",")] for one in (live, wanted)]
    return lists[0] == lists[1] or (item.name == "pool_mode" and live.lower() == wanted.lower())


def _number(text: str, *, octal: bool) -> float | None:
    try:
        if octal:
            return int(text, 8)
        number = float(text) if "." in text else int(text, 0)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def compare(settings: Mapping[str, object], config: Mapping[str, Item]) -> Iterator[PgFinding]:
    """What is not as wanted."""
    for given, value in settings.items():
        name = str(given)
        item = config.get(name)
        if item is None:
            near = did_you_mean(name, config)
            fix = f"Did you mean {near}?" if near else "SHOW CONFIG lists them all"
            yield PgFinding(name, "PgBouncer has no such setting", fix, "unknown", {"did_you_mean": near})
            continue
        try:
            text = wanted_text(value)
        except InputError as refused:
            yield PgFinding(name, str(refused), "", "invalid")
            continue
        if same(item, text):
            continue
        problem = f"it is {mask(item.value) or 'empty'}, and {mask(text) or 'an empty text'} is wanted"
        details = {"value": mask(item.value), "wanted": mask(text)}
        if _number(item.value, octal=False) is not None and _number(text, octal=False) is None:
            yield PgFinding(
                name, f"{shown(text)} is no number; PgBouncer takes none with a unit", "", "invalid", details
            )
        elif item.changeable:
            yield PgFinding(name, problem, "Write it into pgbouncer.ini, then RELOAD", "differs", details)
        else:
            yield PgFinding(name, f"{problem}; it takes a restart", "Restart PgBouncer", "pending_restart", details)


def wanted_text(value: object) -> str:
    """A user's value as the file has it; a truth is a number there."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (list, tuple)):
        return ", ".join(text_of(part) for part in value)
    return text_of(value)


def describe(settings: Mapping[str, object], config: Mapping[str, Item]) -> dict[str, Any]:
    """The settings in the module's result."""
    return {
        name: {
            "value": mask(item.value),
            "wanted": mask(wanted_text(value)),
            "in_force": same(item, wanted_text(value)),
            "default": mask(item.default),
            "context": "reload" if item.changeable else "restart",
        }
        for name, value in settings.items()
        if (item := config.get(name)) is not None
    }
