# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a backup, and assures that there can be one."""

from __future__ import annotations

import argparse
import re
import time

from .._core.errors import FirstbellError
from .._core.fingerprint import compare, fingerprint, key_of
from .._core.pgbackrest import TYPES
from .._io import system
from . import inventory, metrics
from .host import Host
from .postgres import Postgres
from .speech import say

NAME = "backup"
HELP = "Make a backup."
EXCLUSIVE = True


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--type", choices=TYPES, default="incr", help="default: incr")
    parser.add_argument("--repository", type=int, help="only into this one")
    parser.add_argument("--gentle", action="store_true", help="let the database take its time for the checkpoint")


def run(host: Host, options: argparse.Namespace) -> int:
    check_key(host)
    make(host, options.type, options.repository, gentle=options.gentle)
    metrics.write(host)
    return 0


def make(host: Host, kind: str, repository: int | None = None, gentle: bool = False) -> None:
    """A backup into each repository; all are tried before a failure is told."""
    postgres, failures = Postgres(host), []
    for number in [repository] if repository else host.config.postgres.repositories:
        started = time.monotonic()
        done = postgres.pgbackrest(
            "backup",
            f"--type={kind}",
            "--no-start-fast" if gentle else "--start-fast",
            "--log-level-console=info",
            # The WAL of a backup in the store follows it there.
            *(["--no-archive-check"] if number > 1 else []),
            mounts=postgres.mounts_with_database(),
            repository=number,
            check=False,
        )
        if done.code:
            failures.append(f"repository {number}: {explain(done)}{unreadable(host.config.command, number, done)}")
            continue
        label = next((line.split(" = ")[1] for line in done.out.splitlines() if "new backup label = " in line), "?")
        if number == 1:
            inventory.add(host, label)
        say(f"changed: {kind} backup {label} in repository {number}, {time.monotonic() - started:.1f} s")
    if failures:
        raise FirstbellError("; ".join(failures))


def explain(done: system.Result) -> str:
    """The errors and warnings among what pgBackRest said, and nothing else."""
    lines = [line.strip() for line in (done.out + done.err).splitlines()]
    told = [
        line.split("P00", 1)[-1].strip() for line in lines if "ERROR:" in line or "WARN:" in line or "HINT:" in line
    ]
    return " ".join(told) or " ".join(lines[-3:]) or f"exit status {done.code}"


def unreadable(command: str, repository: int, done: system.Result) -> str:
    """What to do about a backup that the next one cannot be based on."""
    found = re.search(r"unable to load backup manifest file '\S*/([^/']+)/backup\.manifest'", done.out + done.err)
    if not found:
        return ""
    return f". It is damaged: {command} forget {found[1]} --repository {repository}, then make the backup again"


def key_path(host: Host) -> str:
    return f"{host.config.repository}/key.fingerprint"


def check_key(host: Host) -> None:
    """Refuse another key than that of what is in the repository."""
    configuration = system.read_text(f"{host.config.backup}/pgbackrest/pgbackrest.conf") or ""
    compare(fingerprint(key_of(configuration)), system.read_text(key_path(host)), host.config.repository)
