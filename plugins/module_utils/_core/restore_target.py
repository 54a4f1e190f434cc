# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a restore shall end, what makes that impossible, and the proof that it did end there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from .errors import FirstbellError, InputError
from .pgbackrest import Backup, Stanza
from .wal import SEGMENT_BYTES, Archived, parse_lsn

LATEST, TIME, LSN, BACKUP = "latest", "time", "lsn", "backup"
_STOPPING = re.compile(r"LOG: +recovery stopping (?:before|after) ")
_REDO_DONE = re.compile(r"LOG: +redo done at ([0-9A-F]+/[0-9A-F]+)")
_NO_REDO = re.compile(r"LOG: +redo is not required")
_UNREACHED = "recovery ended before configured recovery target was reached"


@dataclass(frozen=True)
class Target:
    """Where to end. ``when`` in seconds since 1970, ``lsn`` in bytes, ``label`` a backup's."""

    kind: str
    text: str = ""
    when: float = 0.0
    lsn: int = 0
    label: str = ""


@dataclass(frozen=True)
class Choice:
    """A target with the backup to begin from. ``timeline``: 0 for the newest one."""

    target: Target
    backup: Backup
    timeline: int = 0

    def options(self) -> list[str]:
        """What pgBackRest is told of it; PostgreSQL stops at the target and then takes writes."""
        chosen = [f"--set={self.backup.label}"]
        if self.target.kind == LATEST:
            return [*chosen, "--type=default"]
        if self.target.kind == BACKUP:
            return [*chosen, "--type=immediate", "--target-action=promote"]
        kind = {TIME: "time", LSN: "lsn"}[self.target.kind]
        timeline = [f"--target-timeline={self.timeline}"] if self.timeline else []
        return [*chosen, f"--type={kind}", f"--target={self.target.text}", "--target-action=promote", *timeline]


