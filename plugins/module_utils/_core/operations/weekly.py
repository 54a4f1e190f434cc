# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done every week (S83): stale statistics, heavy statements (C15), a backup tried, images cleaned up (C10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .config import Config
from .maintenance import Part, Section, table
from .statements import Counted, since
from .words import count, duration, moment, statement

DAY = 86400.0
WEEK = 7 * DAY
#: A table whose changed part is smaller is left to autovacuum, which analyzes at 2 % in the plan's settings.
CHANGED = 0.05
CHANGED_ROWS = 500
#: After a restore or an upgrade the server has rows and no statistics of them.
UNKNOWN_ROWS = 1
SLOW_MEAN = 0.5
RANDOM = "A backup taken at random"
_SHOWN = 60


@dataclass(frozen=True)
class Stale:
    """A table whose statistics are to be made anew, and why."""

    schema: str
    name: str
    why: str


def stale(tables: Sequence[Mapping[str, Any]]) -> list[Stale]:
    """Tables that the planner knows too little of, the largest first."""
    found = []
    for one in tables:
        never = one["analyzed_seconds"] is None
        changed = one["changed"]
        if never and one["live"] >= UNKNOWN_ROWS:
            found.append(Stale(one["schema"], one["name"], f"never analyzed, about {one['live']:.0f} rows"))
        elif changed >= CHANGED_ROWS and changed > CHANGED * max(one["live"], 1):
            found.append(
                Stale(
                    one["schema"],
                    one["name"],
                    f"{changed:.0f} rows changed of {one['live']:.0f} since {duration(one['analyzed_seconds'])}",
                )
            )
    return found


def statistics(facts: Mapping[str, Any]) -> Section:
    wanted: Sequence[Stale] = facts["stale"]
    failed: Mapping[str, str] = facts.get("analyze_failed", {})
    lines = [f"{count(len(facts['database']['tables']), 'table')}, {len(wanted)} with stale statistics"]
    done = facts.get("analyzed", {})
    for one in wanted:
        name = f"{one.schema}.{one.name}"
        told = f"analyzed in {duration(done[name])}" if name in done else "to be analyzed"
        lines.append(f"{name}: {one.why}; {'NOT analyzed' if name in failed else told}")
    return Section(
        "statistics",
        "Statistics of the database",
        tuple(lines),
        {"tables": len(facts["database"]["tables"]), "stale": len(wanted), "analyzed": len(done)},
        tuple(f"{name} could not be analyzed: {reason}" for name, reason in failed.items()),
    )


def _top(rows: Sequence[Mapping[str, Any]], key: str, most: int) -> list[Mapping[str, Any]]:
    return sorted(rows, key=lambda one: -float(one[key]))[:most]


def _counted(facts: Mapping[str, Any]) -> Counted:
    return since(facts.get("snapshot"), facts["database"], facts["now"])


def _statements(facts: Mapping[str, Any], key: str) -> tuple[str, ...]:
    config: Config = facts["config"]
    counted = _counted(facts)
    told = f"counted within {duration(facts['now'] - counted.begin)}, since {moment(counted.begin)}"
    if counted.begin > counted.reset:
        told += f"; max since {moment(counted.reset)}"
    rows = [
        (
            statement(one["query"], _SHOWN),
            one["role"],
            f"{one['calls']:.0f}",
            f"{1000 * one['mean_seconds']:.1f}",
            f"{1000 * one['max_seconds']:.0f}",
            f"{one['total_seconds']:.1f}",
        )
        for one in _top(counted.rows, key, config.statements_kept)
    ]
    return told, *table(("statement", "role", "calls", "mean ms", "max ms", "total s"), rows)


