# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was rehearsed and loaded: the newest record of each kind, its age and its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ages import ahead
from ..units import format_duration
from .model import Check, Facts, Outcome, check, failed, none_of, passed, skipped, warned

_HOUR, _DAY = 3600, 86400
NOT_MADE = "this run could not make it; its output says why"


def _judged(
    kind: str,
    name: str,
    rows: str,
    title: str,
    *,
    age: int,
    how: str,
    promise: str,
    part: str = "",
    full: bool = False,
) -> Check:
    """The check of a kind. ``how`` makes one anew; ``part``: the role without which there is none.

    ``full``: the profile of that name makes one itself, and an older one does not count.
    """

    def judge(facts: Facts) -> Outcome:
        if part and not facts.expected.get(part, {}).get("enabled", False):
            return skipped(f"{part} is switched off")
        kept = facts.seen["records"]["kept"].get(kind, [])
        since = facts.expected.get("rehearsed_since", 0)
        if full and since and (not kept or kept[-1]["time"] < since):
            return failed(NOT_MADE)
        if not kept:
            return skipped(f"there is none yet; make one: {how}".replace("{stack}", facts.stack))
        return _of(kept[-1], facts.seen["host"]["now"], age)

    return check(
        name,
        rows,
        "drills",
        title,
        target=f"{promise}; no older than {format_duration(age)}",
        command=f"ls /opt/{{stack}}/records/{kind}-*.json",
        fix=f"Mend what it names, or remove a damaged record, then make one anew: {how}",
        needs="records host",
    )(judge)


def _of(last: Mapping[str, Any], now: float, age: int) -> Outcome:
    old = now - last["time"]
    if last["problem"]:
        return failed(str(last["problem"]))
    if ahead(now, last["time"]):
        return failed(f"the record is {ahead(now, last['time'])}")
    measured = ", ".join(f"{name} {value:g}" for name, value in last["measured"].items())
    said = f"{measured or 'nothing measured'}; {format_duration(max(0, round(old)))} ago"
    lines = "\n".join(
        f"{one['name']}: {'ok' if one['passed'] else one['finding'] or 'failed'} "
        + ", ".join(f"{name} {value:g}" for name, value in one["measured"].items())
        for one in last["items"]
    )
    if not last["passed"]:
        return none_of(list(last["findings"]) or ["it failed, and does not say why"], said, lines)
    if last["measured"].get("services_left_out"):
        return warned(f"the last one tried only a part: {said}", lines)
    if old > age:
        return warned(f"the last one was {format_duration(round(old))} ago ({measured})", lines)
    return passed(said, lines)


FAILOVER = _judged(
    "failover_drill",
    "failover-drill",
    "S63 S104",
    "Every container was killed under load, and came back in time without losing anything",
    age=92 * _DAY,
    how="make drill ARGS='--tags failover -e drill_confirm={stack}'",
    promise="each service missed no longer than its target, no acknowledged row lost",
    full=True,
)
ALERTS = _judged(
    "alert_drill",
    "alert-drill",
    "S70 S71 S103",
    "Faults were put in, and the alerts arrived",
    age=92 * _DAY,
    how="make drill ARGS='--tags alerts -e drill_confirm={stack}'",
    promise="each alert received within its time",
    part="monitoring",
    full=True,
)
LOAD = _judged(
    "load_test",
    "load-test",
    "S77 S78 S79 S80 S81 S96 S108",
    "The site carries the load that its profile promises",
    age=92 * _DAY,
    how="make load-test ARGS='-e load_test_confirm={stack}'",
    promise="the profile's users and scans, within the times that were asked for",
    full=True,
)
CAPACITY = _judged(
    "capacity",
    "capacity",
    "S96",
    "It is known how many users this host carries",
    age=183 * _DAY,
    how="make load-test ARGS='-e load_test_confirm={stack} -e load_test_mode=capacity'",
    promise="at least the profile's users",
)
ROLLOUT = _judged(
    "rollout_drill",
    "rollout-drill",
    "S50",
    "New versions were rolled out under load, and no request was lost",
    age=92 * _DAY,
    how="make drill ARGS='--tags rollout'",
    promise="no failed request, a bad version rolled back",
)
DAILY = _judged(
    "maintenance_daily",
    "maintenance-daily",
    "S82",
    "The daily look at the stack was taken",
    age=26 * _HOUR,
    how="systemctl start {stack}-maintain-daily",
    promise="nothing found",
)
WEEKLY = _judged(
    "maintenance_weekly",
    "maintenance-weekly",
    "S83",
    "The weekly care of the database was taken",
    age=8 * _DAY,
    how="systemctl start {stack}-maintain-weekly",
    promise="nothing found",
)
MONTHLY = _judged(
    "maintenance_monthly",
    "maintenance-monthly",
    "S84",
    "The monthly look at growth and images was taken",
    age=32 * _DAY,
    how="systemctl start {stack}-maintain-monthly",
    promise="nothing found",
)
