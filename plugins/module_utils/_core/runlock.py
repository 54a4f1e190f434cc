# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a host: who holds the lock, and whether another may have it.

A run is the main process of ansible-playbook on a controller. Only that
controller can see whether it still lives; for everybody else the lock ends with
its time to live.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from .errors import FirstbellError, InputError
from .units import format_duration

OVERRIDE = "firstbell_lock_override"


@dataclass(frozen=True)
class Owner:
    """A run. What the controller cannot tell is empty or 0.

    ``machine`` is a hash of the machine's id and name, ``boot`` the kernel's boot
    id, ``namespace`` that of its process ids, ``started`` the start of the process
    in clock ticks since the boot.
    """

    machine: str
    boot: str
    namespace: str
    pid: int
    started: int
    user: str
    host: str
    playbook: str

    def is_same(self, other: Owner) -> bool:
        """Whether both are one process; who started it for which playbook does not matter."""
        return self._process() == other._process()

    def _process(self) -> tuple[object, ...]:
        return (self.machine, self.boot, self.namespace, self.host, self.pid, self.started)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, pid {self.pid}, {self.playbook}"


@dataclass(frozen=True)
class Record:
    """The lock as it lies on the host. Times are seconds of the host's own clock, ``ttl`` counts from ``renewed``."""

    owner: Owner
    token: str
    since: float
    renewed: float
    ttl: float

    @property
    def expires(self) -> float:
        return self.renewed + self.ttl


@dataclass(frozen=True)
class Decision:
    """``action`` is acquire, keep, take over, refuse, release or nothing.

    ``ask`` says that our own controller can see whether the holder still runs.
    """

    action: str
    reason: str = ""
    ask: bool = False


class LockedError(FirstbellError):
    """Another run holds the host."""


def dump(record: Record) -> str:
    return json.dumps(asdict(record), indent=2) + "\n"


def load(text: str, where: str) -> Record:
    """The record in a lock file; raises InputError for anything else."""
    try:
        data = json.loads(text)
        numbers = {name: float(data[name]) for name in ("since", "renewed", "ttl")}
        return Record(owner=owner(data["owner"]), token=str(data["token"]), **numbers)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{where} is no lock of this collection ({error!r}); if no run is under way: rm {where}"
        ) from None


def owner(data: Mapping[str, object]) -> Owner:
    """An owner from its fields; raises KeyError where one is missing."""
    values = {field.name: data[field.name] for field in fields(Owner)}
    pid, started = (int(str(values.pop(name))) for name in ("pid", "started"))
    return Owner(pid=pid, started=started, **{name: str(value) for name, value in values.items()})


def visible(holder: Owner, me: Owner) -> bool:
    """Whether ``me``'s controller sees the holder's process in its process table."""
    return bool(me.boot) and (holder.boot, holder.namespace) == (me.boot, me.namespace)


def rebooted(holder: Owner, me: Owner) -> bool:
    """Whether the holder ran on ``me``'s machine before that was started anew."""
    known = bool(me.machine and me.boot and holder.boot)
    return known and (holder.machine, holder.host) == (me.machine, me.host) and holder.boot != me.boot


def acquire(record: Record | None, me: Owner, now: float, dead: str = "", override: bool = False) -> Decision:
    """Whether ``me`` may have the lock. ``dead`` is the token of a record whose owner is known to live no more."""
    if record is None:
        return Decision("acquire")
    if record.owner.is_same(me):
        return Decision("keep")
    over = _over(record, me, now, dead, override)
    if over:
        return Decision("take over", over)
    if visible(record.owner, me):
        return Decision("refuse", "it is still running", ask=True)
    return Decision("refuse", f"whether it is still running cannot be seen from {me.host}")


def _over(record: Record, me: Owner, now: float, dead: str, override: bool) -> str:
    """Why the lock counts no more, or nothing. A holder that can be seen is looked at, however old its lock is."""
    if record.token == dead:
        return "its process has ended without giving the lock back"
    if rebooted(record.owner, me):
        return f"{me.host} was started anew since"
    if override:
        return "it was overridden"
    if now >= record.expires and not visible(record.owner, me):
        return f"its time of {format_duration(record.ttl)} is over"
    return ""


def release(record: Record | None, me: Owner, override: bool = False) -> Decision:
    """Whether ``me`` may remove the lock: its own one, or any with ``override``."""
    if record is None:
        return Decision("nothing")
    if record.owner.is_same(me) or override:
        return Decision("release")
    return Decision("nothing", f"the lock is now that of {record.owner}")


def refusal(record: Record, decision: Decision, now: float, where: str) -> str:
    """What the user reads: who, since when, and what to type."""
    pid, host = record.owner.pid, record.owner.host
    if decision.ask:
        way = f"Wait for it, or end it with: kill {pid} (on {host})"
    else:
        left = format_duration(max(0, round(record.expires - now)))
        way = f"Wait for it; the lock ends by itself in {left}"
    return (
        f"another run is at work on this host: {record.owner}, since {_time(record.since)}"
        f" ({format_duration(max(0, round(now - record.since)))} ago), and {decision.reason}. {way}."
        f" To take the lock ({where}) all the same, when you know that nobody works here, type: -e {OVERRIDE}=true"
    )


def takeover(record: Record, decision: Decision) -> str:
    """What is said when a lock changes hands."""
    return f"took the lock over from {record.owner}, since {_time(record.since)}: {decision.reason}"


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
