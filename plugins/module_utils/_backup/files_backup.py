# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backs up files: Redis, uploads, certificates and the stack's own state."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from dataclasses import asdict
from typing import Any

from .._core import file_backup, restic
from .._core.errors import FirstbellError
from .._core.file_backup import LOCAL, REDIS, S3, Component
from .._core.restic import ResticError, Saved
from . import files_report, files_sample, inventory
from .files import READ, Files
from .host import Host
from .redis import Redis
from .speech import say

NAME = "files-backup"
HELP = "Back up Redis, uploads, certificates and the stack's own state."
EXCLUSIVE = False


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--component", help="only this one")
    parser.add_argument("--first", action="store_true", help="only if there was none yet")
    parser.add_argument("--adopt", action="store_true", help="go on in a store that holds backups of an earlier host")


def run(host: Host, options: argparse.Namespace) -> int:
    files = Files(host)
    wanted = [files.config.component(options.component)] if options.component else list(files.config.components)
    with files.lock(NAME):
        if options.first:
            files.compare_key(LOCAL)
            if files_report.read(files, NAME).get("ok"):
                return 0
            say("changed: the first backup of the files")
        if not options.adopt:
            _refuse_heritage(files)
        with inventory.working(host):
            return _run(files, wanted)


def _refuse_heritage(files: Files) -> None:
    """Stop where the store holds what an earlier host saved: it wants to be restored, not to be followed by nothing.

    After a backup of the new host, the newest backup would be that of an empty one.
    """
    if S3 not in files.config.repositories or files.recorded_key(S3):
        return
    try:
        found = files.snapshots(S3)
    except ResticError as error:
        if error.kind == "key":
            raise
        return
    if found:
        command = files.host.config.command
        raise FirstbellError(
            f"{files.location(S3)} holds {len(found)} backups of an earlier host. Restore what you need, such as: "
            f"{command} files-restore uploads --from s3 --in-place --confirm {files.host.config.stack}; then go on in "
            f"that store with: {command} {NAME} --adopt"
        )


def _run(files: Files, wanted: list[Component]) -> int:
    start = time.time()
    failures: list[str] = []
    saved: dict[str, Saved] = {}
    state = files.state()
    opened = _try(failures, lambda: _open(files))
    if opened:
        for component in wanted:
            result = _try(failures, lambda component=component: _save(files, component))
            if isinstance(result, Saved):
                saved[component.name] = result
        if saved:
            _try(failures, lambda: files.forget(LOCAL, state))
    if S3 in files.config.repositories and opened:
        _try(failures, lambda: _off_site(files, state))
    files.remember(state)
    record = {
        "ok": not failures,
        "started": start,
        "seconds": round(time.time() - start, 3),
        "failures": failures,
        "components": {name: asdict(item) for name, item in saved.items()},
    }
    files_report.write(files, "files-backup", record, state)
    for name, item in saved.items():
        say(
            f"{name}: {item.files} files of {item.size} bytes, {item.added} bytes new in the repository, "
            f"as {item.snapshot[:8]}"
        )
    files_report.failed(failures)
    return 1 if failures else 0


def _try(failures: list[str], step: Any) -> Any:
    """What a step returns, True for nothing; its error is kept, and the other steps go on."""
    try:
        result = step()
    except FirstbellError as error:
        failures.append(str(error))
        return False
    return True if result is None else result


def _open(files: Files) -> None:
    """See that there is room, and that the repository is the right one."""
    if files.free() < files.config.least_free:
        raise FirstbellError(
            f"no backup of files was made: {files.directory} has {files.free() / 1e6:.0f} MB free, and "
            f"backup_minimum_free keeps {files.config.least_free / 1e6:.0f} MB for the database. Make room, or keep "
            "backups for fewer days (backup_retention_days)"
        )
    files.assure(LOCAL)


def _save(files: Files, component: Component) -> Saved:
    missing = [path for path in component.paths if not os.path.exists(path)]
    staging = f"{files.directory}/staging"
    shutil.rmtree(staging, ignore_errors=True)
    os.mkdir(staging, 0o700)
    extra: dict[str, Any] = {}
    try:
        paths = [path for path in component.all_paths if os.path.exists(path)]
        sources, mounts = [file_backup.inside(path) for path in paths], files.sources(paths)
        sampled = list(paths)
        if component.name == REDIS:
            os.mkdir(f"{staging}/redis", 0o755)
            dump = Redis(files).stage(f"{staging}/redis")
            extra = {"keys": dump.keys, "expires": dump.expires}
            mounts.append(f"type=bind,source={staging}/redis,target={file_backup.INSIDE}/{REDIS},readonly")
            sources.append(f"{file_backup.INSIDE}/{REDIS}")
            sampled = [f"{staging}/redis"]
        elif not paths:
            raise FirstbellError(
                f"{component.name} was not backed up: there is none of {', '.join(component.all_paths)}"
            )
        probes = files_sample.take(files.config, sampled, component.excludes)
        if component.name == REDIS:
            probes = files_sample.moved(probes, f"{staging}/redis", f"/{REDIS}")
        files_sample.write(f"{staging}/manifest.json", component.name, probes, extra)
        mounts.append(f"type=bind,source={staging}/manifest.json,target={file_backup.MANIFEST},readonly")
        argv = file_backup.backup_arguments(component, [*sources, file_backup.MANIFEST], files.config.host)
        answer = files.run(LOCAL, argv, mounts=mounts, capabilities=READ)
        if restic.kind_of(answer) == "full":
            raise ResticError(
                f"the backup of {component.name} did not fit: the disk of {files.directory} is full. The backups "
                "before it are whole. Make room, or keep backups for fewer days (backup_retention_days)",
                "full",
            )
        result = restic.saved(answer, f"the backup of {component.name}")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if missing:
        raise FirstbellError(
            f"the backup of {component.name} is not complete: {', '.join(missing)} does not exist; "
            "make it, or take it out of the list of paths"
        )
    return result


def _off_site(files: Files, state: dict[str, Any]) -> None:
    """Copy what the store lacks; everything that an outage left out comes with the next run."""
    files.assure(S3)
    answer = files.run(S3, ["copy", "--no-lock"], source=LOCAL)
    restic.require(answer, f"copying to {files.location(S3)}")
    if files.config.store and files.config.store.forget:
        files.forget(S3, state)
    else:
        files.note(S3, state, files.snapshots(S3))
