# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks, in the order in which the report has them."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from . import (
    activity,
    administrators,
    balancer,
    containers,
    custody,
    database,
    documents,
    drills,
    edge,
    engine,
    firewall,
    host,
    images,
    monitoring,
    networks,
    pool,
    programs,
    resources,
    scaling,
    schema,
    services,
    upkeep,
)
from .model import Check

TOPICS = {
    "containers": "Services and containers",
    "network": "Network and firewall",
    "database": "Database",
    "pool": "Connection pool",
    "cache": "Cache",
    "edge": "What visitors meet",
    "secrets": "Passwords and keys",
    "backups": "Backups and recovery",
    "scaling": "Scaling and the night",
    "monitoring": "Monitoring and alerts",
    "drills": "Rehearsals and loads",
    "host": "Host",
}


def _checks(module: ModuleType) -> Iterator[Check]:
    for value in vars(module).values():
        if isinstance(value, Check):
            yield value
        elif isinstance(value, tuple):
            yield from (one for one in value if isinstance(one, Check))


_MODULES = (
    services,
    balancer,
    networks,
    resources,
    containers,
    images,
    engine,
    database,
    activity,
    schema,
    pool,
    custody,
    documents,
    scaling,
    monitoring,
    drills,
    firewall,
    host,
    upkeep,
    programs,
    administrators,
    edge,
)


def _all() -> tuple[Check, ...]:
    # By id: a check that one module takes from another is there once.
    found = {one.id: one for module in _MODULES for one in _checks(module)}
    order = list(TOPICS)
    return tuple(sorted(found.values(), key=lambda one: order.index(one.topic)))


CHECKS = _all()
