# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done so that the wanted indexes are there: keep, build, mend, rename, replace, drop, or stop.

Nothing here is done by halves that a killed run could leave: every step is one
statement, and a plan made anew from what it left behind goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .index_partitions import build_partitions, refusal
from .index_sql import free_name, identifier, passing_name, shorten
from .index_steps import Step, alter, build, drop, reindex, rename
from .index_wishes import Bound, Wish
from .indexes import Catalogue, Index, closest_first, describe, equal_storage, serves

#: Actions that need somebody's decision: nothing is done about them.
BLOCKED = ("conflict", "duplicates", "building", "impossible")


@dataclass(frozen=True)
class Duplicates:
    """Values that are there more than once where they should be unique; ``samples`` are values and copies."""

    values: int
    rows: int
    samples: tuple[tuple[tuple[str | None, ...], int], ...] = ()


@dataclass(frozen=True)
class Item:
    """One wish, or one leftover (position -1), and what becomes of it.

    ``index`` is the name of the index that is there, or of the one that will be.
    ``checked`` says that its rows must be looked through for duplicates first.
    """

    position: int
    action: str
    index: str
    reason: str = ""
    steps: tuple[Step, ...] = ()
    checked: bool = False
    table: int = 0
    duplicates: Duplicates | None = None


@dataclass(frozen=True)
class Plan:
    items: tuple[Item, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for item in self.items for step in item.steps)

    @property
    def blocked(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.action in BLOCKED)

    def with_duplicates(self, found: Mapping[int, Duplicates]) -> Plan:
        """The plan without the steps of unique indexes that duplicates would break."""
        return Plan(tuple(self._blocked_by(item, found.get(item.position)) for item in self.items))

    @staticmethod
    def _blocked_by(item: Item, duplicates: Duplicates | None) -> Item:
        if duplicates is None or not item.checked:
            return item
        reason = f"{duplicates.values} values are there more than once, in {duplicates.rows} rows"
        return replace(item, action="duplicates", reason=reason, steps=(), duplicates=duplicates)


def plan(bounds: Sequence[Bound], catalogue: Catalogue, cleaning: bool = True) -> Plan:
    """The plan for wishes whose definitions the server has read."""
    items = _leftovers(bounds, catalogue) if cleaning else []
    # What is cleaned away is so before anything else, and leaves its name.
    taken = set(catalogue.names) - {(step.schema, step.name) for item in items for step in item.steps}
    catalogue = replace(catalogue, serving=_serving(bounds, catalogue))
    for bound in bounds:
        items.append(_absent(bound, catalogue) if bound.wish.absent else _present(bound, catalogue, taken))
    return Plan(tuple(items))


def _serving(bounds: Iterable[Bound], catalogue: Catalogue) -> dict[int, str]:
    """The indexes that wishes count on."""
    found = {}
    for bound in bounds:
        index = None if bound.wish.absent else _best(bound, catalogue)
        if index is not None:
            found[index.oid] = bound.wish.what
    return found


def _best(bound: Bound, catalogue: Catalogue) -> Index | None:
    """The index that is the wanted one, of several the one that is nearest to it."""
    wish, table, definition = bound.wish, bound.place, bound.read
    same = [
        index
        for index in catalogue.of_table(table.oid)
        if serves(index, definition, wish.position, catalogue) and index.live and not index.leftover
    ]
    return closest_first(same, wish.name)[0] if same else None


def near(bounds: Iterable[Bound], catalogue: Catalogue) -> list[tuple[Bound, Index]]:
    """The pairs of a wish and an index that differ in nothing but how expressions or predicate are written."""
    found = []
    for bound in bounds:
        wanted = bound.definition
        if wanted is None or bound.table is None or not wanted.has_text:
            continue
        for table in _tree(bound.table.oid, catalogue):
            for index in catalogue.of_table(table):
                actual = index.definition
                if actual.outline == wanted.outline and actual.identity != wanted.identity:
                    found.append((bound, index))
    return found


def _tree(table: int, catalogue: Catalogue) -> list[int]:
    """The table and its partitions at every depth."""
    found = [table]
    for oid in found:
        found += catalogue.tables[oid].children if oid in catalogue.tables else ()
    return found


