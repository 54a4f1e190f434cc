# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that nothing is wrong with, as the commands that look after it see it: each test breaks one thing of it."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.firstbell.stack.plugins.module_utils._core.operations.config import Config
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations.diagnosis import Facts

NOW = 1_795_400_000.0
MB, GB = 1024 * 1024, 1024**3
SERVICES = ("app", "haproxy", "nginx", "pgbouncer", "postgres", "prometheus", "redis")
CONFIG = Config(
    "school",
    "/opt/school",
    "school",
    prometheus="/prometheus",
    sessions="session:*",
    domain="school.example",
    cpus=2.0,
    memory_left=512 * MB,
    connections={
        "max_client_conn": 2000,
        "max_connections": 40,
        "reserved_connections": 3,
        "server_connections": 15,
    },
)


def session(pid: int, **more: Any) -> dict[str, Any]:
    """A session of the database, idle if nothing else is said."""
    return {
        "pid": pid,
        "role": "school_app",
        "application": "pgbouncer",
        "database": "school",
        "state": "idle",
        "wait": "Client",
        "event": "ClientRead",
        "transaction_seconds": 0.0,
        "query_seconds": 5.0,
        "state_seconds": 5.0,
        "blocked_by": [],
        "lock_seconds": 0.0,
        "query": "SELECT 1",
        **more,
    }


def container(service: str, **more: Any) -> dict[str, Any]:
    return {
        "id": service[0] * 64,
        "name": f"school_{service}.1",
        "service": service,
        "pid": 100,
        "health": "healthy",
        "started": NOW - 86400,
        "cpus": 0.09 if service == "prometheus" else 1.0,
        "cpu_seconds": 100.0,
        "periods": 1000,
        "throttled_periods": 0,
        "memory_limit": 256 * MB,
        "memory": 100 * MB,
        "processes": 10,
        "processes_limit": 128,
        "kills": 0,
        "image": f"firstbell/{service}:0123456789ab",
        "image_id": f"sha256:{service}",
        **more,
    }


def service(**more: Any) -> dict[str, Any]:
    return {"wanted": 1, "running": 1, "update": "completed", "image": "", "failed": [], "waiting": [], **more}


def pool_row(**more: Any) -> dict[str, str]:
    row = {"database": "school", "user": "school_app", "cl_active": "4", "cl_waiting": "0", "sv_active": "1"}
    return {**row, "sv_idle": "4", "sv_used": "0", "maxwait": "0", "maxwait_us": "0", **more}


def statement(number: int, **more: Any) -> dict[str, Any]:
    query = "SELECT name FROM students WHERE id = $1"
    found = {
        "id": f"{number} school_app t",
        "query_id": str(number),
        "calls": 1000.0,
        "total_seconds": 1.0,
        "mean_seconds": 0.001,
    }
    return {**found, "max_seconds": 0.05, "rows": 1000.0, "role": "school_app", "query": query, **more}


def table(name: str, **more: Any) -> dict[str, Any]:
    found = {"schema": "public", "name": name, "live": 10000.0, "dead": 10.0, "changed": 5.0, "bytes": 2.0 * MB}
    return {**found, "scanned": 100.0, "analyzed_seconds": 3600.0, "vacuumed_seconds": 3600.0, **more}


def haproxy(proxy: str, server: str, **more: Any) -> dict[str, str]:
    row = {"pxname": proxy, "svname": server, "status": "UP" if server == "BACKEND" else "OPEN", "qcur": "0"}
    row.update(req_tot="1000", hrsp_2xx="990", hrsp_5xx="0", rtime="20", ctime="0", qtime="0", act="1", bck="1")
    return {**row, **more}


