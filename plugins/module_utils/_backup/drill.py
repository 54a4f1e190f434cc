# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearses a restore: into a server of its own, without a network, compared with what was there."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import time
import uuid

from .._core import drill as core
from .._core.errors import FirstbellError
from .._core.pgbackrest import Backup
from .._core.restore_target import Choice, Target
from .._core.wal import parse_segment
from .._io import system
from . import metrics
from .backup import check_key
from .host import Host
from .postgres import DATA, SOCKET, Postgres
from .recovery import Recovery
from .server import Server, count_rows, wait_until
from .speech import say

NAME = "drill"
HELP = "Rehearse a restore and measure it."
EXCLUSIVE = True

_ARCHIVING_PATIENCE = 300.0
_RECOVERY_PATIENCE = 6 * 3600.0
_MARKER_DAYS = 60
_HBA = "local all postgres peer map=host\n"
_IDENT = "host postgres postgres\nhost root postgres\n"
_RESTORED = "recovery stopping at restore point"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--random", action="store_true", help="any backup instead of the newest, as it was")


def run(host: Host, options: argparse.Namespace) -> int:
    kind, started = "random" if options.random else "newest", time.time()
    try:
        measured = rehearse(host, options.random)
    except FirstbellError as error:
        # One that could not run proved nothing: that is a failure, and is on record as one.
        failure = {"kind": kind, "started": started, "ended": time.time(), "success": False, "findings": [str(error)]}
        host.record("drill", failure)
        metrics.refresh(host)
        raise
    config = host.config.postgres
    allowed = core.allowed_recovery_time(config.recovery_time, config.recovery_time_per_gb, measured.database_bytes)
    findings = core.judge(measured, config.recovery_point, allowed)
    content = core.record(measured, findings, started, time.time(), kind)
    host.record("drill", content)
    host.record(f"drill-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(started))}", content)
    _forget_old(host)
    metrics.write(host)
    point = "-" if measured.recovery_point is None else f"{measured.recovery_point:.1f} s"
    say(
        f"rehearsed with {measured.backup}: recovery point {point}, recovery time {measured.recovery_time:.1f} s "
        f"(allowed {allowed:.1f} s) for {measured.database_bytes / 1e9:.2f} GB, "
        f"{measured.tables_counted} tables counted"
    )
    for finding in findings:
        say(f"PROBLEM {finding}")
    return 1 if findings else 0


def rehearse(host: Host, any_backup: bool) -> core.Measured:
    """Restore, look and remove everything again; raises FirstbellError where that was not possible."""
    check_key(host)
    postgres, folder = Postgres(host), f"{host.config.backup}/drill"
    live = Server(postgres.socket)
    _clear(host, folder)
    marker, committed = f"drill-{uuid.uuid4().hex[:12]}", 0.0
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    uncounted = 0
    if not any_backup:
        with live.snapshot() as first:
            committed = live.mark(marker, _MARKER_DAYS)
            with live.snapshot() as second:
                before, uncounted = count_rows(first, host.config.postgres.count_limit)
                after, _larger = count_rows(second, host.config.postgres.count_limit)
    backup = _choose(postgres, any_backup)
    _require_space(folder, backup.size)
    recovery_point = None if any_backup else _wait_for_archive(postgres, live, marker, committed, backup.repository)
    expected = _expected_marker(live, backup) if any_backup else marker
    try:
        with Recovery(host, NAME, f"{folder}/run") as recovery:
            restored, seconds = _restore(host, recovery, backup, "" if any_backup else marker, folder)
            structure = _check_structure(recovery, thorough=any_backup)
            rows: list[str] = []
            if not any_backup:
                with recovery.server.snapshot() as sessions:
                    found, _larger = count_rows(sessions, host.config.postgres.count_limit)
                rows = core.compare_counts(before, after, found)
            markers = recovery.server.markers()
    finally:
        _clear(host, folder)
    return core.Measured(
        backup=backup.label,
        recovery_point=recovery_point,
        recovery_time=seconds,
        restore_seconds=restored,
        database_bytes=backup.size,
        marker_found=expected is None or expected in markers,
        structure=tuple(structure),
        rows=tuple(rows),
        tables_counted=len(before),
        tables_uncounted=uncounted,
    )


def _choose(postgres: Postgres, any_backup: bool) -> Backup:
    stanza = postgres.stanza()
    sound = [backup for backup in stanza.backups if not backup.error]
    if not sound:
        raise FirstbellError("there is no backup to rehearse with; make one with: backup --type full")
    if any_backup:
        return core.pick(sound, random.SystemRandom().random())
    nearest = min(backup.repository for backup in sound)
    return max((b for b in sound if b.repository == nearest), key=lambda backup: backup.stop)


def _expected_marker(live: Server, backup: Backup) -> str | None:
    """The last marker that was committed before the backup began, if there is one."""
    earlier = [(at, name) for name, at in live.markers().items() if at < backup.start]
    return max(earlier)[1] if earlier else None