def _leftovers(bounds: Iterable[Bound], catalogue: Catalogue) -> list[Item]:
    tables: dict[int, None] = {}
    for bound in bounds:
        if bound.table is not None:
            tables.update(dict.fromkeys(_tree(bound.table.oid, catalogue)))
    return [
        Item(
            -1,
            "clean",
            index.name,
            "what an interrupted REINDEX CONCURRENTLY has left",
            (drop(index),),
            table=index.table,
        )
        for table in tables
        for index in catalogue.of_table(table)
        if index.leftover and index.live
    ] + [
        Item(-1, "clean", index.name, "what an interrupted drop has left", (drop(index),), table=index.table)
        for table in tables
        for index in catalogue.of_table(table)
        if not index.live and not index.builder and not index.protected
    ]


def _absent(bound: Bound, catalogue: Catalogue) -> Item:
    wish = bound.wish
    index = catalogue.named(bound.schema, wish.name)
    item = Item(wish.position, "keep", wish.name, "it is not there")
    if index is None and (bound.schema, wish.name) not in catalogue.names:
        return item
    refused = _undroppable(index, bound.table.oid if bound.table else None, wish, catalogue)
    if refused or index is None:
        return replace(item, action="conflict", reason=refused)
    item = replace(item, table=index.table)
    if index.builder:
        return replace(item, action="building", reason=_at_work(index))
    if not index.live or index.leftover:
        return replace(item, reason="it is among the leftovers")
    return replace(item, action="drop", reason="it is to be absent", steps=(drop(index),))


def _present(bound: Bound, catalogue: Catalogue, taken: set[tuple[str, str]]) -> Item:
    wish, table, definition = bound.wish, bound.place, bound.read
    best = _best(bound, catalogue)
    if best is not None:
        return _mend(bound, best, catalogue, taken)
    impossible = refusal(bound, catalogue)
    item = Item(wish.position, "create", wish.name or _default_name(bound, taken), "it is missing", table=table.oid)
    if impossible:
        return replace(item, action="impossible", reason=impossible)
    holder = catalogue.named(table.schema, item.index)
    if (table.schema, item.index) in taken:
        return _conflict(bound, item, holder, catalogue, taken)
    taken.add((table.schema, item.index))
    return replace(item, steps=_build(bound, item.index, catalogue, taken), checked=definition.unique)


def _build(bound: Bound, name: str, catalogue: Catalogue, taken: set[tuple[str, str]]) -> tuple[Step, ...]:
    if bound.place.kind == "p":
        return build_partitions(bound, bound.place, name, None, catalogue=catalogue, taken=taken)
    return (build(bound, bound.place, name),)


def _mend(bound: Bound, index: Index, catalogue: Catalogue, taken: set[tuple[str, str]]) -> Item:
    """The index is there by its definition: see to its validity, storage, place and name."""
    wish, table = bound.wish, bound.place
    item = Item(wish.position, "keep", index.name, table=table.oid)
    if index.builder:
        return replace(item, action="building", reason=_at_work(index))
    if not index.valid:
        steps = (
            build_partitions(bound, table, index.name, index, catalogue=catalogue, taken=taken)
            if index.partitioned
            else (reindex(index, table, wish.tablespace),)
        )
        unique = index.definition.unique
        item = replace(item, action="rebuild", reason="it is INVALID", steps=steps, checked=unique)
    elif wish.tablespace and not index.partitioned and _place(index, catalogue) != wish.tablespace:
        reason = f"it is in the tablespace {_place(index, catalogue)}"
        if not catalogue.movable:
            return replace(item, action="impossible", reason=f"{reason}, and PostgreSQL moves indexes from 14 on")
        item = replace(item, action="rebuild", reason=reason, steps=(reindex(index, table, wish.tablespace),))
    if wish.storage and not index.partitioned and not equal_storage(wish.storage, index.storage):
        actual = ", ".join(f"{name} {index.storage.get(name, 'unset')}" for name in wish.storage)
        action = "alter" if item.action == "keep" else item.action
        reason = "; ".join(filter(None, (item.reason, f"its storage differs: {actual}")))
        item = replace(item, action=action, reason=reason, steps=(*item.steps, alter(index, wish.storage)))
    return _named(bound, index, item, catalogue, taken)


