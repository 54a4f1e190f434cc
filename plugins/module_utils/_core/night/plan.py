# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done while hardly anybody is there (S51, C16): when, what of it, and when it stops. All of it pure.

Autovacuum works all day, by thresholds that leave the day's load alone. The night takes what is below them:
tables with dead rows, with new rows that no index-only scan can use yet, or with old row versions; statistics
that are a little stale; indexes that are much larger than they need be, where the user allowed it; and memory
that Redis holds without using it. Sources: PostgreSQL's manual, 24.1 (routine vacuuming) and REINDEX; Redis'
MEMORY PURGE, which gives freed pages back and touches no key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ..autoscaler.calendar import Calendar
from ..errors import InputError
from ..index_advice import Advice
from ..index_sql import identifier
from ..names import did_you_mean
from ..units import MB, shown

#: Shares of a table's rows, and the least number of rows, from which it is worth the work.
DEAD_SHARE, NEW_SHARE, CHANGED_SHARE = 0.02, 0.05, 0.01
LEAST_ROWS = 50
#: Transactions after which row versions are frozen; autovacuum forces it at 200 million, whenever that is.
OLD_AGE = 100_000_000
#: What Redis may hold beyond what it uses: a share, and bytes.
RESIDENT_SHARE, RESIDENT_BYTES = 0.1, 8 * MB
#: Bytes that stay free beside the copy that a rebuild makes.
SPARE = 1024 * MB
_MINUTE = 60
_DAY = 86400


@dataclass(frozen=True)
class Table:
    """A table as the statistics views have it. ``age``: transactions since its oldest row version was frozen."""

    schema: str
    name: str
    rows: int
    dead: int
    inserted: int
    changed: int
    age: int


@dataclass(frozen=True)
class Task:
    """One thing to do. ``kind``: vacuum, rebuild or purge; ``sql`` for the first two, ``bytes`` of an index."""

    kind: str
    what: str
    why: str
    sql: str = ""
    schema: str = ""
    index: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class Memory:
    """Of Redis' allocator, in bytes: pages that hold data, and pages that it has of the host.

    The process has some more for its program, which no purge gives back.
    """

    used: int
    resident: int


@dataclass(frozen=True)
class Window:
    """The band is open from ``begins`` until ``ends``, seconds since 1970."""

    begins: float
    ends: float


def low_band(calendar: Calendar, wanted: str = "") -> str:
    """The band to work in: the wanted one, or that with the fewest replicas."""
    names = [band.name for band in calendar.bands]
    if not wanted:
        return min(calendar.bands, key=lambda band: (band.maximum, band.minimum, -band.start)).name
    if wanted not in names:
        near = did_you_mean(wanted, names)
        hint = f"did you mean {near}?" if near else f"take one of {', '.join(names)}"
        raise InputError(f"night_work_band: the calendar has no band {shown(wanted)}; {hint}")
    return wanted


def window(calendar: Calendar, band: str, now: float, margin: float) -> Window | None:
    """The band's window at ``now``, which closes ``margin`` seconds early; None outside of it."""
    if calendar.at(now).band != band:
        return None
    minute = int(now // _MINUTE)
    first = last = minute
    while calendar.at((first - 1) * _MINUTE).band == band and minute - first < _DAY // _MINUTE:
        first -= 1
    while calendar.at(last * _MINUTE).band == band and last - minute < _DAY // _MINUTE:
        last += 1
    found = Window(float(first * _MINUTE), last * _MINUTE - margin)
    return found if now < found.ends else None


def stop_reason(now: float, open_until: float, rate: float, most: float) -> str:
    """Why to stop, or "". ``rate``: transactions of others in a second; NaN where it could not be measured."""
    if now >= open_until:
        return "the band ends"
    if not rate <= most:
        return f"{rate:.1f} transactions a second, more than {most:g}"
    return ""


def vacuums(tables: Iterable[Table]) -> list[Task]:
    """VACUUM with ANALYZE, or ANALYZE alone, where there is something to do; the oldest, then the dirtiest first."""
    found = []
    for table in tables:
        why = []
        old = table.age >= OLD_AGE
        if old:
            why.append(f"row versions {table.age} transactions old")
        if table.dead >= max(LEAST_ROWS, DEAD_SHARE * table.rows):
            why.append(f"{table.dead} dead rows of {table.rows}")
        if table.inserted >= max(LEAST_ROWS, NEW_SHARE * table.rows):
            why.append(f"{table.inserted} new rows since the last vacuum")
        cleans = bool(why)
        stale = table.changed >= max(LEAST_ROWS, CHANGED_SHARE * table.rows)
        if stale:
            why.append(f"{table.changed} changes since the last analyze")
        if not why:
            continue
        place = identifier(table.schema, table.name)
        # Without TRUNCATE it never asks for a lock that readers would wait for.
        options = [*(["FREEZE"] if old else []), *(["ANALYZE"] if stale else []), "TRUNCATE FALSE", "SKIP_LOCKED"]
        sql = f"VACUUM ({', '.join(options)}) {place}" if cleans else f"ANALYZE {place}"
        share = table.dead / max(table.rows, 1)
        found.append((not old, -share, place, Task("vacuum", place, ", ".join(why), sql)))
    return [task for *_order, task in sorted(found, key=lambda one: one[:3])]


def rebuilds(
    advice: Iterable[Advice], sizes: dict[tuple[str, str], int], allowed: bool | Collection[str]
) -> list[Task]:
    """REINDEX of what the advice calls bloated, where the user allowed it: all, or by name; the largest first."""
    found = []
    for one in advice:
        named = allowed if isinstance(allowed, bool) else bool({one.index, f"{one.schema}.{one.index}"} & set(allowed))
        if one.kind == "bloated_index" and named:
            size = sizes.get((one.schema, one.index), 0)
            what = identifier(one.schema, one.index)
            found.append(Task("rebuild", what, one.message, one.statement, one.schema, one.index, size))
    return sorted(found, key=lambda task: (-task.bytes, task.what))


def has_room(task: Task, free: int) -> bool:
    """Whether a rebuild's copy fits: at most as large as the index is, and as much again in WAL."""
    return free >= 2 * task.bytes + SPARE


def purge(memory: Memory | None) -> list[Task]:
    """MEMORY PURGE where Redis holds much more than it uses; no key is touched."""
    if memory is None:
        return []
    spare = memory.resident - memory.used
    if spare < max(RESIDENT_BYTES, RESIDENT_SHARE * memory.used):
        return []
    return [Task("purge", "memory of Redis", f"{spare // MB} MB more than its data take")]


def parse_memory(reply: str) -> Memory | None:
    """``INFO memory``; None where it is none."""
    fields = dict(line.strip().split(":", 1) for line in reply.splitlines() if ":" in line)
    try:
        return Memory(int(fields["allocator_active"]), int(fields["allocator_resident"]))
    except (KeyError, ValueError):
        return None
