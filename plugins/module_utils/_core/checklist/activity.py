# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database is at: whether it takes writes, who holds others up, and how far its limits are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..index_sql import literal
from ..units import MB
from .model import Facts, Outcome, check, none_of
from .schema import sql, typed

_LEAST_LEFT = 0.1
"""Of the numbers of a sequence."""
_OLDEST_TRANSACTION = 1_000_000_000
"""Half of what PostgreSQL can tell apart (2^31) would be the end; autovacuum begins at 200 million, and at 400 million
of multixacts, of which there are as many."""


@check(
    "database-answers",
    "S42",
    "database",
    "The database takes writes and is far from any limit of its own",
    target="no recovery, now or at the next start, no transaction open without a statement for 5 minutes or with one "
    "for an hour, nobody who waits for a lock, transaction ids and sequences far from their end, texts in the order "
    "that their indexes were made in",
    command=sql("SELECT pg_is_in_recovery(), max(age(datfrozenxid)), max(mxid_age(datminmxid)) FROM pg_database"),
    fix="Look at pg_stat_activity for what holds a transaction open: docs/operations.md, commands for the database",
    needs="database",
)
def database_answers(facts: Facts) -> Outcome:
    seen = facts.seen["database"]
    problems = ["it is in recovery and takes no writes"] if seen["recovering"] else []
    for name, age in (("transaction id", "oldest_transaction"), ("multixact id", "oldest_multixact")):
        if seen[age] > _OLDEST_TRANSACTION:
            problems.append(f"the oldest {name} is {seen[age]} old; vacuum does not come along")
    problems += [
        f"{name} is in its directory, so that it recovers instead of taking writes at the next start: "
        f"rm /opt/{facts.stack}/data/postgres/*/data/{name}"
        for name in seen["signals"]
        if not seen["recovering"]
    ]
    mended = _mended(seen)
    measured = f"PostgreSQL {seen['version']}, oldest transaction id {seen['oldest_transaction']}"
    return none_of([*problems, *mended], measured, fix=typed(mended.values()))


def _mended(seen: Mapping[str, Any]) -> dict[str, str]:
    """What holds others up, and the statement that ends it."""
    said = {}
    for one in seen["open"]:
        who = f"pid {one['pid']} (role {one['role']}, application {one['application'] or '?'})"
        does = " and does nothing in it" if one["idle"] else ""
        said[f"{who} has had a transaction open for {one['age']}{does}"] = f"SELECT pg_terminate_backend({one['pid']})"
    for one in seen["orders"]:
        by_now = f"is of version {one['made']} of the system's order of texts, which has {one['has']} by now"
        said[f"{one['name']} {by_now}: until they are made anew at a quiet time, indexes may miss rows"] = one["fix"]
    for one in seen["blockers"]:
        who = f"{one['role']}'s, {one['application'] or 'without a name'}"
        said[f"{one['waiting']} sessions wait for a lock of {who}"] = f"SELECT pg_terminate_backend({one['pid']})"
    for one in seen["sequences"]:
        said.update(_of_sequence(one))
    for one in seen["slots"]:
        if not one["active"]:
            keeps = f"keeps {one['bytes'] / MB:.0f} MB of the log, until the disk is full, and nobody reads it"
            drop = f"SELECT pg_drop_replication_slot({literal(one['name'])})"
            said[f"the replication slot {one['name']} {keeps}"] = drop
    return said


def _of_sequence(one: Mapping[str, Any]) -> dict[str, str]:
    """Why rows cannot be added by the numbers that it gives, and what puts it right."""
    name, mend = one["name"], f"SELECT setval({literal(one['name'])}, {one['highest'] or 1})"
    if one["highest"] >= one["next"]:
        taken = f"and {one['table']} goes on to {one['highest']} already"
        return {f"the sequence {name} would give {one['next']}, {taken}": mend}
    near = one["most"] - one["next"] < one["most"] * _LEAST_LEFT
    if near and one["most"] < one["widest"]:
        ends = f"is at {one['next']} of {one['most']}, where its MAXVALUE ends it"
        return {f"the sequence {name} {ends}": f"ALTER SEQUENCE {name} NO MAXVALUE"}
    if near:
        otherwise = "unless that was set by hand, its column needs a larger type"
        return {f"the sequence {name} is at {one['next']} of {one['most']}; {otherwise}": mend}
    return {}
