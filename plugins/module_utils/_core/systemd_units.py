# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of systemd: what must happen so that files, boot and running state agree.

Everything is derived from the state that systemd reports, never from "the file was
changed a moment ago": a run that was interrupted after it wrote a file is mended by
the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from .errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*\.(service|timer|path|socket|mount|swap|target)")
_ACTIVE = ("active", "activating", "reloading")


@dataclass(frozen=True)
class Unit:
    """A unit as it should be. ``state`` is "started", "stopped" or "any"; absent units have no content."""

    name: str
    content: str | None
    enabled: bool | None
    state: str

    @property
    def path(self) -> str:
        """Where the file is."""
        return f"/etc/systemd/system/{self.name}"


@dataclass(frozen=True)
class Found:
    """A unit as systemd and the disk show it. Times are seconds since 1970.

    ``skipped_at``: when systemd found a condition of the unit not to be met; 0 where that is not so.
    """

    content: str | None
    modified_at: float = 0.0
    needs_reload: bool = False
    enabled: bool = False
    active_state: str = "inactive"
    active_since: float = 0.0
    skipped_at: float = 0.0


@dataclass(frozen=True)
class Change:
    """One step: "write", "remove", "reload", "enable", "disable", "start", "restart" or "stop"."""

    what: str
    name: str


def parse_unit(name: str, content: str | None, enabled: bool | None, state: str) -> Unit:
    """A checked unit; ``content`` of None means that it must not exist."""
    if not _NAME.fullmatch(name):
        raise InputError(f'"{name}" is no name of a unit; write it like "firstbell-cleanup.timer"')
    if content is None:
        return Unit(name, None, None, "stopped")
    return Unit(name, content if content.endswith("\n") else content + "\n", enabled, state)


def parse_timestamp(text: str) -> float:
    """Seconds since 1970 from what ``systemctl show --timestamp=us+utc`` prints; "" is 0.

    This is the wall clock of that moment, as is a file's time of change: a clock
    that was set later leaves their order alone.
    """
    if not text:
        return 0.0
    moment = datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S.%f UTC")
    return moment.replace(tzinfo=timezone.utc).timestamp()


def plan(units: Iterable[Unit], found: Mapping[str, Found]) -> tuple[Change, ...]:
    """All steps in the order in which they must be taken."""
    writes: list[Change] = []
    settles: list[Change] = []
    leaves: list[Change] = []
    reload = False
    for unit in units:
        actual = found[unit.name]
        if unit.content is None:
            steps = _leave(unit, actual)
            leaves += steps
            reload = reload or bool(steps) or actual.needs_reload
            continue
        if actual.content != unit.content:
            writes.append(Change("write", unit.name))
        reload = reload or actual.content != unit.content or actual.needs_reload
        settles += _settle(unit, actual)
    reloads = [Change("reload", "systemd")] if reload else []
    return (*leaves, *writes, *reloads, *settles)


def _leave(unit: Unit, actual: Found) -> list[Change]:
    steps = []
    if actual.active_state in _ACTIVE:
        steps.append(Change("stop", unit.name))
    if actual.enabled:
        steps.append(Change("disable", unit.name))
    if actual.content is not None:
        steps.append(Change("remove", unit.name))
    return steps


def _settle(unit: Unit, actual: Found) -> list[Change]:
    steps = []
    if unit.enabled is not None and unit.enabled != actual.enabled:
        steps.append(Change("enable" if unit.enabled else "disable", unit.name))
    active = actual.active_state in _ACTIVE
    outdated = actual.content != unit.content or actual.modified_at > actual.active_since
    skipped = actual.content == unit.content and actual.skipped_at > actual.modified_at
    if unit.state == "started" and not active:
        steps += [] if skipped else [Change("start", unit.name)]
    elif unit.state == "started" and outdated:
        steps.append(Change("restart", unit.name))
    elif unit.state == "stopped" and active:
        steps.append(Change("stop", unit.name))
    return steps