def _wait_for_archive(postgres: Postgres, live: Server, marker: str, committed: float, repository: int) -> float:
    """Seconds from the commit until the WAL that holds it is in the repository. Nothing is hurried on."""
    name = live.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
    segment = parse_segment(str(name))
    seen: list[float] = []

    def archived() -> bool:
        facts = live.archiver()
        last = facts.last_archived_wal[:24]
        if len(last) == len(segment.name) and parse_segment(last) >= segment:
            seen.append(facts.last_archived if last == segment.name else time.time())
        return bool(seen)

    wait_until(archived, _ARCHIVING_PATIENCE, f"{segment.name} with the marker {marker} has not been archived")
    archive, _starts, _histories = postgres.archive(repository, postgres.stanza())
    if segment not in {entry.segment for entry in archive}:
        raise FirstbellError(f"{segment.name} with the marker {marker} is not in repository {repository}")
    return max(seen[0] - committed, 0.0)


def _require_space(folder: str, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size * 1.1 + 64 * 1024 * 1024:
        raise FirstbellError(f"{folder}: {free / 1e9:.1f} GB are free; the restored database needs {size / 1e9:.1f} GB")


def _restore(host: Host, recovery: Recovery, backup: Backup, marker: str, folder: str) -> tuple[float, float]:
    """Seconds of the restore alone, and until the server took writes."""
    postgres, limits = Postgres(host), host.config.postgres.rehearsal
    for name in ("data", f"data/{postgres.config.major}", f"data/{postgres.config.major}/data", "run", "conf", "spool"):
        os.mkdir(f"{folder}/{name}", mode=0o700)
        os.chown(f"{folder}/{name}", 1001, 1001)
    # hot_standby off: a recovering server with fewer connections than the live one is no problem then.
    shared_buffers = limits.memory // 4 // 1024**2
    system.write_text(
        f"{folder}/conf/postgresql.conf",
        "hba_file = '/etc/postgresql/pg_hba.conf'\nident_file = '/etc/postgresql/pg_ident.conf'\n"
        f"unix_socket_directories = '{SOCKET}'\nlog_min_messages = log\n"
        f"hot_standby = off\nshared_buffers = '{shared_buffers}MB'\nmax_wal_size = '4GB'\njit = off\n",
    )
    system.write_text(f"{folder}/conf/pg_hba.conf", _HBA)
    system.write_text(f"{folder}/conf/pg_ident.conf", _IDENT)
    mounts = [
        *postgres.mounts(spool=f"{folder}/spool", repository_read_only=True),
        f"type=bind,source={folder}/data,target={DATA}",
    ]
    target = ["--type=name", f"--target={marker}"] if marker else Choice(Target("backup"), backup).options()[1:2]
    chosen = [
        f"--set={backup.label}",
        *target,
        "--target-action=promote",
        "--archive-mode=off",
    ]
    started = time.monotonic()
    processes = f"--process-max={max(int(limits.cpus), 1)}"
    postgres.pgbackrest("restore", *chosen, processes, mounts=mounts, limits=limits, repository=backup.repository)
    restored = time.monotonic() - started
    served = [
        f"type=bind,source={folder}/run,target={SOCKET}",
        f"type=bind,source={folder}/conf,target=/etc/postgresql,readonly",
    ]
    served += postgres.store_mounts(backup.repository)
    network = postgres.network(backup.repository)
    recovery.start([*mounts, *served], ["archive_mode=off"], network, limits)
    recovery.wait_until_writable(_RECOVERY_PATIENCE)
    recovery.server.write()
    seconds = time.monotonic() - started
    if marker and _RESTORED not in recovery.log():
        raise FirstbellError(
            f"the restored server does not say that it stopped at the marker {marker}:\n{recovery.tail()}"
        )
    return restored, seconds


def _check_structure(recovery: Recovery, thorough: bool) -> list[str]:
    """What pg_amcheck finds wrong with tables and indexes."""
    options = ["--all", "--install-missing", "--host", SOCKET, "--username", "postgres"]
    done = recovery.execute("pg_amcheck", *options, *(["--heapallindexed", "--parent-check"] if thorough else []))
    lines = [line for line in (done.out + done.err).splitlines() if line.strip()]
    return (lines or [f"exit status {done.code}"]) if done.code else []


def _clear(host: Host, folder: str) -> None:
    """Remove what this or an interrupted rehearsal left."""
    host.remove(NAME)
    for name in os.listdir(folder):
        shutil.rmtree(f"{folder}/{name}")


def _forget_old(host: Host, keep: int = 60) -> None:
    folder = f"{host.config.backup}/records"
    names = sorted(name for name in os.listdir(folder) if name.startswith("drill-"))
    for name in names[:-keep]:
        os.unlink(f"{folder}/{name}")
