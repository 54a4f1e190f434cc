# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of the alert drill: what is broken, and which alert must tell of it.

None of them changes data. Those that interrupt the service stop or freeze one of its parts until its alert has arrived.
"""

from __future__ import annotations

from .model import Fault

_SERVED = ("edge", "app", "business")
_BEHIND_DATABASE = ("database", "pool", "backup", *_SERVED)


def _stopped(service: str, alert: str, hides: tuple[str, ...], **more: object) -> Fault:
    return Fault(
        f"{service}-stopped",
        f"the service {service} is stopped",
        alert,
        hides=hides,
        needs=(f"service:{service}",),
        interrupts=True,
        **more,  # type: ignore[arg-type]
    )


#: In this order, so that those nobody notices come first.
FAULTS: tuple[Fault, ...] = (
    Fault(
        "memory-filled",
        "a container fills 95 % of its memory",
        "ContainerMemoryHigh",
        {"name": "{stack}_drill_memory.1"},
    ),
    Fault(
        "memory-exceeded",
        "a process of a container wants more than its limit and is killed",
        "ContainerOutOfMemoryKill",
        {"name": "{stack}_drill_killed.1"},
        also=("HostOutOfMemoryKill", "ContainerMemoryHigh"),
    ),
    Fault(
        "restart-loop",
        "a container ends as soon as it has started, again and again",
        "ContainerRestartLoop",
        {"service": "{stack}_drill_restarts"},
        lead=30.0,
        also=("ServiceTasksMissing",),
    ),
    Fault(
        "task-missing",
        "a service wants a host that is not there",
        "ServiceTasksMissing",
        {"service": "{stack}_drill_missing"},
    ),
    Fault(
        "disk-filled",
        "a small file system in a file is filled",
        "HostDiskSpaceLow",
        {"host": "{host}"},
        hides=("host",),
        also=("HostInodesLow", "HostDiskFullSoon"),
        needs=("loop", "service:node_exporter"),
    ),
    Fault(
        "backup-timer-stopped",
        "a timer of the backups is stopped, and the check of the backups runs",
        "BackupUnhealthy",
        needs=("timer:backup-incr", "timer:backup-check"),
    ),
    Fault(
        "certificate-ending",
        "a certificate has three days left",
        "CertificateExpiresVerySoon",
        {"instance": "https://alert-receiver:8443/"},
        also=("CertificateExpiresSoon",),
        needs=("service:blackbox_exporter",),
    ),
    Fault(
        "site-slow",
        "a page takes three seconds",
        "SiteSlow",
        {"instance": "http://alert-receiver:8080/slow"},
        needs=("service:blackbox_exporter",),
    ),
    Fault(
        "target-gone",
        "something that is measured does not answer",
        "TargetDown",
        {"job": "drill"},
    ),
    Fault(
        "errors-answered",
        "requests are answered with errors",
        "SiteErrorRate",
        lead=30.0,
        also=("SiteErrors",),
        needs=("service:haproxy",),
    ),
    Fault(
        "pool-clients-waiting",
        "a client of the pool waits for a connection that another one holds",
        "PoolClientsWaiting",
        {"database": "{database}"},
        also=("PoolWaitLong", "PoolNearlyExhausted", "DatabaseTransactionLong"),
        needs=("service:postgres", "service:pgbouncer"),
    ),
    Fault(
        "transaction-idle",
        "a transaction stays open and does nothing",
        "DatabaseTransactionIdle",
        {"usename": "postgres", "datname": "postgres"},
        threshold="idle_transaction_seconds",
        needs=("service:postgres",),
    ),
    Fault(
        "transaction-long",
        "a statement runs for minutes",
        "DatabaseTransactionLong",
        {"usename": "postgres"},
        threshold="transaction_seconds",
        needs=("service:postgres",),
    ),
    Fault(
        "locks-waiting",
        "sessions wait for a lock that nobody gives up, and a table is locked",
        "DatabaseLocksWaiting",
        also=("DatabaseTransactionIdle",),
        needs=("service:postgres",),
    ),
    Fault(
        "deadlocks",
        "pairs of sessions lock each other out",
        "DatabaseDeadlocks",
        {"datname": "{database}"},
        needs=("service:postgres",),
    ),
    Fault(
        "connections-exhausted",
        "sessions that do nothing take the database's connections",
        "DatabaseConnectionsHigh",
        also=("DatabaseTransactionIdle",),
        needs=("service:postgres",),
    ),
    _stopped("redis", "CacheDown", ("cache", *_SERVED)),
    _stopped("postgres", "DatabaseDown", _BEHIND_DATABASE),
    _stopped("pgbouncer", "PoolDown", ("pool", *_SERVED)),
    _stopped("app", "AppDown", _SERVED),
    _stopped("haproxy", "EdgeDown", ("edge", "business")),
    _stopped("nginx", "SiteDown", ("edge", "business")),
    # What it measures of the host and reads of the backups is missing meanwhile.
    _stopped("node_exporter", "TargetDown", ("host", "backup"), labels={"job": "node"}),
    Fault(
        "pool-paused",
        "the database is paused in the pool",
        "PoolPaused",
        {"name": "{database}"},
        hides=("pool", "app", "business", "SiteDown", "SiteErrorRate", "SiteSlow"),
        needs=("service:postgres", "service:pgbouncer"),
        interrupts=True,
    ),
    Fault(
        "postgres-paused",
        "the service postgres is frozen: it takes connections and says nothing",
        "DatabaseDown",
        hides=_BEHIND_DATABASE,
        needs=("service:postgres",),
        interrupts=True,
    ),
)