def by_mean(facts: Mapping[str, Any]) -> Section:
    """The slowest on average; the column is mean_exec_time since PostgreSQL 13 (C15)."""
    config: Config = facts["config"]
    if facts["database"]["statements"] is None:
        return _no_statistics("statements_mean", "Statements that take longest on average")
    found = _counted(facts).rows
    slow = [
        one
        for one in _top(found, "mean_seconds", config.statements_kept)
        if one["mean_seconds"] > SLOW_MEAN and one["calls"] >= 10 and one["role"].endswith("_app")  # noqa: PLR2004
    ]
    return Section(
        "statements_mean",
        "Statements that take longest on average",
        _statements(facts, "mean_seconds"),
        {
            "slowest_mean_seconds": max((float(one["mean_seconds"]) for one in found), default=0.0),
            "statements": len(found),
        },
        tuple(
            f"the application's statement {statement(one['query'], _SHOWN)} takes"
            f" {1000 * one['mean_seconds']:.0f} ms on average of {one['calls']:.0f} calls;"
            f" docs/operations.md, Commands for the database, shows the plan of number {one['query_id']}"
            for one in slow
        ),
    )


def by_total(facts: Mapping[str, Any]) -> Section:
    if facts["database"]["statements"] is None:
        return _no_statistics("statements_total", "Statements that take most time in all")
    return Section(
        "statements_total",
        "Statements that take most time in all",
        _statements(facts, "total_seconds"),
        {"total_seconds": sum(float(one["total_seconds"]) for one in _counted(facts).rows)},
    )


def _no_statistics(name: str, title: str) -> Section:
    return Section(
        name,
        title,
        ("could not be looked at",),
        findings=("pg_stat_statements counts nothing in this database; run the playbook site",),
    )


def random_backup(facts: Mapping[str, Any]) -> Section:
    """A rehearsal with any backup runs every week by its own timer: here is only what it said."""
    config: Config = facts["config"]
    records, now = facts["backups"]["records"], facts["now"]
    tried = [one for name, one in records.items() if name.startswith("drill") and one.get("kind") == "random"]
    last = max(tried, key=lambda one: float(one.get("ended", 0)), default=None)
    act = f"type {config.stack}-backup drill --random"
    if last is None:
        since = now - facts["backups"]["since"]
        if since < WEEK + DAY:
            return Section("random_backup", RANDOM, (f"none yet; backups are made since {duration(since)}",))
        return Section(
            "random_backup", RANDOM, ("none",), findings=(f"no backup but the newest was ever tried; {act}",)
        )
    age, success = now - float(last["ended"]), bool(last.get("success"))
    findings = []
    if not success:
        findings.append(f"the rehearsal with any backup failed: {' '.join(last.get('findings', []))[:300]}; {act}")
    elif age > WEEK + DAY:
        findings.append(f"the last rehearsal with any backup is {duration(age)} old; {act}")
    lines = (f"{last.get('backup', 'a backup')} was tried {duration(age)} ago, {'proved' if success else 'FAILED'}",)
    measured = {"age_seconds": age, "recovery_time_seconds": float(last.get("recovery_time") or 0)}
    return Section("random_backup", RANDOM, lines, measured, tuple(findings))


def clean_up(facts: Mapping[str, Any]) -> Section:
    """The timer of the engine's role removes images; here is how it went."""
    found = facts["images"]
    lines = [f"{count(found['images'], 'image')} of this host"]
    findings = []
    if not found["installed"]:
        findings.append(
            "the clean-up of images is switched off, and nothing else removes them; set docker_cleanup_enabled"
        )
    elif found["ended"]:
        age = facts["now"] - found["ended"]
        lines.append(f"the clean-up ran {duration(age)} ago, {'well' if found['ok'] else 'with errors'}")
        if not found["ok"]:
            findings.append("the clean-up of images failed; type systemctl status firstbell-image-cleanup")
        elif age > WEEK + DAY:
            findings.append(
                f"the clean-up of images last ran {duration(age)} ago; type systemctl start firstbell-image-cleanup"
            )
    else:
        lines.append("the clean-up has not run since the host was started")
    if found["unwanted"] is not None:
        lines.append(f"it would remove {count(found['unwanted'], 'image')} now; the last three of each service stay")
    return Section("images", "Clean-up of images", tuple(lines), {"images": found["images"]}, tuple(findings))


PARTS = (
    Part("statistics", "Statistics of the database", ("database",), statistics),
    Part("statements_mean", "Statements that take longest on average", ("database",), by_mean),
    Part("statements_total", "Statements that take most time in all", ("database",), by_total),
    Part("random_backup", RANDOM, ("backups",), random_backup),
    Part("images", "Clean-up of images", ("images",), clean_up),
)
