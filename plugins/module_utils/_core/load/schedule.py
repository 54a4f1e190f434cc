# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When requests are to be sent, and what the times that they took amount to.

Arrivals do not wait for answers: a stack that becomes slow is asked as often as before, as by people who do not
know of each other. A latency counts from the moment at which the request was to be sent, not from the one at which
the generator got round to it; otherwise a stall hides all the requests that would have suffered from it ("coordinated
omission": G. Tene, How NOT to Measure Latency).
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Mapping, Sequence


def arrivals(rates: Mapping[str, float], seconds: float) -> Iterator[tuple[float, str]]:
    """Offset in seconds and scenario of every arrival, in order.

    A scenario has one arrival in each of its distances (1 / rate), at a moment of it that is drawn. At even distances,
    rates of 10 and 20 a second would keep step: one scenario would always come just behind the other and wait for it,
    or never. The same rates draw the same moments.
    """
    dice = {name: random.Random(name) for name in sorted(rates) if rates[name] > 0}  # noqa: S311 - guards nothing
    queue = [(one.random() / rates[name], name, 0) for name, one in dice.items()]
    heapq.heapify(queue)
    while queue and queue[0][0] < seconds:
        offset, name, number = queue[0]
        yield offset, name
        heapq.heapreplace(queue, ((number + 1 + dice[name].random()) / rates[name], name, number + 1))


def planned(rates: Mapping[str, float], seconds: float) -> dict[str, int]:
    """How many arrivals each scenario has."""
    counts = dict.fromkeys((name for name, rate in rates.items() if rate > 0), 0)
    for _offset, name in arrivals(rates, seconds):
        counts[name] += 1
    return counts


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed (nearest rank); 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest, in seconds."""
    names = {"p50_seconds": 0.50, "p95_seconds": 0.95, "p99_seconds": 0.99, "max_seconds": 1.0}
    return {name: round(percentile(values, share), 4) for name, share in names.items()}
