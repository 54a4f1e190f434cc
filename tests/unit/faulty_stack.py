# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with the quiet stack: the rule that names each fault, how to make it, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unit.quiet_stack import GB, MB, NOW, pool_row, session, statement, table

Break = Callable[[dict[str, Any]], None]


def container(after: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in after["engine"]["containers"] if one["service"] == name)
    return found


def queue(after: dict[str, Any]) -> None:
    """One open transaction, and three that wait for it and for each other."""
    after["database"]["activity"] = [
        session(1, state="idle in transaction", state_seconds=40.0, transaction_seconds=41.0, query="UPDATE books"),
        session(2, state="active", wait="Lock", lock_seconds=39.0, blocked_by=[1], query="UPDATE books SET a = 'x'"),
        session(3, state="active", wait="Lock", lock_seconds=20.0, blocked_by=[2]),
        session(4, state="active", wait="Lock", lock_seconds=10.0, blocked_by=[2, 3]),
    ]


def idle(after: dict[str, Any]) -> None:
    after["database"]["activity"] += [
        session(pid, state="idle in transaction", state_seconds=20.0, transaction_seconds=20.0) for pid in range(20, 32)
    ]
    exhausted(after)


def exhausted(after: dict[str, Any]) -> None:
    after["pool"]["pools"][0] = pool_row(cl_waiting="8", sv_active="12", sv_idle="0", maxwait="6")


def busy_statements(after: dict[str, Any]) -> None:
    exhausted(after)
    after["database"]["activity"] = [
        session(pid, state="active", query_seconds=40.0, transaction_seconds=40.0, query="SELECT pg_sleep(60)")
        for pid in range(20, 32)
    ]


def burning(after: dict[str, Any]) -> None:
    container(after, "app").update(cpu_seconds=104.9, periods=1050, throttled_periods=45)
    after["host"].update(cpu={"user": 109.0, "system": 20.5, "idle": 1000.2, "iowait": 5.0}, load=[9.0, 5.0, 2.0])
    after["app"]["replicas"][0]["metrics"]["nodejs_eventloop_lag_p99_seconds"] = 0.9
    after["app"]["replicas"][0]["seconds"] = 1.4


def disk(after: dict[str, Any]) -> None:
    after["host"]["disks"].append(
        {
            "mount": "/opt/school",
            "total": GB,
            "free": 10 * MB,
            "inodes": 1000,
            "inodes_free": 900,
            "read_only": False,
            "own": True,
        }
    )
    after["engine"]["services"]["postgres"].update(running=0)


def cache_full(after: dict[str, Any]) -> None:
    after["cache"]["info"].update(used_memory=str(128 * MB), errorstat_OOM="count=12")


def evicting(after: dict[str, Any]) -> None:
    after["cache"]["info"].update(used_memory=str(127 * MB), evicted_keys="50")


