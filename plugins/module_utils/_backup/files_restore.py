# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores files: aside by default, in place when told, with what was there kept."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from datetime import datetime, timezone

from .._core import file_backup, redis_save
from .._core.errors import FirstbellError, InputError
from .._core.file_backup import REDIS, Component
from .._core.restic import Snapshot
from .files import Files
from .host import Host
from .redis import Redis
from .speech import say

NAME = "files-restore"
HELP = "Restore one component, or a path of it: aside, or in place."
EXCLUSIVE = False


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("component", help="redis, uploads, certificates or state")
    parser.add_argument("--path", help="only this file or directory of it")
    parser.add_argument("--snapshot", default="latest", help="id, as files-list shows it")
    parser.add_argument("--at", help="the newest backup not after this moment, such as 2026-11-22T14:00:00+00:00")
    parser.add_argument("--from", dest="repository", choices=["local", "s3"], default="local", help="the repository")
    parser.add_argument("--to", help="an empty or new directory to restore into")
    parser.add_argument("--in-place", action="store_true", help="replace what is there, which is kept beside")
    parser.add_argument("--confirm", default="", help="with --in-place: the name of the stack")
    parser.add_argument("--which", action="store_true", help="only say which backup it would be, or why it cannot be")


def run(host: Host, options: argparse.Namespace) -> int:
    files = Files(host)
    component = files.config.component(options.component)
    path = file_backup.part(component, options.path) if options.path else ""
    if options.in_place:
        _refuse(files, component, path, options)
    at = _moment(options.at) if options.at else None
    with files.lock(NAME):
        start = time.time()
        snapshot = file_backup.choose(
            files.snapshots(options.repository), component.name, wanted=options.snapshot, at=at, now=start
        )
        if options.which:
            made = f"{datetime.fromtimestamp(snapshot.time, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
            say(f"{component.name}: {snapshot.id[:8]} of {made}")
            return 0
        stamp = f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"
        if not options.in_place:
            target = _target(options.to or f"{files.directory}/restored/{component.name}-{snapshot.id[:8]}-{stamp}")
            files.restore(options.repository, snapshot.id, [file_backup.inside(path)] if path else [], target)
            say(f"restored {snapshot.id[:8]} to {target}{file_backup.INSIDE}")
        elif component.name == REDIS:
            _redis(files, options.repository, snapshot, stamp)
        else:
            for one in [path] if path else component.all_paths:
                _in_place(files, options.repository, snapshot, one, stamp)
        say(f"took {time.time() - start:.1f} s")
    return 0


def _moment(text: str) -> float:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise InputError(f"{text!r} is no moment; write it like 2026-11-22T14:00:00+00:00") from None
    if found.tzinfo is None:
        raise InputError(f"{text!r} has no time zone; write it like 2026-11-22T14:00:00+00:00")
    return found.timestamp()


def _refuse(files: Files, component: Component, path: str, options: argparse.Namespace) -> None:
    stack = files.host.config.stack
    if options.to:
        raise InputError("--to and --in-place exclude each other")
    wanted = [path] if path else [Redis(files).data] if component.name == REDIS else list(component.all_paths)
    if options.confirm != stack:
        raise InputError(
            f"this replaces {', '.join(wanted)} of the running stack {stack}. To do that, add: --confirm {stack}; "
            "to look at the backup first, leave --in-place out"
        )
    for one in wanted:
        reason = (
            "" if component.name == REDIS else file_backup.in_place_refusal(component, one, files.host.config.directory)
        )
        if not reason and os.path.ismount(one):
            reason = f"{one} is a file system of its own: restore it aside with --to, and copy what you need"
        if reason:
            raise InputError(reason)


def _target(path: str) -> str:
    if not os.path.isabs(path) or "," in path:
        raise InputError(f"--to {path}: give an absolute path without commas")
    if os.path.lexists(path) and (not os.path.isdir(path) or os.listdir(path)):
        raise InputError(f"--to {path} is there and not empty; name a new directory, nothing is overwritten")
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def _in_place(files: Files, repository: str, snapshot: Snapshot, path: str, stamp: str) -> None:
    """Restore beside the path, then change places."""
    parent, name = os.path.split(path)
    if file_backup.inside(path) not in snapshot.paths and not any(
        file_backup.excluded(file_backup.inside(path), [top]) for top in snapshot.paths
    ):
        say(f"{path} is not in this backup")
        return
    os.makedirs(parent, exist_ok=True)
    staging = f"{parent}/.{name}.restoring-{stamp}"
    os.mkdir(staging, 0o700)
    try:
        files.restore(repository, f"{snapshot.id}:{file_backup.inside(parent)}", [f"/{name}"], staging)
        if not os.path.lexists(f"{staging}/{name}"):
            raise FirstbellError(f"{path} is not in the backup {snapshot.id[:8]}; nothing was changed")
        aside = swap(path, f"{staging}/{name}", stamp)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    say(f"restored {path} from {snapshot.id[:8]}" + (f"; what was there is in {aside}" if aside else ""))


def swap(path: str, new: str, stamp: str) -> str:
    """Put ``new`` in the place of ``path``; where what was there is now, or nothing.

    A directory stays the same one and changes its content, as containers may have it mounted.
    """
    aside = f"{path}.before-{stamp}"
    if not os.path.lexists(path):
        os.rename(new, path)
        return ""
    if not os.path.isdir(path) or os.path.islink(path) or not os.path.isdir(new):
        os.rename(path, aside)
        os.rename(new, path)
        return aside
    old, wanted = os.stat(path), os.stat(new)
    os.mkdir(aside, 0o700)
    for name in os.listdir(path):
        os.rename(f"{path}/{name}", f"{aside}/{name}")
    for name in os.listdir(new):
        os.rename(f"{new}/{name}", f"{path}/{name}")
    for place, status in ((aside, old), (path, wanted)):
        os.chown(place, status.st_uid, status.st_gid)
        os.chmod(place, status.st_mode & 0o7777)
    return aside


def _redis(files: Files, repository: str, snapshot: Snapshot, stamp: str) -> None:
    """Stop Redis, give it the data of the backup, start it; when it does not start, go back."""
    redis = Redis(files)
    staging = f"{os.path.dirname(redis.data)}/.redis.restoring-{stamp}"
    os.mkdir(staging, 0o700)
    try:
        inside = f"{file_backup.INSIDE}/{REDIS}"
        files.restore(repository, f"{snapshot.id}:{inside}", [f"/{redis_save.DUMP}"], staging)
        dump = f"{staging}/{redis_save.DUMP}"
        held = redis.read(dump)
        new = f"{staging}/new"
        os.mkdir(new, 0o755)
        os.chown(new, 1001, 1001)
        redis.assemble(dump, new)
        redis.stop()
        aside = swap(redis.data, new, stamp)
        try:
            redis.start()
        except FirstbellError as error:
            redis.stop()
            swap(redis.data, aside, f"{stamp}-failed")
            redis.start()
            raise FirstbellError(f"Redis did not start with the backup and has its old data again: {error}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    say(f"restored redis from {snapshot.id[:8]}: {held.keys} keys; what was there is in {aside}")
