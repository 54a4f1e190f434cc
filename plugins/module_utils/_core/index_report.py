# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says of a plan: one entry for each wish, findings in words, the statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .index_plan import BLOCKED, Item, Plan
from .index_sql import identifier
from .index_wishes import Bound
from .indexes import Catalogue, describe

_MISSING = "essential index is missing"
_HEADLINES = {
    "create": _MISSING,
    "impossible": "index cannot be",
    "rebuild": "essential index is not as it should be",
    "rename": "essential index has another name",
    "alter": "essential index is not as it should be",
    "replace": "essential index is missing",
    "conflict": "index is in conflict with another",
    "duplicates": "essential index is missing and duplicates are in its way",
    "building": "index is being built by somebody else",
    "drop": "index is there and should not be",
    "clean": "an INVALID index is left over",
}


def entries(plan: Plan, bounds: Sequence[Bound], catalogue: Catalogue) -> list[dict[str, object]]:
    """One dictionary for each wish, in the wishes' order."""
    by_position = {bound.wish.position: bound for bound in bounds}
    return [_entry(item, by_position.get(item.position), catalogue) for item in plan.items if item.position >= 0]


def _entry(item: Item, bound: Bound | None, catalogue: Catalogue) -> dict[str, object]:
    table = bound.table if bound else None
    entry: dict[str, object] = {
        "name": bound.wish.name if bound else item.index,
        "index": item.index,
        "schema": bound.schema if bound else "",
        "table": table.name if table else _table_of(item, catalogue),
        "action": item.action,
        "reason": item.reason,
        "definition": describe(bound.definition) if bound and bound.definition else "",
        "statements": [step.sql for step in item.steps],
    }
    if item.duplicates is not None:
        entry["duplicates"] = {
            "values": item.duplicates.values,
            "rows": item.duplicates.rows,
            "samples": [{"value": list(value), "copies": copies} for value, copies in item.duplicates.samples],
        }
    return entry


def _table_of(item: Item, catalogue: Catalogue) -> str:
    table = catalogue.tables.get(item.table)
    return table.name if table else ""


def findings(plan: Plan, bounds: Sequence[Bound], catalogue: Catalogue, kinds: Sequence[str] = ("any",)) -> list[str]:
    """What is not as it is wanted, a sentence each; with ``kinds`` only of these actions."""
    by_position = {bound.wish.position: bound for bound in bounds}
    return [
        finding(item, by_position.get(item.position), catalogue)
        for item in plan.items
        if (item.steps or item.action in BLOCKED) and ("any" in kinds or item.action in kinds)
    ]


def finding(item: Item, bound: Bound | None, catalogue: Catalogue) -> str:
    """One item in words."""
    table = catalogue.tables.get(item.table)
    parts = [_headline(item), ": ", identifier(item.index) if item.index else "an index"]
    parts += [f" on {identifier(table.schema, table.name)}"] if table else []
    if bound is not None and bound.definition is not None:
        parts.append(f", {describe(bound.definition)}")
    if item.reason and item.reason != "it is missing":
        parts.append(f": {item.reason}")
    return "".join(parts)


def _headline(item: Item) -> str:
    if item.action == "impossible" and "there is no" in item.reason:
        return _MISSING
    return _HEADLINES[item.action]


def refusal(plan: Plan, bounds: Sequence[Bound], catalogue: Catalogue) -> str:
    """The message for a plan that has blocked items, and what to do about them."""
    by_position = {bound.wish.position: bound for bound in bounds}
    lines = [f"  - {finding(item, by_position.get(item.position), catalogue)}" for item in plan.blocked]
    return "\n".join(
        [
            "nothing was done, because some of the wanted indexes cannot be made:",
            *lines,
            "Decide about these, or let the others be made with blocked: skip",
        ]
    )


def diff(plan: Plan, bounds: Sequence[Bound]) -> dict[str, str]:
    """Before and after of what the plan changes, a line for each index."""
    by_position = {bound.wish.position: bound for bound in bounds}
    before, after = [], []
    for item in plan.items:
        if not item.steps:
            continue
        bound = by_position.get(item.position)
        made = describe(bound.definition) if bound and bound.definition else ""
        if item.action != "create":
            before.append(f"{item.index}: {item.reason or item.action}\n")
        if item.action not in ("drop", "clean"):
            name = bound.wish.name if bound and bound.wish.name and item.action in ("replace", "rename") else item.index
            after.append(f"{name}: {made}\n")
    return {"before": "".join(before), "after": "".join(after)}


def summary(entries_of: Sequence[Mapping[str, object]]) -> dict[str, int]:
    """How many wishes have which action."""
    counted: dict[str, int] = {}
    for entry in entries_of:
        action = str(entry["action"])
        counted[action] = counted.get(action, 0) + 1
    return counted
