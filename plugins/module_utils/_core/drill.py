# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rehearsal of a restore: what is compared, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from .findings import Finding
from .pgbackrest import Backup

#: Rows of each table, by database, schema and name.
Counts = Mapping[str, int]


@dataclass(frozen=True)
class Measured:
    """What a rehearsal saw. Times are durations in seconds.

    ``recovery_point``: from the commit of the marker until it could be restored; None where no
    marker was written (a backup from the past). ``recovery_time``: from nothing to a server that
    takes writes.
    """

    backup: str
    recovery_point: float | None
    recovery_time: float
    restore_seconds: float
    database_bytes: int
    marker_found: bool
    structure: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    tables_counted: int = 0
    tables_uncounted: int = 0
    files: Mapping[str, object] = field(default_factory=dict)


def compare_counts(before: Counts, after: Counts, restored: Counts) -> list[str]:
    """Tables whose rows in the restored database are neither those just before nor those just after the marker.

    Rows that are written between two counts may be in or out; everything else must be exact.
    """
    problems = []
    for table in sorted(before):
        if table not in restored:
            problems.append(f"{table} is missing")
            continue
        low, high = sorted((before[table], after.get(table, before[table])))
        if not low <= restored[table] <= high:
            wanted = f"{low}" if low == high else f"{low} to {high}"
            problems.append(f"{table} has {restored[table]} rows instead of {wanted}")
    return problems


def allowed_recovery_time(base: float, per_gb: float, size: int) -> float:
    """The recovery time objective for a database of that many bytes (GB = 10^9)."""
    return base + per_gb * size / 1e9


def judge(measured: Measured, recovery_point: float, recovery_time: float) -> list[Finding]:
    """Everything that the rehearsal did not prove."""
    findings = []
    where = f"rehearsal with {measured.backup}"
    if not measured.marker_found:
        findings.append(
            Finding(where, "the marker of before is not in the restored database", "Run the check at once.")
        )
    fix = "Restore an older backup to compare; make a full backup."
    findings += [Finding(where, f"pg_amcheck: {line}", fix) for line in measured.structure[:10]]
    findings += [Finding(where, line, fix) for line in measured.rows[:10]]
    if measured.recovery_point is not None and measured.recovery_point > recovery_point:
        findings.append(
            Finding(
                where,
                f"a commit could be restored {measured.recovery_point:.1f} s later, not within {recovery_point:.0f} s",
                "Look for slow or failing archiving in the database's log.",
            )
        )
    if measured.recovery_time > recovery_time:
        findings.append(
            Finding(
                where,
                f"the restore took {measured.recovery_time:.1f} s, more than {recovery_time:.0f} s",
                "Raise backup_rehearsal_limits, or make incremental backups more often.",
            )
        )
    return findings


def pick(backups: Sequence[Backup], random: float) -> Backup:
    """One of them; ``random`` lies between 0 and 1."""
    ordered = sorted(backups, key=lambda b: (b.repository, b.label))
    return ordered[min(int(random * len(ordered)), len(ordered) - 1)]


def record(
    measured: Measured, findings: Sequence[Finding], started: float, ended: float, kind: str
) -> dict[str, object]:
    """What is kept of a rehearsal."""
    return {
        "kind": kind,
        "started": started,
        "ended": ended,
        "success": not findings,
        "findings": [str(finding) for finding in findings],
        **asdict(measured),
    }