def utc(when: float) -> str:
    """A moment as PostgreSQL and pgBackRest read it."""
    return datetime.fromtimestamp(when, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f+00")


def parse_time(text: str) -> Target:
    """A moment with its time zone; raises InputError."""
    example = "write one such as 2027-03-01 07:45:00+01:00, with the difference to UTC"
    spelled = re.sub(r"([+-]\d\d)$", r"\1:00", text.strip()).replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(spelled)
    except ValueError:
        raise InputError(f"time: {text!r} is no time; {example}") from None
    if moment.tzinfo is None:
        raise InputError(f"time: {text!r} does not say in which time zone; {example}")
    when = moment.timestamp()
    return Target(TIME, utc(when), when=when)


def parse_as_of(text: str, repository: int | None) -> tuple[str, int | None]:
    """The moment of which the store is to be read, as pgBackRest reads it, and the repository; raises InputError.

    Only a store keeps versions: without a repository named, it is the one in S3.
    """
    if not text:
        return "", repository
    if repository == 1:
        raise InputError("as-of: the repository on the host keeps no versions; name the store: repository 2")
    return utc(parse_time(text).when).partition(".")[0] + "+00", repository or 2


def parse_target(time: str = "", lsn: str = "", backup: str = "") -> Target:
    """The target that was given, the newest moment without one; raises InputError."""
    given = [name for name, value in (("time", time), ("lsn", lsn), ("backup", backup)) if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: a restore has one target; give one of them")
    if time:
        return parse_time(time)
    if lsn:
        try:
            return Target(LSN, lsn.strip().upper(), lsn=parse_lsn(lsn))
        except FirstbellError as error:
            raise InputError(f"lsn: {error}") from None
    return Target(BACKUP, backup, label=backup) if backup else Target(LATEST)


def choose(
    target: Target, stanza: Stanza, now: float, archived: Sequence[Archived] = (), repository: int | None = None
) -> Choice:
    """The backup from which a target is reached with the least WAL; raises InputError where there is none."""
    backups = sorted(
        (b for b in stanza.backups if not b.error and repository in (None, b.repository)),
        key=lambda b: (b.stop, -b.repository),
    )
    if not backups:
        where = f"repository {repository}" if repository else "any repository"
        raise InputError(f"there is no backup in {where} that could be restored; look at the command's info")
    oldest = backups[0]
    if target.kind == LATEST:
        return Choice(target, _best(backups))
    if target.kind == BACKUP:
        found = next((b for b in backups if b.label == target.label), None)
        if found is None:
            raise InputError(f"backup: there is none of the name {target.label!r}; there are {_labels(backups)}")
        return Choice(target, found)
    if target.kind == TIME:
        if target.when > now:
            raise InputError(f"time: {target.text} is in the future; it is {utc(now)} now")
        possible = [b for b in backups if b.stop <= target.when]
        if not possible:
            raise InputError(
                f"time: {target.text} is before the first backup; the earliest moment is {utc(oldest.stop)} "
                f"(backup {oldest.label})"
            )
        return Choice(target, _best(possible), timeline_at(archived, target.when))
    possible = [b for b in backups if b.stop_lsn and parse_lsn(b.stop_lsn) <= target.lsn]
    if not possible:
        raise InputError(
            f"lsn: {target.text} is before the end of the first backup, {oldest.stop_lsn} ({oldest.label})"
        )
    return Choice(target, _best(possible))


def _best(backups: Sequence[Backup]) -> Backup:
    """The newest one in the repository that is nearest; the store is asked only where nothing else is left."""
    nearest = min(backup.repository for backup in backups)
    return max((b for b in backups if b.repository == nearest), key=lambda b: b.stop)


def timeline_at(archived: Iterable[Archived], when: float) -> int:
    """The timeline that was written at a moment: that of the first file that arrived after it.

    0 for the newest one. Each restore begins another timeline; a moment that lies before
    the last restore may belong to one that was left.
    """
    later = [(entry.time, entry.segment.timeline) for entry in archived if entry.time >= when]
    return min(later)[1] if later else 0


def _labels(backups: Sequence[Backup]) -> str:
    shown = [b.label for b in backups[-5:]]
    return ", ".join(reversed(shown)) + (f" and {len(backups) - 5} older ones" if len(backups) > len(shown) else "")


def refuse_unreached(target: Target, log: str) -> None:
    """Raise FirstbellError if the server ended because the WAL does."""
    if _UNREACHED in log:
        raise FirstbellError(
            f"the target {target.kind} {target.text} was not reached: the archived WAL ends before it. "
            "For a time, this also means that nothing was committed after it; then restore the latest moment"
        )


def prove(target: Target, log: str, newest: int | None) -> str:
    """What the server's log says about where it ended; raises FirstbellError unless that is the target.

    ``newest`` is the number of the last file in the archive. PostgreSQL takes the first file that
    is missing for the end of the log and says nothing, so "latest" is held against it.
    """
    refuse_unreached(target, log)
    if target.kind != LATEST:
        if not _STOPPING.search(log):
            raise FirstbellError(f"the server does not say that it stopped at the target {target.kind} {target.text}")
        return next(line.split("LOG:")[1].strip() for line in log.splitlines() if _STOPPING.search(line))
    done = _REDO_DONE.search(log)
    if not done and not _NO_REDO.search(log):
        raise FirstbellError("the server does not say where its recovery ended")
    end = done[1] if done else ""
    if newest is not None and done and parse_lsn(end) // SEGMENT_BYTES < newest:
        raise FirstbellError(
            f"recovery ended at {end}, before the end of the archive: a WAL file is missing in between. "
            f"What can be reached is restored by giving this position as the target: lsn {end}"
        )
    return f"recovery ended at {end}"


def refuse_overwriting(stack: str, overwrite: str, occupied: bool) -> None:
    """Raise InputError where data would be replaced whose name was not told."""
    if overwrite and overwrite != stack:
        raise InputError(f"overwrite: this stack is called {stack!r}, not {overwrite!r}; nothing was touched")
    if occupied and overwrite != stack:
        raise InputError(
            f"there is a database in place. To replace it, name the stack: -e restore_overwrite={stack} "
            f"(on the host: --overwrite {stack}). It is kept aside until the restore has succeeded"
        )
