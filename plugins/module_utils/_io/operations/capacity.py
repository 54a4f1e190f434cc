# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus remembers of growth and peaks. It is asked a day at a time, which it answers within its limits.

Rehearsals and load tests are left out of peaks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..._core.operations.spans import Span, quiet
from .prometheus import Points, Prometheus, kills

DAY = 86400.0
_STEP = 3600.0
_MOST_POINTS = 720
_MINUTE = 60.0
_DISKS = "tmpfs|devtmpfs|ramfs|overlay|squashfs|iso9660|fuse.*|nsfs|proc|sysfs|cgroup.*"
_SPAN = "SPAN"
#: By service: the most of one container.
_USES = {
    "cpu": "max by (service) (max_over_time(rate(container_cpu_usage_seconds_total[5m])[SPAN:5m]))",
    # In all but a hundredth of the time, and without files, which the kernel drops before it kills.
    "memory": "max by (service) (quantile_over_time(0.99, (container_memory_working_set_bytes"
    " - container_memory_total_active_file_bytes)[SPAN:1m]))",
    "throttled": "max by (service) (increase(container_cpu_cfs_throttled_periods_total[SPAN])"
    " / (increase(container_cpu_cfs_periods_total[SPAN]) > 0))",
}
_CLIENTS = 'pgbouncer_pools_client_%s_connections{database!="pgbouncer"}'
#: Connections and clients in all but a hundredth of the time: a moment is no reason for more of them.
_PEAKS = {
    "active sessions": "max_over_time(max(app_sessions_active)[SPAN:5m])",
    "users of a day": "max(max_over_time(app_users_active_today[SPAN]))",
    "requests a second": 'max_over_time(sum(rate(haproxy_frontend_http_requests_total{proxy="site"}[5m]))[SPAN:5m])',
    "connections of the database": 'quantile_over_time(0.99, sum(pg_stat_activity_count{backend_type="client backend"})'
    "[SPAN:1m])",
    "connections of the pool": "quantile_over_time(0.99,"
    ' sum(pgbouncer_pools_server_active_connections{database!="pgbouncer"})[SPAN:1m])',
    "clients that waited for the pool": f"quantile_over_time(0.99, sum({_CLIENTS % 'waiting'})[SPAN:1m])",
    "clients of the pool": f"quantile_over_time(0.99, sum({_CLIENTS % 'active'} + {_CLIENTS % 'waiting'})[SPAN:1m])",
    "memory of Redis in bytes": "max(max_over_time(redis_memory_used_bytes[SPAN]))",
}
_GROWS = {
    "databases": 'sum(pg_database_size_bytes{datname!~"template.*"})',
    "backups": "sum(firstbell_backup_repository_bytes)",
    "redis": "max(redis_memory_used_bytes)",
}
#: Minutes in which an alert fired, for however many targets.
_FIRED = 'count_over_time((count by (alertname) (ALERTS{alertstate="firing",severity=~"page|warning"}))[SPAN:1m])'


def gather(stack: str, path: str, user: str, days: int, busy: Sequence[Span] = ()) -> dict[str, Any]:
    """Of at most so many days, peaks without the busy times; raises FirstbellError."""
    server, now = Prometheus(stack, path, user), time.time()
    span = _span(server, now, days)
    pieces = quiet(now, span, busy)
    uses: dict[str, dict[str, float]] = {}
    peaks: dict[str, float | None] = dict.fromkeys(_PEAKS)
    fired: dict[str, float] = {}
    for begin, end in pieces:
        length = f"{max(end - begin, 1):.0f}s"
        for name, query in _USES.items():
            for labels, value in server.query(query.replace(_SPAN, length), end):
                use = uses.setdefault(labels.get("service", "").partition("_")[2], {})
                use[name] = max(use.get(name, 0.0), value)
        for name, query in _PEAKS.items():
            for _labels, value in server.query(query.replace(_SPAN, length), end):
                peaks[name] = max(peaks[name] or 0.0, value)
        for labels, value in server.query(_FIRED.replace(_SPAN, length), end):
            fired[labels["alertname"]] = fired.get(labels["alertname"], 0.0) + value * _MINUTE
    return {
        "span": span,
        "measured": min(sum(end - begin for begin, end in pieces), span),
        "uses": uses,
        "peaks": peaks,
        "fired": fired,
        "disks": _disks(server, now, span),
        "grows": {name: points for name, query in _GROWS.items() for points in _series(server, query, now, span)},
    }


def of_today(stack: str, path: str, user: str) -> dict[str, dict[str, float]]:
    """The most that each container used within a day, and what was killed in it for memory, by its name."""
    server = Prometheus(stack, path, user, timeout=20)
    found: dict[str, dict[str, float]] = {}
    for name in ("cpu", "memory"):
        for labels, value in server.query(_USES[name].replace("by (service)", "by (name)").replace(_SPAN, "1d")):
            found.setdefault(labels.get("name", ""), {})[name] = value
    for container, value in kills(server, "1d").items():
        found.setdefault(container, {})["kills"] = value
    return found


def _span(server: Prometheus, now: float, days: int) -> float:
    """Seconds that it remembers, at most so many days."""
    oldest = [value / 1000 for _labels, value in server.query("prometheus_tsdb_lowest_timestamp")]
    return min(now - min(oldest), days * DAY) if oldest and min(oldest) > 0 else 0.0


def _disks(server: Prometheus, now: float, span: float) -> dict[str, Points]:
    """Free bytes of each disk, once for all places where it is mounted, by the shortest of them."""
    found: dict[str, tuple[str, Points]] = {}
    query = f'min by (device, mountpoint) (node_filesystem_avail_bytes{{fstype!~"{_DISKS}"}})'
    for labels, points in server.range(query, now - span, now, _step(span)):
        device, mount = labels.get("device", ""), labels.get("mountpoint", "")
        if device not in found or len(mount) < len(found[device][0]):
            found[device] = mount, points
    return dict(found.values())


def _step(span: float) -> float:
    return max(min(_STEP, span / 30), span / _MOST_POINTS, 15.0)


def _series(server: Prometheus, query: str, now: float, span: float) -> list[Points]:
    return [points for _labels, points in server.range(query, now - span, now, _step(span))]
