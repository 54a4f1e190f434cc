# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearses a restore of files: a sample of each component, compared with what was recorded."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import time
from collections.abc import Iterator
from typing import Any

from .._core import file_backup, redis_save
from .._core.errors import FirstbellError
from .._core.file_backup import REDIS, UPLOADS, Component
from .._core.restic import Snapshot
from . import files_references, files_report, files_sample
from .files import Files
from .host import Host
from .redis import Redis
from .speech import say

NAME = "files-drill"
HELP = "Restore a sample of the files into a throw-away directory and compare their checksums."
EXCLUSIVE = False


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--random", action="store_true", help="any backup, not the newest")
    parser.add_argument("--from", dest="repository", choices=["local", "s3"], default="local", help="the repository")


def run(host: Host, options: argparse.Namespace) -> int:
    """A drill that could not run has failed, and its record says so."""
    files = Files(host)
    start = time.time()
    failures: list[str] = []
    components: dict[str, Any] = {}
    try:
        with files.lock(NAME):
            present = files.snapshots(options.repository)
            for component in files.config.components:
                with _kept(failures, component.name):
                    components[component.name] = _drill(files, component, present, options)
    except FirstbellError as error:
        failures.append(str(error))
    different = [text for item in components.values() for text in item["different"]]
    record = {
        "ok": not failures and not different,
        "repository": options.repository,
        "seconds": round(time.time() - start, 3),
        "components": components,
        "same": sum(item["same"] for item in components.values()),
        "different": different,
        "failures": failures,
    }
    files_report.write(files, NAME, record, files.state())
    for name, item in components.items():
        say(f"{name}: {item['same']} files of {item['snapshot'][:8]} are what was backed up, in {item['seconds']} s")
    files_report.failed([*failures, *different])
    return 0 if record["ok"] else 1


@contextlib.contextmanager
def _kept(failures: list[str], name: str) -> Iterator[None]:
    """Keep the error of one component; the others are rehearsed all the same."""
    try:
        yield
    except FirstbellError as error:
        failures.append(f"{name}: {error}")


def _drill(
    files: Files, component: Component, present: tuple[Snapshot, ...], options: argparse.Namespace
) -> dict[str, Any]:
    start = time.time()
    snapshot = file_backup.choose(present, component.name, now=start)
    if options.random:
        snapshot = random.SystemRandom().choice([item for item in present if item.component == component.name])
    target = f"{files.directory}/drill"
    shutil.rmtree(target, ignore_errors=True)
    os.mkdir(target, 0o700)
    # Those of a backup from the past may be gone for good reason.
    named = files_references.named(files) if component.name == UPLOADS and not options.random else []
    try:
        files.restore(options.repository, snapshot.id, [file_backup.MANIFEST], target)
        probes, more = files_sample.read(target + file_backup.MANIFEST)
        top = target + file_backup.INSIDE
        if probes:
            files.restore(options.repository, snapshot.id, [file_backup.inside(item.path) for item in probes], target)
        found = [item for item in (files_sample.probe(top + item.path) for item in probes) if item]
        result = file_backup.compare(probes, {item.path: item for item in files_sample.moved(found, top, "")})
        different = list(result.different)
        different += files_references.missing(files, options.repository, snapshot, target, named)
        if component.name == REDIS:
            held = Redis(files).read(f"{top}/{REDIS}/{redis_save.DUMP}")
            if held.keys != more.get("keys"):
                different.append(f"the dump of Redis has {held.keys} keys, {more.get('keys')} were backed up")
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return {
        "snapshot": snapshot.id,
        "age": round(start - snapshot.time, 1),
        "seconds": round(time.time() - start, 1),
        "same": result.same,
        "changed": result.changed,
        "named_by_rows": len(named),
        "different": different,
    }
