# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores the database in place.

Nothing is given up before the restored server has proven where it ended: the old data directory is
kept aside, and is put back when the restore fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace

from .._core.backup_config import Limits
from .._core.errors import FirstbellError
from .._core.restore_target import (
    LATEST,
    Choice,
    choose,
    parse_as_of,
    parse_target,
    prove,
    refuse_overwriting,
    refuse_unreached,
)
from .._core.wal import Archived
from .._io import system
from . import assure, backup, metrics
from .host import Host
from .postgres import SOCKET, Postgres
from .recovery import Recovery
from .server import Server, wait_until
from .speech import say

NAME = "restore"
HELP = "Restore the database: the newest moment, a time, a position in the WAL, or a backup."
EXCLUSIVE = True

_PATIENCE = 6 * 3600.0
_STOP_PATIENCE = 180.0
_FLUSH_PATIENCE = 60.0
_START_PATIENCE = 180.0
# What is stopped meanwhile, and what is only cut off by that.
_POOL, _DATABASE = "pgbouncer", "postgres"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--time", default="", help="a moment with its time zone: 2027-03-01 07:45:00+01:00")
    parser.add_argument("--lsn", default="", help="a position in the WAL: 0/3000148")
    parser.add_argument("--backup", default="", help="a backup, as info lists them, as it was when it ended")
    parser.add_argument("--repository", type=int, help="only from this one; 2 is the one in S3")
    parser.add_argument("--as-of", default="", metavar="TIME", help="read the store as it was then, by its versions")
    parser.add_argument("--overwrite", default="", metavar="STACK", help="replace the database that is in place")


def run(host: Host, options: argparse.Namespace) -> int:
    target = parse_target(options.time, options.lsn, options.backup)
    as_of, repository = parse_as_of(options.as_of, options.repository)
    postgres, started = Postgres(host, as_of), time.monotonic()
    refuse_overwriting(host.config.stack, options.overwrite, os.path.exists(f"{postgres.data}/PG_VERSION"))
    backup.check_key(host)
    stanza = postgres.stanza(sources=True)
    # What cannot be is refused before the living database is asked for anything.
    choose(target, stanza, time.time(), repository=repository)
    _flush(postgres, stanza.system_id)
    sound = [repository.number for repository in stanza.repositories if repository.code == 0]
    wanted = [repository] if repository else sound
    archives = {number: postgres.archive(number, stanza)[0] for number in wanted if number in sound}
    every = [entry for archive in archives.values() for entry in archive]
    choice = choose(target, stanza, time.time(), every, repository)
    _require_space(host, choice.backup.size)
    running = _stop(host)
    took, said = _replace(postgres, choice, archives.get(choice.backup.repository, []), running)
    if choice.backup.repository in host.config.postgres.sources:
        _begin_anew(host)
    writable = _start(host, running, started)
    say(f"restored from {choice.backup.label}: {said}")
    say(f"writable again after {writable:.1f} s ({choice.backup.size / 1e9:.2f} GB, copied in {took:.1f} s)")
    host.record(
        "restore",
        {
            "ended": time.time(),
            "target": target.kind,
            "to": target.text,
            "backup": choice.backup.label,
            "repository": choice.backup.repository,
            "proof": said,
            "seconds_to_writable": round(writable, 2),
            "seconds_of_copying": round(took, 2),
            "database_bytes": choice.backup.size,
        },
    )
    # The restore began another timeline. With a full backup on it, no later restore depends on the old one.
    assure.assure(host)
    backup.make(host, "full")
    metrics.write(host)
    return 0


def _flush(postgres: Postgres, system_id: int) -> None:
    """Have what a living database has committed in the archive before it is stopped.

    Where the data was lost, a new and empty one may run already: it has nothing to keep.
    """
    server = Server(postgres.socket)
    if not server.writable() or server.archiver().system_id != system_id:
        return
    # Without a record in it, a file would not be ended.
    server.value("SELECT pg_create_restore_point('before restore')")
    name = str(server.value("SELECT pg_walfile_name(pg_switch_wal())"))

    def archived() -> bool:
        last = server.archiver().last_archived_wal[:24]
        return last >= name

    try:
        wait_until(archived, _FLUSH_PATIENCE, f"{name} has not been archived")
    except FirstbellError as error:
        say(f"the last commits of the database that is in place may be missing: {error}")


def _require_space(host: Host, size: int) -> None:
    free = shutil.disk_usage(host.config.directory).free
    if free < size * 1.05:
        raise FirstbellError(
            f"{free / 1e9:.1f} GB are free on the disk of {host.config.directory}; the database needs "
            f"{size / 1e9:.1f} GB beside the one in place. Free some, or move the old data directory away"
        )


def _service(host: Host, name: str) -> str:
    return f"{host.config.stack}_{name}"


def _state_path(host: Host) -> str:
    return f"{host.config.backup}/records/restore-running.json"


def _stop(host: Host) -> dict[str, int]:
    """Stop the pool, and with it all traffic, and the database; note what ran, should this be interrupted."""
    noted = system.read_text(_state_path(host))
    running: dict[str, int] = dict(json.loads(noted)) if noted else {}
    if not running:
        for name in (_POOL, _DATABASE):
            shown = system.run(
                [
                    "docker",
                    "service",
                    "inspect",
                    "--format",
                    "{{.Spec.Mode.Replicated.Replicas}}",
                    _service(host, name),
                ],
                check=False,
            )
            if shown.code == 0:
                running[name] = max(int(shown.out.strip()), 1)
        system.write_text(_state_path(host), json.dumps(running))
    _scale(host, dict.fromkeys(running, 0))
    names = [_service(host, name) for name in running]
    wait_until(lambda: not _containers(names), _STOP_PATIENCE, f"{' and '.join(names)} have not stopped")
    return running


