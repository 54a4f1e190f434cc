# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of PostgreSQL's write-ahead log: their names, their order, and which are missing.

A file holds 16 MiB (initdb's default, which the image keeps). Its name is timeline, high and low
half of its number, 8 hexadecimal digits each; the low half counts to 255.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .errors import FirstbellError

SEGMENT_BYTES = 16 * 1024 * 1024
_PER_HIGH = 0x100000000 // SEGMENT_BYTES
#: Seconds by which files that are archived at once may overtake each other.
_LATE = 300
_NAME = re.compile(r"[0-9A-F]{24}")
_ARCHIVED = re.compile(r"(?:.*/)?([0-9A-F]{24})-[0-9a-f]{40}(?:\.[a-z0-9]+)?")


@dataclass(frozen=True, order=True)
class Segment:
    """One file. ``number`` counts from the beginning of the log."""

    timeline: int
    number: int

    @property
    def name(self) -> str:
        return f"{self.timeline:08X}{self.number // _PER_HIGH:08X}{self.number % _PER_HIGH:08X}"


@dataclass(frozen=True)
class Archived:
    """A file in a repository; ``time`` is when it arrived, in seconds since 1970."""

    segment: Segment
    time: int
    size: int


@dataclass(frozen=True)
class Gap:
    """Files of one timeline that are missing, from the first to the last one."""

    first: Segment
    last: Segment

    @property
    def count(self) -> int:
        return self.last.number - self.first.number + 1

    def __str__(self) -> str:
        return self.first.name if self.count == 1 else f"{self.first.name} to {self.last.name} ({self.count} files)"


def parse_segment(name: str) -> Segment:
    """The file of that name; raises FirstbellError."""
    if not _NAME.fullmatch(name):
        raise FirstbellError(f"{name!r} is no name of a WAL file")
    return Segment(int(name[:8], 16), int(name[8:16], 16) * _PER_HIGH + int(name[16:], 16))


def parse_lsn(text: str) -> int:
    """A position in the log, such as 0/2000028, in bytes; raises FirstbellError."""
    match = re.fullmatch(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})", text.strip())
    if not match:
        raise FirstbellError(f"{text!r} is no position in the WAL; one looks like 0/3000148")
    return (int(match[1], 16) << 32) + int(match[2], 16)


def segment_of(lsn: int, timeline: int) -> Segment:
    """The file that holds the byte at that position."""
    return Segment(timeline, lsn // SEGMENT_BYTES)


def parse_listing(text: str) -> list[Archived]:
    """The WAL files in the answer of ``pgbackrest repo-ls --recurse --output=json``, in their order."""
    with _readable(text):
        found = [
            Archived(parse_segment(match[1]), int(entry["time"]), int(entry["size"]))
            for path, entry in json.loads(text).items()
            if entry["type"] == "file" and (match := _ARCHIVED.fullmatch(path))
        ]
    return sorted(found, key=lambda archived: archived.segment)


def changed_later(archive: Sequence[Archived]) -> list[Archived]:
    """Of the files in their order, those that are empty, or were written long after the one that follows them."""
    followers = [*archive[1:], None]
    return [
        entry
        for entry, after in zip(archive, followers)
        if not entry.size
        or (after and after.segment.timeline == entry.segment.timeline and entry.time - after.time > _LATE)
    ]


def folders(text: str) -> list[str]:
    """The folders in such a list, without what is in them."""
    with _readable(text):
        return sorted(path for path, entry in json.loads(text).items() if entry["type"] == "path" and path != ".")


def histories(text: str) -> list[int]:
    """The timelines whose history files are in such a list."""
    with _readable(text):
        return sorted(
            int(m[1], 16) for path in json.loads(text) if (m := re.fullmatch(r"(?:.*/)?([0-9A-F]{8})\.history", path))
        )


@contextlib.contextmanager
def _readable(text: str) -> Iterator[None]:
    """Raise FirstbellError where the answer is no such list."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FirstbellError(f"pgBackRest's list of files cannot be read ({error!r}): {text[:200]!r}") from None


def parse_history(text: str, timeline: int) -> dict[int, int]:
    """For each timeline up to this one, the number of its first file, from a history file.

    Each line names a parent, where it was left, and why. The oldest began at 0.
    """
    rows = [line.split(None, 2) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        parents = [(int(row[0]), parse_lsn(row[1])) for row in rows]
    except (ValueError, IndexError) as error:
        raise FirstbellError(f"the history of timeline {timeline} cannot be read: {error}") from None
    children = [parent for parent, _lsn in parents[1:]] + [timeline]
    return {child: lsn // SEGMENT_BYTES for child, (_parent, lsn) in zip(children, parents)}


def find_gaps(
    segments: Iterable[Segment],
    needed_from: Segment,
    starts: Mapping[int, int] | None = None,
    newest: Segment | None = None,
) -> list[Gap]:
    """What is missing between ``needed_from``, where the oldest backup begins, and the newest file.

    ``starts``: first file of the timelines that a restore made. ``newest``: the file that the
    server archived last, by its own account; without it, a loss at the end cannot be seen.
    """
    starts = starts or {}
    by_timeline: dict[int, set[int]] = {}
    for segment in segments:
        if segment.timeline >= needed_from.timeline and segment.number >= _first(segment.timeline, needed_from, starts):
            by_timeline.setdefault(segment.timeline, set()).add(segment.number)
    if newest is not None:
        by_timeline.setdefault(newest.timeline, set())
    by_timeline.setdefault(needed_from.timeline, set())
    gaps: list[Gap] = []
    for timeline, present in sorted(by_timeline.items()):
        known = timeline == needed_from.timeline or timeline in starts
        first = _first(timeline, needed_from, starts) if known else min(present, default=0)
        last = max(present, default=first)
        if newest is not None and newest.timeline == timeline:
            last = max(last, newest.number)
            first = first if known or present else newest.number
        gaps += _missing(timeline, first, last, present)
    return gaps


def _first(timeline: int, needed_from: Segment, starts: Mapping[int, int]) -> int:
    return needed_from.number if timeline == needed_from.timeline else starts.get(timeline, 0)


def _missing(timeline: int, first: int, last: int, present: set[int]) -> list[Gap]:
    gaps = []
    expected = first
    for number in [*sorted(n for n in present if first <= n <= last), last + 1]:
        if number > expected:
            gaps.append(Gap(Segment(timeline, expected), Segment(timeline, number - 1)))
        expected = number + 1
    return gaps


def covers(gap: Gap, start: Segment, stop: Segment) -> bool:
    """Whether a gap lies within what a backup itself needs to become consistent."""
    return gap.first.timeline == start.timeline and gap.first.number <= stop.number and gap.last.number >= start.number
