# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of which times a peak says something: rehearsals and load tests make peaks that nobody has to make room for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..records import Record

DAY = 86400.0
REHEARSALS = ("alert_drill", "capacity", "failover_drill", "load_test", "rollout_drill")
#: A rate over five minutes has forgotten them after that.
AFTER = 300.0
#: What is left between two of them and is shorter says too little.
LEAST = 3600.0

Span = tuple[float, float]
"""Begin and end in seconds since 1970."""


def rehearsals(records: Iterable[Record]) -> list[Span]:
    """When the stack was loaded or broken on purpose."""
    return sorted((one.at, one.at + one.seconds + AFTER) for one in records if one.kind in REHEARSALS)


def quiet(now: float, span: float, busy: Sequence[Span]) -> list[Span]:
    """Pieces of the last ``span`` seconds without the busy ones, of a day at most, the newest first.

    A time that is shorter, or has no quiet piece, is one piece as it is.
    """
    found: list[Span] = []
    begin = now - span
    for start, end in [*busy, (now, now)]:
        free = min(start, now)
        while free - begin >= LEAST:
            found.append((max(begin, free - DAY), free))
            free -= DAY
        begin = max(begin, end)
    return sorted(found, reverse=True) or [(now - max(span, LEAST), now)]
