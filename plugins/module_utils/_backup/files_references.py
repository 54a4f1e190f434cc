# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the files that the database's rows name are in a backup of the files."""

from __future__ import annotations

import os

from .._core import file_backup
from .._core.restic import Snapshot
from .files import Files
from .postgres import Postgres
from .server import Server


def named(files: Files) -> list[str]:
    """Paths on the host that rows name, some of each reference; raises FirstbellError where a query fails."""
    if not files.config.references:
        return []
    paths: list[str] = []
    config = files.host.config.postgres
    with Server(Postgres(files.host).socket).session(config.database) as session:
        session.query("SET default_transaction_read_only = on")
        session.query("SET statement_timeout = '60s'")
        for reference in files.config.references:
            rows = session.query(f"SELECT * FROM ({reference.query}) AS named LIMIT {files.config.sample_files}")  # noqa: S608
            paths += [reference.path(str(next(iter(row.values())))) for row in rows]
    return sorted(set(paths))


def missing(files: Files, repository: str, snapshot: Snapshot, target: str, paths: list[str]) -> list[str]:
    """What is wrong with them: each is restored, and those that are younger than the backup do not count."""
    if paths:
        files.restore(repository, snapshot.id, [file_backup.inside(path) for path in paths], target)
    found = []
    for path in paths:
        if os.path.lexists(target + file_backup.inside(path)):
            continue
        if not os.path.lexists(path):
            found.append(f"a row of the database names {path}, which is neither on the host nor in the backup")
        elif os.lstat(path).st_ctime < snapshot.time:
            found.append(f"a row of the database names {path}, which is on the host and not in the backup")
    return found
