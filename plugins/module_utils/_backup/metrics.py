# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of the backups, for the node exporter's textfile collector."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from .._core.errors import FirstbellError
from .._core.pgbackrest import TYPES, Stanza, by_repository
from .._core.prometheus import Sample, render
from .._io import system
from .host import Host
from .postgres import Postgres

PREFIX = "firstbell_backup"


def path(host: Host) -> str:
    return f"{host.config.directory}/monitoring/textfile/{host.config.stack}_backup.prom"


def write(host: Host, stanza: Stanza | None = None) -> None:
    """Replace the file in one step, from what is in the repositories and in the records."""
    if stanza is None:
        stanza = Postgres(host).stanza()
    samples = [*_of_backups(stanza), *_of_space(host), *_of_records(host)]
    labelled = [
        Sample(item.name, item.value, {"stack": host.config.stack, **item.labels}, item.help, item.kind)
        for item in samples
    ]
    system.write_text(path(host), render(labelled), 0o644)


def read_record(host: Host, name: str) -> dict[str, Any]:
    """What was recorded last under that name; nothing before the first time."""
    text = system.read_text(f"{host.config.backup}/records/{name}.json")
    with contextlib.suppress(ValueError):
        found = json.loads(text or "{}")
        return dict(found)
    return {}


def _of_backups(stanza: Stanza) -> Iterator[Sample]:
    for number, backups in by_repository(stanza.backups).items():
        repository = {"repository": str(number)}
        yield Sample(f"{PREFIX}_count", len(backups), repository, "Backups in the repository")
        oldest = f"{PREFIX}_oldest_restorable_timestamp_seconds"
        yield Sample(oldest, min(b.stop for b in backups), repository, "Earliest moment that can be restored")
        for kind in TYPES:
            newest = max((b for b in backups if b.kind == kind), key=lambda b: b.stop, default=None)
            if newest is None:
                continue
            labels = {**repository, "type": kind}
            yield Sample(f"{PREFIX}_last_timestamp_seconds", newest.stop, labels, "End of the last backup")
            yield Sample(
                f"{PREFIX}_last_duration_seconds", newest.stop - newest.start, labels, "Duration of the last backup"
            )
            yield Sample(
                f"{PREFIX}_last_database_bytes", newest.size, labels, "Size of the database in the last backup"
            )
            yield Sample(
                f"{PREFIX}_last_stored_bytes", newest.stored, labels, "What the last backup takes in the repository"
            )
        full = max((b for b in backups if b.kind == "full"), key=lambda b: b.stop, default=None)
        if full and full.stored:
            yield Sample(f"{PREFIX}_ratio", round(full.size / full.stored, 3), repository, "Database by stored size")
    for repository_info in stanza.repositories:
        labels = {"repository": str(repository_info.number)}
        yield Sample(f"{PREFIX}_repository_status", repository_info.code, labels, "pgBackRest's status, 0 for ok")


def _of_space(host: Host) -> Iterator[Sample]:
    with contextlib.suppress(OSError):
        usage = shutil.disk_usage(f"{host.config.backup}/repository")
        yield Sample(f"{PREFIX}_repository_free_bytes", usage.free, {}, "Free space on the repository's disk")
        yield Sample(f"{PREFIX}_repository_disk_bytes", usage.total, {}, "Size of the repository's disk")


def _of_records(host: Host) -> Iterator[Sample]:
    check, drill, read = (read_record(host, name) for name in ("check", "drill", "read"))
    names: Mapping[str, tuple[str, str]] = {
        "time": ("check_timestamp_seconds", "Last check"),
        "problems": ("check_problems", "What the last check found wrong"),
        "newest_restorable": ("newest_restorable_timestamp_seconds", "Newest moment that can be restored"),
        "archive_failed": ("archive_failures", "WAL files that could not be archived, since the statistics began"),
        "archive_waiting": ("archive_waiting_files", "WAL files that wait to be archived"),
        "repository_bytes": ("repository_bytes", "What the backups and the WAL take in the repository"),
    }
    yield from _values(check, names)
    yield from _values(read, {"time": ("read_timestamp_seconds", "Last reading of every byte")})
    names = {
        "ended": ("drill_timestamp_seconds", "End of the last rehearsal of a restore"),
        "success": ("drill_success", "Whether it proved all it should"),
        "recovery_point": ("drill_recovery_point_seconds", "From a commit until it could be restored"),
        "recovery_time": ("drill_recovery_time_seconds", "From nothing to a server that takes writes"),
    }
    yield from _values(drill, names)


def _values(record: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> Iterator[Sample]:
    for key, (name, text) in names.items():
        if isinstance(record.get(key), (int, float)):
            yield Sample(f"{PREFIX}_{name}", float(record[key]), {}, text)


def refresh(host: Host) -> None:
    """The same where the repositories may be out of reach: what was found is on record."""
    stanza = Stanza(host.config.stack, (), ())
    with contextlib.suppress(FirstbellError):
        stanza = Postgres(host).stanza()
    write(host, stanza)