def seen() -> dict[str, Any]:
    """One look at all sources."""
    return copy.deepcopy(
        {
            "host": {
                "at": NOW,
                "cpus": 2,
                "load": [0.4, 0.3, 0.2],
                "cpu": {"user": 100.0, "system": 20.0, "idle": 1000.0, "iowait": 5.0, "steal": 0.0},
                "memory": {"MemTotal": 4 * GB, "MemAvailable": 2 * GB},
                "events": {"pswpin": 0, "pswpout": 0, "oom_kill": 0},
                "pressure": {"cpu": {"some": 1.0}, "memory": {"some": 0.0}, "io": None},
                "disks": [
                    {
                        "mount": "/",
                        "total": 50 * GB,
                        "free": 30 * GB,
                        "inodes": 1000,
                        "inodes_free": 900,
                        "read_only": False,
                        "own": True,
                    }
                ],
                "processes": {1: {"name": "systemd", "seconds": 5.0, "memory": 10 * MB}},
                "busiest": [],
                "up_seconds": 100000.0,
            },
            "engine": {
                "at": NOW,
                "services": {name: service() for name in SERVICES},
                "containers": [container(name) for name in SERVICES],
            },
            "database": {
                "at": NOW,
                "version": 170004,
                "recovering": False,
                "max_connections": 40,
                "reserved": 3,
                "autovacuum": True,
                "wal_room": 540.0 * MB,
                "wal_segment": 16.0 * MB,
                "up_seconds": 86400.0,
                "oldest_transaction": 1000,
                "vacuums": 0,
                "activity": [session(10), session(11)],
                "counters": {
                    "hit": 100000.0,
                    "read": 1000.0,
                    "temporary_files": 0.0,
                    "temporary_bytes": 0.0,
                    "deadlocks": 0.0,
                    "commits": 1000.0,
                    "rollbacks": 1.0,
                    "read_seconds": 5.0,
                    "wal": 9.0 * GB,
                },
                "tables": [table("attendances"), table("students")],
                "statements": [statement(1), statement(2, query="UPDATE sessions SET closed = $1")],
                "statements_since": NOW - 30 * 86400,
            },
            "pool": {
                "pools": [pool_row(), pool_row(database="pgbouncer", user="pgbouncer", cl_waiting="0")],
                "databases": [
                    {"name": "school", "pool_size": "12", "max_connections": "15", "paused": "0", "disabled": "0"},
                    {"name": "pgbouncer", "pool_size": "2", "max_connections": "15", "paused": "0", "disabled": "0"},
                ],
                "state": [{"key": "active", "value": "yes"}, {"key": "paused", "value": "no"}],
                "config": [{"key": "max_client_conn", "value": "2000"}],
                "lists": [{"list": "used_clients", "items": "5"}],
                "stats": [],
            },
            "cache": {
                "info": {
                    "used_memory": str(20 * MB),
                    "maxmemory": str(128 * MB),
                    "maxmemory_policy": "volatile-lru",
                    "evicted_keys": "0",
                    "connected_clients": "10",
                    "maxclients": "2000",
                    "rejected_connections": "0",
                    "db0": "keys=42,expires=40,avg_ttl=0",
                },
                "slow": [],
            },
            "edge": {"rows": [haproxy("site", "FRONTEND"), haproxy("app", "BACKEND")]},
            "app": {
                "has_metrics": True,
                "replicas": [
                    {
                        "name": "school_app.1",
                        "seconds": 0.01,
                        "status": 200,
                        "error": "",
                        "metrics": {
                            "nodejs_eventloop_lag_p99_seconds": 0.012,
                            "nodejs_heap_size_used_bytes": 50.0 * MB,
                            'app_database_pool_connections{state="waiting"}': 0.0,
                        },
                    }
                ],
            },
            "site": {
                "domain": "school.example",
                "path": "/",
                "status": 200,
                "seconds": 0.05,
                "refused": "",
                "matters": True,
            },
            "prometheus": {"firing": [], "since": [], "down": [], "kills": {}},
        }
    )


def facts(after: dict[str, Any], before: dict[str, Any] | None = None, **more: Any) -> Facts:
    """Two looks, five seconds apart."""
    before = seen() if before is None else before
    return Facts(after, before, dict.fromkeys(after, 5.0), stack="school", now=NOW, **more)
