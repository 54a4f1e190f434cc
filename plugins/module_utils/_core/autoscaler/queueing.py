# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A queueing model of the application: M/M/c, with a backlog where there are too few replicas.

Requests come at random (Poisson) at a rate, each replica is one server of exponential service
time, all take from one queue, as HAProxy with ``leastconn`` comes close to. Replicas of one host
share its CPUs: more of them than there are CPUs serve no more at once than the CPUs do, and what
the database and the edge take for a request is gone for them. A rate above what the
servers carry builds a backlog that is worked off later (a fluid model). Formulas: L. Kleinrock,
Queueing Systems, volume 1 (1975), section 3.5 (Erlang C).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

#: CPU time of one request in milliseconds and its share, measured on the example application with
#: Node 22: scan 2.3-3.0, login page 3-5, dashboard 6, password check 55. The shares are those of a
#: morning, when every user signs in once, looks at some pages and scans.
MIX: Sequence[tuple[str, float, float]] = (
    ("scan", 2.65, 0.50),
    ("dashboard", 6.0, 0.38),
    ("login page", 4.0, 0.08),
    ("password check", 55.0, 0.04),
)

#: CPU time of a request in the database, its pool and the edge, in seconds: 0.5 ms of the database for a scan,
#: measured as above, and as much again for the rest.
BESIDE = 0.001

#: Busier than this, the formula for the steady state says nothing of the minutes that it is asked for.
_BUSY = 0.98
_BISECTIONS = 60


def service_time(mix: Sequence[tuple[str, float, float]] = MIX) -> float:
    """Mean seconds of CPU of a request."""
    return sum(part[1] * part[2] for part in mix) / sum(part[2] for part in mix) / 1000


def waiting_probability(servers: int, load: float) -> float:
    """Erlang C: the share of requests that wait; ``load`` is rate x service time, below ``servers``."""
    blocked = 1.0  # Erlang B, by its recursion
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    busy = load / servers
    return blocked / (1 - busy * (1 - blocked))


def tail(seconds: float, rate: float, service: float, servers: int) -> float:
    """The share of requests that take longer than ``seconds``, for a rate that the servers carry."""
    load = rate * service
    waiting = waiting_probability(servers, load)
    mu, spare = 1 / service, servers / service - rate
    if math.isclose(spare, mu, rel_tol=1e-9):
        return math.exp(-mu * seconds) * (1 + waiting * mu * seconds)
    waited = waiting * (mu * math.exp(-spare * seconds) - spare * math.exp(-mu * seconds)) / (mu - spare)
    return (1 - waiting) * math.exp(-mu * seconds) + waited


def quantile(share: float, rate: float, service: float, servers: int) -> float:
    """The time that ``share`` of the requests stay below."""
    low, high = 0.0, service
    while tail(high, rate, service, servers) > 1 - share:
        high *= 2
    for _step in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle, rate, service, servers) > 1 - share else (low, middle)
    return high


class Formula(NamedTuple):
    """What the time of a step's requests follows from; they first wait ``behind`` seconds for the backlog."""

    rate: float
    servers: int
    behind: float
    service: float

    def late(self, seconds: float) -> float:
        """The share of the requests that take longer than ``seconds``."""
        left = seconds - self.behind
        return 1.0 if left <= 0 else tail(left, self.rate, self.service, self.servers)


class Moment(NamedTuple):
    """What the application is like during a step: ``p95`` in seconds, ``busy`` CPUs, ``waiting`` requests."""

    formula: Formula
    p95: float
    busy: float
    waiting: float


class Queue:
    """The application over time. ``service`` is a request's mean CPU time in seconds.

    ``cpus``: those of the hosts that the replicas share with what a request takes elsewhere; 0 for replicas
    that have a CPU each.
    """

    def __init__(self, service: float, cpus: float = 0) -> None:
        self.service = service
        self.cpus = cpus
        self.backlog = 0.0
        self._known: dict[tuple[float, int, float], float] = {}

    def at_once(self, servers: int) -> tuple[int, float]:
        """How many requests are worked on at once, and the time of one: of shared CPUs each gets a part."""
        if not self.cpus:
            return servers, self.service
        parts = self.service + BESIDE
        working = max(1, min(servers, int(self.cpus)))
        # With a replica on each CPU, what the request takes elsewhere comes on top; with CPUs to spare it does not.
        left = self.cpus - working
        crowded = max(0.0, 1 - left)
        return working, self.service + (parts - self.service) * crowded

    def step(self, rate: float, servers: int, seconds: float) -> Moment:
        """Let ``rate`` requests a second arrive for ``seconds``."""
        working, service = self.at_once(servers)
        capacity = working / service
        arrived = rate * seconds
        served = min(self.backlog + arrived, capacity * seconds)
        before, self.backlog = self.backlog, max(0.0, self.backlog + arrived - served)
        behind = round((before + self.backlog) / 2 / capacity, 2)
        steady = max(round(min(rate, capacity * _BUSY)), 1)
        if (steady, working, service) not in self._known:
            self._known[steady, working, service] = quantile(0.95, steady, service, working)
        p95 = self._known[steady, working, service] + behind
        return Moment(Formula(steady, working, behind, service), p95, served * self.service / seconds, self.backlog)
