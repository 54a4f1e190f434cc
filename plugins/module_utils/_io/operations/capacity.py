# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus remembers of growth and peaks. It is asked a day at a time, which it answers within its limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from .prometheus import Points, Prometheus

DAY = 86400.0
_STEP = 3600.0
_MOST_POINTS = 720
_DISKS = "tmpfs|devtmpfs|ramfs|overlay|squashfs|iso9660|fuse.*|nsfs|proc|sysfs|cgroup.*"
#: By service: the most of one container.
_USES = {
    "cpu": "max by (service) (max_over_time(rate(container_cpu_usage_seconds_total[5m])[1d:5m]))",
    # In all but a hundredth of the day, and without files, which the kernel drops before it kills.
    "memory": "max by (service) (quantile_over_time(0.99, (container_memory_working_set_bytes"
    " - container_memory_total_active_file_bytes)[1d:1m]))",
    "throttled": "max by (service) (increase(container_cpu_cfs_throttled_periods_total[1d])"
    " / (increase(container_cpu_cfs_periods_total[1d]) > 0))",
}
_PEAKS = {
    "active sessions": "max_over_time(max(app_sessions_active)[1d:5m])",
    "users of a day": "max(max_over_time(app_users_active_today[1d]))",
    "requests a second": 'max_over_time(sum(rate(haproxy_frontend_http_requests_total{proxy="site"}[5m]))[1d:5m])',
    "connections of the database": "max_over_time(sum(pg_stat_activity_count)[1d:1m])",
    "connections of the pool": 'max_over_time(sum(pgbouncer_pools_server_active_connections{database!="pgbouncer"})'
    "[1d:1m])",
    "clients of the pool": 'max_over_time(sum(pgbouncer_pools_client_active_connections{database!="pgbouncer"}'
    ' + pgbouncer_pools_client_waiting_connections{database!="pgbouncer"})[1d:1m])',
    "memory of Redis in bytes": "max(max_over_time(redis_memory_used_bytes[1d]))",
}
_GROWS = {
    "databases": 'sum(pg_database_size_bytes{datname!~"template.*"})',
    "backups": "sum(firstbell_backup_repository_bytes)",
    "redis": "max(redis_memory_used_bytes)",
}
_FIRED = 'sum by (alertname) (count_over_time(ALERTS{alertstate="firing",severity=~"page|warning"}[1d]))'
_INTERVAL = 'max(prometheus_target_interval_length_seconds{quantile="0.5"})'


def gather(stack: str, path: str, user: str, days: int) -> dict[str, Any]:
    """Of at most so many days; raises FirstbellError."""
    server, now = Prometheus(stack, path, user), time.time()
    span = _span(server, now, days)
    moments = list(_ends(now, span))
    uses: dict[str, dict[str, float]] = {}
    peaks: dict[str, float | None] = dict.fromkeys(_PEAKS)
    fired: dict[str, float] = {}
    interval = next((value for _labels, value in server.query(_INTERVAL)), 15.0)
    for at in moments:
        for name, query in _USES.items():
            for labels, value in server.query(query, at):
                use = uses.setdefault(labels.get("service", "").partition("_")[2], {})
                use[name] = max(use.get(name, 0.0), value)
        for name, query in _PEAKS.items():
            for _labels, value in server.query(query, at):
                peaks[name] = max(peaks[name] or 0.0, value)
        for labels, value in server.query(_FIRED, at):
            fired[labels["alertname"]] = fired.get(labels["alertname"], 0.0) + value * interval
    return {
        "span": span,
        "uses": uses,
        "peaks": peaks,
        "fired": fired,
        "disks": _series(
            server, f'min by (device) (node_filesystem_avail_bytes{{fstype!~"{_DISKS}"}})', now, span, "device"
        ),
        "grows": {
            name: points for name, query in _GROWS.items() for points in _series(server, query, now, span, "").values()
        },
    }


def of_today(stack: str, path: str, user: str) -> dict[str, dict[str, float]]:
    """The most that each container used within a day, by its name."""
    server = Prometheus(stack, path, user, timeout=20)
    found: dict[str, dict[str, float]] = {}
    for name in ("cpu", "memory"):
        for labels, value in server.query(_USES[name].replace("by (service)", "by (name)")):
            found.setdefault(labels.get("name", ""), {})[name] = value
    return found


def _span(server: Prometheus, now: float, days: int) -> float:
    """Seconds that it remembers, at most so many days."""
    oldest = [value / 1000 for _labels, value in server.query("prometheus_tsdb_lowest_timestamp")]
    return min(now - min(oldest), days * DAY) if oldest and min(oldest) > 0 else 0.0


def _ends(now: float, span: float) -> Iterator[float]:
    """The end of each day that is remembered, at least of the newest."""
    for number in range(max(int(span // DAY) + (span % DAY > 0), 1)):
        yield now - number * DAY


def _series(server: Prometheus, query: str, now: float, span: float, label: str) -> dict[str, Points]:
    step = max(min(_STEP, span / 30), span / _MOST_POINTS, 15.0)
    return {labels.get(label, query): points for labels, points in server.range(query, now - span, now, step)}
