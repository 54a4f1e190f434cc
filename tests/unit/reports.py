# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of a verification with everything in them that a page can show."""

from __future__ import annotations

from typing import Any

from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist import report

from unit.healthy_stack import DAY, NOW, results

KILLED = (("nginx killed", 3.9, 20), ("app killed", 9.1, 30), ("postgres killed", 11.3, 45), ("app frozen", 48.0, 150))
OTHERS = ("alertmanager, blackbox_exporter, node_exporter, prometheus killed", 0.06, 5)
SCENARIOS = (("scan", 0.02, 0.08, 0.3), ("morning peak", 0.1, 0.41, 1.2), ("reading a PDF", 0.2, 1.3, 2.1))


def _item(name: str, **measured: float) -> dict[str, Any]:
    return {"name": name, "passed": True, "measured": measured, "finding": ""}


def _record(kind: str, days: int, items: list[dict[str, Any]], **measured: float) -> dict[str, Any]:
    return {
        "kind": kind,
        "at": "",
        "time": NOW - days * DAY,
        "seconds": 300.0,
        "passed": True,
        "measured": measured,
        "targets": {"p95_seconds": 1.0},
        "findings": [],
        "items": items,
        "problem": "",
    }


def measures() -> dict[str, Any]:
    """A year of drills and loads, the newest worse than the one before."""
    drilled = [_item(name, missed_seconds=value, target_seconds=most) for name, value, most in (*KILLED, OTHERS)]
    loaded = [_item(name, p50_seconds=p50, p95_seconds=p95, p99_seconds=p99) for name, p50, p95, p99 in SCENARIOS]
    return {
        "kept": {
            "failover_drill": [
                _record("failover_drill", 30 * month, drilled, longest_missed_seconds=gap, rows_lost=0)
                for month, gap in ((5, 12.0), (3, 11.0), (1, 48.0))
            ],
            "load_test": [
                _record("load_test", 30 * month, loaded, users=800, p95_seconds=p95)
                for month, p95 in ((5, 0.3), (3, 0.31), (1, 0.52))
            ],
            "capacity": [_record("capacity", 30, [], users=1100)],
        },
        "restores": [
            {"ended": NOW - day * DAY, "success": True, "recovery_time": took, "recovery_point": 2.5}
            for day, took in ((3, 6.1), (2, 5.9), (1, 9.4))
        ],
    }


def told(found: list[dict[str, Any]] | None = None, *, failing: bool = False, **more: Any) -> dict[str, Any]:
    """A whole report of those results, or of a healthy stack; ``failing`` breaks three of it."""
    results_ = results() if found is None else found
    if failing:
        for number, verdict in ((3, "fail"), (20, "warn"), (40, "fail"), (60, "skipped")):
            results_[number].update(verdict=verdict, measured="5 are in clear; " * 9, fix="make site", reason="why")
    history = [
        {"time": f"2026-11-{10 + day}T02:00:00Z", "counts": {"fail": day % 3, "warn": 2, "skipped": 8, "pass": 80}}
        for day in range(11)
    ]
    return {
        "stack": "school",
        "domain": "school.org",
        "profile": "small",
        "partial": False,
        "time": "2026-11-23T02:00:00Z",
        "ended": NOW,
        "seconds": 12.34,
        "counts": report.counts(results_),
        "changes": report.changes({"results": results()}, results_),
        "history": [*history, {"time": "", "counts": report.counts(results_)}],
        "measures": measures(),
        "results": report.worst_first(results_),
        **more,
    }