def _containers(services: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in services:
        label = f"label=com.docker.swarm.service.name={name}"
        found += system.run(["docker", "ps", "--quiet", "--filter", label]).out.split()
    return found


def _scale(host: Host, replicas: dict[str, int]) -> None:
    if replicas:
        wanted = [f"{_service(host, name)}={count}" for name, count in replicas.items()]
        system.run(["docker", "service", "scale", "--detach", *wanted])


def _begin_anew(host: Host) -> None:
    """Leave the repository on the host to the database that was here; the copy of another one gets its own.

    Two histories in one repository would be in each other's way at the next copy.
    """
    aside = f"{host.config.repository}.before-copy"
    shutil.rmtree(aside, ignore_errors=True)
    os.rename(host.config.repository, aside)
    os.mkdir(host.config.repository, mode=0o700)
    os.chown(host.config.repository, 1001, 1001)
    say(f"backups of the database that was here are in {aside}; remove it when you do not need it any more")


def _replace(
    postgres: Postgres, choice: Choice, archive: Sequence[Archived], running: dict[str, int]
) -> tuple[float, str]:
    """Restore into an empty directory, recover, and prove; the old data returns if that fails."""
    host = postgres.host
    aside = f"{postgres.data}.before-restore"
    if os.path.exists(aside):
        # An interrupted restore: what is in place is not whole.
        shutil.rmtree(postgres.data, ignore_errors=True)
    elif os.path.exists(postgres.data):
        os.rename(postgres.data, aside)
    for path in (os.path.dirname(postgres.data), postgres.data):
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chown(path, 1001, 1001)
    try:
        took, said = _recover(postgres, choice, archive)
    except FirstbellError:
        shutil.rmtree(postgres.data, ignore_errors=True)
        if os.path.exists(aside):
            os.rename(aside, postgres.data)
            # What failed is told; that the database of before is a wreck as well, its log says.
            with contextlib.suppress(FirstbellError):
                _start(host, running, time.monotonic())
        raise
    shutil.rmtree(aside, ignore_errors=True)
    return took, said


def _recover(postgres: Postgres, choice: Choice, archive: Sequence[Archived]) -> tuple[float, str]:
    """Seconds of the copying, and where the server says that it ended.

    What it writes waits to be archived until the service runs: a timeline of a restore that failed
    must not get into the repository, where the next restore would follow it.
    """
    host, directory = postgres.host, postgres.directory
    _empty(f"{host.config.backup}/spool")
    mounts = [
        *postgres.mounts(data=f"{directory}/data/postgres", read_only=False),
        f"type=bind,source={postgres.socket},target={SOCKET}",
    ]
    limits = replace(host.config.postgres.limits, cpus=float(os.cpu_count() or 1))
    started = time.monotonic()
    processes = f"--process-max={os.cpu_count() or 1}"
    repository = choice.backup.repository
    postgres.pgbackrest("restore", *choice.options(), processes, mounts=mounts, limits=limits, repository=repository)
    took = time.monotonic() - started
    configuration = [
        f"type=bind,source={directory}/postgres,target=/etc/postgresql,readonly",
        f"type=bind,source={directory}/pki/postgres,target=/etc/firstbell/tls,readonly",
    ]
    configuration += postgres.store_mounts(repository)
    with Recovery(host, NAME, postgres.socket) as recovery:
        recovery.start(
            [*mounts, *configuration], ["archive_command="], postgres.network(repository), _server_limits(host)
        )
        try:
            recovery.wait_until_writable(_PATIENCE)
        except FirstbellError:
            refuse_unreached(choice.target, recovery.log())
            raise
        newest = [entry.segment.number for entry in archive if entry.segment.timeline == _newest_timeline(archive)]
        said = prove(choice.target, recovery.log(), max(newest, default=None) if choice.target.kind == LATEST else None)
        recovery.stop()
    return took, said


def _newest_timeline(archive: Sequence[Archived]) -> int:
    return max((entry.segment.timeline for entry in archive), default=1)


def _server_limits(host: Host) -> Limits:
    """The database's own limits, as its service has them."""
    name = _service(host, _DATABASE)
    form = "{{.Spec.TaskTemplate.Resources.Limits.NanoCPUs}} {{.Spec.TaskTemplate.Resources.Limits.MemoryBytes}}"
    shown = system.run(["docker", "service", "inspect", "--format", form, name], check=False)
    if shown.code:
        return host.config.postgres.limits
    cpus, memory = shown.out.split()
    return Limits(cpus=int(cpus) / 1e9, memory=int(memory), pids=512)


def _start(host: Host, running: dict[str, int], started: float) -> float:
    """Start what ran; seconds since the restore was asked for until a commit succeeded."""
    _scale(host, {name: count for name, count in running.items() if name == _DATABASE})
    server = Server(Postgres(host).socket)
    wait_until(server.writable, _START_PATIENCE, "the restored database does not take writes")
    server.write()
    seconds = time.monotonic() - started
    _scale(host, {name: count for name, count in running.items() if name != _DATABASE})
    system.remove(_state_path(host))
    return seconds


def _empty(folder: str) -> None:
    for name in os.listdir(folder):
        shutil.rmtree(f"{folder}/{name}", ignore_errors=True)
