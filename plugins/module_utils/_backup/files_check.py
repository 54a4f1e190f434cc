# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the backups of files: the key, their age, what vanished, and a part of the data byte by byte."""

from __future__ import annotations

import argparse
import time
from typing import Any

from .._core import file_backup, restic
from .._core.errors import FirstbellError
from .._core.file_backup import LOCAL, S3
from . import files_report, inventory
from .files import Files
from .host import Host
from .speech import say

NAME = "files-check"
HELP = "Check the backups of files, and read the part of their data that was not read for longest."
EXCLUSIVE = False


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="read all data, not one part of it")
    parser.add_argument("--repository", choices=["local", "s3"], help="only this one")
    parser.add_argument("--accept", action="store_true", help="take it as known that backups have vanished")


def run(host: Host, options: argparse.Namespace) -> int:
    files = Files(host)
    with files.lock(NAME):
        state = files.state()
        start = time.time()
        findings: list[str] = []
        for repository in [options.repository] if options.repository else files.config.repositories:
            found = check(files, repository, state, options)
            findings += [f"{repository}: {text}" for text in found]
            if options.all and repository == LOCAL and not found:
                inventory.accept(host, inventory.FILES)
        files.remember(state)
        record = {
            "ok": not findings,
            "seconds": round(time.time() - start, 3),
            "findings": findings,
            "all": options.all,
        }
        files_report.write(files, NAME, record, state)
    if not findings:
        say("the backups of files are well")
    files_report.failed(findings)
    return 1 if findings else 0


def check(files: Files, repository: str, state: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """What is wrong with one repository."""
    config = files.config
    try:
        files.compare_key(repository)
        present = files.snapshots(repository)
    except FirstbellError as error:
        return [str(error)]
    findings = (
        [] if files.recorded_key(repository) else ["the fingerprint of its key is missing; the next backup writes it"]
    )
    now = time.time()
    findings += file_backup.too_old(config, present, now)
    files.note(repository, state, present)
    known = state["snapshots"][repository]
    if options.accept or (repository == S3 and config.store and not config.store.forget):
        for snapshot in file_backup.vanished(list(known), present):
            known.pop(snapshot)
    lost = file_backup.vanished(list(known), present)
    if lost:
        findings.append(
            f"{len(lost)} backups have vanished that nobody here removed: {', '.join(name[:8] for name in lost[:5])}. "
            f"Find out who did it; then: {files.host.config.command} {NAME} --accept"
        )
    read_at = state.setdefault("read", {}).setdefault(repository, {})
    subset = file_backup.next_subset(read_at, config.subsets)
    part = "100%" if options.all else f"{subset}/{config.subsets}"
    try:
        found = restic.findings(files.run(repository, ["check", "--read-data-subset", part]))
    except FirstbellError as error:
        return [*findings, str(error)]
    if found:
        return [
            *findings,
            *found,
            "what is not damaged can still be restored: docs/recovery/files-damaged-backup.md tells how",
        ]
    numbers = range(1, config.subsets + 1) if options.all else [subset]
    read_at.update({str(number): now for number in numbers})
    since = min((snapshot.time for snapshot in present), default=0.0)
    late = file_backup.unread(read_at, config.subsets, since, now)
    if late:
        findings.append(f"parts {late} of {config.subsets} were not read for more than 8 days: does the timer run?")
    return findings
