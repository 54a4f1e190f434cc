# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether backups end before the next ones are due."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

from .findings import Finding
from .pgbackrest import Stanza
from .units import format_duration

#: For each kind of backup the kinds that must not begin before it has ended. The hourly ones wait while a
#: larger one is made, and lose nothing: what they would hold is in it, or in the next.
IN_THE_WAY: Mapping[str, tuple[str, ...]] = {"incr": ("incr",), "diff": ("diff", "full"), "full": ("diff", "full")}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? UTC")


def parse_elapses(text: str) -> list[float]:
    """The moments in the answer of ``systemd-analyze calendar --iterations=N``, in seconds since 1970.

    Where the host's time zone is another one, it tells each moment in UTC as well.
    """
    found = (datetime.strptime(moment, "%Y-%m-%d %H:%M:%S") for moment in _MOMENT.findall(text))
    return [moment.replace(tzinfo=timezone.utc).timestamp() for moment in found]


def intervals(elapses: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """For each kind the shortest time from one to the next that must not begin before it has ended."""
    found = {}
    for kind, others in IN_THE_WAY.items():
        own = elapses.get(kind, ())
        moments = sorted({moment for other in others for moment in elapses.get(other, ())})
        steps = [later - earlier for earlier, later in zip(moments, moments[1:]) if earlier in own]
        if steps:
            found[kind] = min(steps)
    return found


def slow_backups(stanza: Stanza, allowed: Mapping[str, float], command: str) -> Iterator[Finding]:
    """Kinds whose newest backup took longer than the time until the next.

    The repositories are written one after the other, so their times add up.
    """
    numbers = sorted({backup.repository for backup in stanza.backups})
    for kind, interval in allowed.items():
        newest = [stanza.newest(kind, repository=number) for number in numbers]
        took = sum(backup.stop - backup.start for backup in newest if backup)
        if took > interval:
            yield Finding(
                "schedule",
                f"the last {kind} backup took {format_duration(round(took))}, and the next is due "
                f"{format_duration(round(interval))} after it began",
                f"Raise the cpus of backup_limits, or make backups less often (backup_schedule_{kind}); then the "
                f"playbook site. How long each takes: {command} info",
            )