def _named(bound: Bound, index: Index, item: Item, catalogue: Catalogue, taken: set[tuple[str, str]]) -> Item:
    """The index's name: another one counts, unless it is to be renamed or was on its way to its name."""
    wish = bound.wish
    if not wish.name or index.name == wish.name:
        return item
    passing = index.name == passing_name(wish.name)
    note = f"it is there as {identifier(index.name)}"
    if not (wish.rename or passing) or (index.constraint and not passing):
        note += f", the name of a constraint ({index.constraint})" if index.constraint else ""
        return replace(item, reason="; ".join(filter(None, (item.reason, note))))
    holder = catalogue.named(index.schema, wish.name)
    renaming = rename(index, wish.name)
    if (index.schema, wish.name) not in taken:
        taken.add((index.schema, wish.name))
        action = "rename" if item.action in ("keep", "alter") else item.action
        return replace(item, action=action, reason=note, steps=(*item.steps, renaming))
    refused = _undroppable(holder, index.table, wish, catalogue) or ("" if wish.replace else "replace is not set")
    if refused or holder is None:
        reason = f"{note} and cannot get the name {identifier(wish.name)}, which another has: {refused}"
        return replace(item, action="conflict", reason=reason, steps=(), checked=False)
    reason = f"{note}; {identifier(wish.name)} is another index"
    return replace(item, action="replace", reason=reason, steps=(*item.steps, drop(holder), renaming))


def _conflict(
    bound: Bound, item: Item, holder: Index | None, catalogue: Catalogue, taken: set[tuple[str, str]]
) -> Item:
    """The wanted name is taken by something that is not the wanted index."""
    wish, table, definition = bound.wish, bound.place, bound.read
    reason = _holder(bound, holder, catalogue)
    refused = _undroppable(holder, table.oid, wish, catalogue)
    if holder is not None and holder.builder:
        return replace(item, action="building", reason=_at_work(holder))
    if refused or holder is None or not wish.replace:
        hint = refused or "set replace to build the wanted one beside it and then drop it"
        return replace(item, action="conflict", reason=f"{reason}: {hint}")
    passing = passing_name(wish.name)
    steps: list[Step] = []
    if (table.schema, passing) in taken:
        earlier = catalogue.named(table.schema, passing)
        if earlier is None or earlier.valid or earlier.builder or _undroppable(earlier, table.oid, wish, catalogue):
            return replace(item, action="conflict", reason=f"{reason}: the name {identifier(passing)} is taken")
        steps.append(drop(earlier))
    taken.add((table.schema, passing))
    steps += [*_build(bound, passing, catalogue, taken), drop(holder)]
    steps.append(Step.renaming(table.schema, passing, wish.name, table.oid))
    return replace(item, action="replace", reason=reason, steps=tuple(steps), checked=definition.unique)


def _holder(bound: Bound, holder: Index | None, catalogue: Catalogue) -> str:
    if holder is None:
        return "the name belongs to something that is no index"
    if holder.table != bound.place.oid:
        return f"the name is that of an index of {_table(holder.table, catalogue)}"
    return f"an index of that name has another definition: {describe(holder.definition)}"


def _undroppable(holder: Index | None, table: int | None, wish: Wish, catalogue: Catalogue) -> str:
    """Why an index is not dropped, or nothing; ``table`` is the one that it should belong to, if that is known."""
    if holder is None:
        return "it is no index and not dropped"
    if table is not None and holder.table != table:
        return f"it is an index of {_table(holder.table, catalogue)} and not dropped"
    other = catalogue.serving.get(holder.oid, wish.what)
    why = holder.protected or (f"{other} wants it as it is" if other != wish.what else "")
    return f"it is not dropped: {why}" if why else ""


def _table(oid: int, catalogue: Catalogue) -> str:
    table = catalogue.tables.get(oid)
    return identifier(table.schema, table.name) if table else "another table"


def _place(index: Index, catalogue: Catalogue) -> str:
    return index.tablespace or catalogue.default_tablespace


def _at_work(index: Index) -> str:
    return f"the session with pid {index.builder} is building {identifier(index.schema, index.name)} just now"


def _default_name(bound: Bound, taken: set[tuple[str, str]]) -> str:
    """A name as the server would choose it."""
    parts = [element.column or "expr" for element in bound.wish.elements]
    text = shorten("_".join([bound.place.name, *parts]), "_idx")
    return free_name(text, bound.place.schema, taken)
