# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of a stack that all is well with: each test changes one thing of what they are made of."""

from __future__ import annotations

from typing import Any

from ansible_collections.firstbell.stack.plugins.module_utils._core.operations import maintenance, weekly
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations.maintenance import Section

from unit.quiet_stack import CONFIG, GB, MB, NOW, seen

DAY = 86400.0


def day() -> dict[str, Any]:
    """The facts of a good day."""
    look = seen()
    engine = {**look["engine"], "at": NOW}
    before = {**seen()["engine"], "at": NOW - 2}
    return {
        "now": NOW,
        "config": CONFIG,
        "engine": engine,
        "engine_before": before,
        "peaks": {"school_app.1": {"cpu": 0.4, "memory": 120.0 * MB}},
        "database": look["database"],
        "pool": look["pool"],
        "sessions": 42,
        "disks": look["host"]["disks"],
        "units": [],
        "updates": {"pending": ["vim"], "security": [], "listed": NOW - 3600, "reboot": False},
        "prometheus": look["prometheus"],
        "backups": {
            "since": NOW - 30 * DAY,
            "records": {
                "check": {"time": NOW - 60, "problems": 0, "newest_restorable": NOW - 80},
                "drill": {"ended": NOW - 3600, "success": True, "kind": "newest"},
                "drill-20261125-051000": {"ended": NOW - 3 * DAY, "success": True, "kind": "random", "backup": "F"},
                "files-drill": {"ended": NOW - 3600, "ok": True},
                "files-backup": {"ended": NOW - 600, "ok": True},
            },
        },
    }


def week() -> dict[str, Any]:
    facts = day()
    facts["images"] = {"images": 20, "installed": True, "ended": NOW - DAY, "ok": True, "unwanted": 2}
    facts["stale"] = weekly.stale(facts["database"]["tables"])
    return facts


def month() -> dict[str, Any]:
    facts = day()
    hours = [NOW - 3600.0 * number for number in range(15 * 24, -1, -1)]
    facts["capacity"] = {
        "span": 15 * DAY,
        "measured": 15 * DAY,
        "uses": {
            "app": {"cpu": 0.4, "memory": 150.0 * MB, "throttled": 0.0},
            "redis": {"cpu": 0.3, "memory": 20.0 * MB},
        },
        "peaks": {"connections of the pool": 6.0, "users of a day": None},
        "fired": {"HostCpuHigh": 600.0},
        "disks": {"/srv": [(at, 30.0 * GB) for at in hours]},
        "grows": {"databases": [(at, 100.0 * MB + (at - hours[0]) / DAY * MB) for at in hours]},
    }
    facts["images"] = [
        {
            "name": "firstbell/app:1",
            "created": NOW - 10 * DAY,
            "packages": 40,
            "compared": True,
            "why": "",
            "newer": {},
        }
    ]
    return facts


def sections(parts: tuple[maintenance.Part, ...], facts: dict[str, Any], **errors: str) -> dict[str, Section]:
    return {part.name: maintenance.section_of(part, facts, errors) for part in parts}


def findings(parts: tuple[maintenance.Part, ...], facts: dict[str, Any], **errors: str) -> list[str]:
    return [text for section in sections(parts, facts, **errors).values() for text in section.findings]