def update(source: str, **values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        after[source].update(values)

    return change


def use(service: str, **values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        container(after, service).update(values)

    return change


def services(name: str, **values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        after["engine"]["services"][name].update(values)

    return change


def counters(**values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        for name, value in values.items():
            after["database"]["counters"][name] += value

    return change


def backend(**values: str) -> Break:
    def change(after: dict[str, Any]) -> None:
        after["edge"]["rows"][1].update(values)

    return change


def replica(**values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        after["app"]["replicas"][0].update(values)

    return change


def metric(name: str, value: float) -> Break:
    def change(after: dict[str, Any]) -> None:
        after["app"]["replicas"][0]["metrics"][name] = value

    return change


def failed(error: str, times: int = 1, **more: Any) -> list[dict[str, Any]]:
    return [{"at": NOW - 30 * n, "error": error, "out_of_memory": False, **more} for n in range(times, 0, -1)]


def starved(after: dict[str, Any]) -> None:
    after["pool"]["pools"][0] = pool_row(cl_waiting="8", sv_active="0", sv_idle="0", maxwait="6")


def paused(**marks: str) -> Break:
    def change(after: dict[str, Any]) -> None:
        after["pool"]["databases"][0].update(marks)
        starved(after)

    return change


def all_paused(after: dict[str, Any]) -> None:
    """SHOW DATABASES says nothing of it."""
    after["pool"]["state"] = [{"key": "active", "value": "no"}, {"key": "paused", "value": "yes"}]
    starved(after)


FAULTS: list[tuple[str, Break, str]] = [
    ("lock-queue", queue, "3 sessions wait for a lock that one transaction holds"),
    ("idle-transactions", idle, "12 transactions are left open by a client that does nothing"),
    ("pool-waiting", busy_statements, "The pool is exhausted: 8 clients wait"),
    ("container-cpu", burning, "app uses all the CPU that it may use"),
    ("disk-full", disk, "The disk at /opt/school is full"),
    ("cache-full", cache_full, "Redis is full: 12 commands refused within 5.0 s"),
    ("cache-full", evicting, "Redis is full and drops valid keys: 50"),
    (
        "cache-full",
        lambda after: after["cache"]["info"].update(used_memory=str(125 * MB)),
        "Redis is nearly full: 98 %",
    ),
    ("cache-clients", lambda after: after["cache"]["info"].update(rejected_connections="3"), "Redis has 10 of 2000"),
    (
        "cache-clients",
        lambda after: after["cache"].update(slow=[{"at": NOW - 5, "seconds": 0.4, "command": "KEYS"}]),
        "1 command kept Redis for itself",
    ),
    ("services-missing", services("nginx", running=0), "nginx has 0 of 1 tasks running"),
    ("services-missing", services("app", wanted=0, running=0), "app is scaled to 0"),
    ("memory-kills", use("app", kills=2), "app had 2 processes killed for lack of memory"),
    (
        "memory-kills",
        services("app", failed=failed("task: non-zero exit (137)", out_of_memory=True)),
        "app was killed 1 time within an hour for lack of memory",
    ),
    (
        "restarts",
        services("app", failed=failed("task: non-zero exit (1)", 3)),
        "app was started again 3 times within an hour",
    ),
    ("pool-paused", all_paused, "The pool is paused"),
    ("pool-paused", paused(paused="1"), "The pool is paused for database school"),
    ("pool-paused", paused(disabled="1"), "The pool is disabled for database school"),
    ("pool-starved", starved, "8 clients wait for a connection that the pool does not get from PostgreSQL"),
    ("unhealthy", use("haproxy", health="unhealthy"), "haproxy does not pass its health check"),
    ("container-memory", use("redis", memory=250 * MB), "redis uses 98 % of its memory"),
    ("container-memory", use("redis", processes=127), "redis has 127 of 128 processes"),
    (
        "long-statements",
        lambda after: after["database"]["activity"].append(
            session(5, state="active", query_seconds=400.0, query="SELECT * FROM logs WHERE name = 'Anna'")
        ),
        "1 statement runs for more than 30 s",
    ),
    (
        "connections",
        lambda after: after["database"].update(activity=[session(pid) for pid in range(36)]),
        "36 of 37 connections of the database are taken",
    ),
    (
        "pool-clients",
        lambda after: after["pool"].update(lists=[{"list": "used_clients", "items": "1990"}]),
        "1990 of 2000 clients of the pool",
    ),
    (
        "statement-load",
        lambda after: after["database"].update(
            statements=[statement(1, total_seconds=9.0, calls=1020.0), statement(2)]
        ),
        "One kind of statement keeps about 2 sessions busy all the time",
    ),
    ("cache-hits", counters(hit=1000.0, read=9000.0), "The database reads much past its own memory"),
    ("cache-hits", counters(hit=1000.0, read=9000.0, read_seconds=4.0), "The database waits for the disk"),
    ("cache-hits", counters(temporary_bytes=200.0 * MB), "Statements sort or join on the disk: 200.0 MB"),
    ("cache-hits", counters(deadlocks=1.0), "1 deadlock within 5.0 s"),
    (
        "vacuum-starving",
        lambda after: after["database"].update(tables=[table("logs", dead=50000.0)]),
        "1 table is full of dead rows",
    ),
    ("vacuum-starving", update("database", oldest_transaction=400_000_000), "The oldest transaction id is 400 million"),
    ("vacuum-starving", update("database", autovacuum=False), "Autovacuum is switched off"),
    ("checkpoints", counters(wal=286.0 * MB), "At this rate a checkpoint is forced every 10 s"),
    ("app-silent", replica(error="port 3000 of the container does not answer", seconds=None), "1 of 1 replica"),
    ("app-silent", replica(status=500), "1 of 1 replica of the application does not answer"),
    ("app-loop", metric("nodejs_eventloop_lag_p99_seconds", 0.5), "its event loop comes 0.5 s late"),
    ("app-loop", metric("nodejs_heap_size_used_bytes", 190.0 * MB), "has used 99 % of its heap"),
    ("app-pool", metric('app_database_pool_connections{state="waiting"}', 7.0), "7 requests of school_app.1 wait"),
    ("app-slow", replica(seconds=3.0), "school_app.1 took 3.0 s for its health path"),
    # Its status stays UP by the server that has no check.
    ("edge-down", backend(act="0"), "No replica of the application passes the check of HAProxy"),
    (
        "edge-errors",
        lambda after: after["edge"]["rows"][0].update(req_tot="1100", hrsp_5xx="20"),
        "20 of 100 requests were answered with a server error",
    ),
    ("edge-slow", backend(rtime="4000", hrsp_2xx="1060"), "An answer of the application takes 4.0 s on average"),
    ("site-answer", update("site", status=503), "The site answers with status 503"),
    ("site-answer", update("site", seconds=3.0), "The site takes 3.0 s to answer"),
    ("site-answer", update("site", refused="certificate has expired"), "The certificate of the site is refused"),
    (
        "site-answer",
        update("site", refused="self-signed certificate", matters=False),
        "This host does not know who signed the certificate of the site",
    ),
    (
        "host-memory",
        update("host", memory={"MemTotal": 4 * GB, "MemAvailable": 0.1 * GB}),
        "The host is short of memory",
    ),
    ("host-memory", update("host", events={"pswpin": 5000, "oom_kill": 0}), "The host is short of memory"),
    ("host-memory", update("host", events={"pswpin": 0, "oom_kill": 1}), "most likely a container met its limit"),
    (
        "host-cpu",
        update("host", cpu={"user": 109.0, "system": 21.0, "idle": 1000.1, "iowait": 5.0}, load=[9.0, 5.0, 2.0]),
        "All processors of the host are busy",
    ),
    (
        "host-cpu",
        update("host", cpu={"user": 103.0, "system": 20.0, "idle": 1004.0, "iowait": 5.0, "steal": 3.0}),
        "The provider's machine takes 30 %",
    ),
    (
        "host-cpu",
        update("host", cpu={"user": 101.0, "system": 20.0, "idle": 1003.0, "iowait": 11.0, "steal": 0.0}),
        "The host waits for its disks",
    ),
    (
        "disk-full",
        lambda after: after["host"]["disks"][0].update(inodes_free=0),
        "The disk at / can hold hardly any more files",
    ),
    ("disk-full", lambda after: after["host"]["disks"][0].update(read_only=True), "The disk at / is mounted read-only"),
    ("disk-full", lambda after: after["host"]["disks"][0].update(free=4 * GB), "The disk at / is nearly full"),
    (
        "alerts",
        lambda after: after["prometheus"].update(firing=[{"alertname": "SignInsFailing", "component": "business"}]),
        "The alert SignInsFailing fires",
    ),
    (
        "alerts",
        lambda after: after["prometheus"].update(down=[{"job": "node", "instance": "bell1"}]),
        "Prometheus gets no answer from node at bell1",
    ),
]
