# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a portable dump, encrypted, and reads it back."""

from __future__ import annotations

import argparse
import os
import re
import time
from dataclasses import asdict
from datetime import datetime, timezone

from .._io import pipes, system
from .backup import check_key
from .files_sample import probe
from .host import Host
from .metrics import read_record
from .postgres import SOCKET, Postgres
from .speech import say

NAME = "dump"
HELP = "Write a portable dump of the application's database (pg_dump)."
EXCLUSIVE = True
RECORD = "dumps"
_CIPHER = ("openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-iter", "200000")
_NAME = re.compile(r"[a-z0-9_]+-\d{8}-\d{6}\.dump\.enc")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--accept", action="store_true", help="take it as known that dumps have vanished or changed")
    parser.add_argument("--show", metavar="FILE", help="write a dump, decrypted, to the standard output instead")


def run(host: Host, options: argparse.Namespace) -> int:
    check_key(host)
    key = f"{host.config.backup}/dumps/.key"
    if options.show:
        pipes.run([[*_CIPHER, "-d", "-pass", f"file:{key}", "-in", options.show]], inherit=True)
        return 0
    config = host.config.postgres
    started = time.monotonic()
    name = f"{config.database}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}.dump.enc"
    path = f"{host.config.backup}/dumps/{name}"
    socket = Postgres(host).socket
    mounts = [f"type=bind,source={socket},target={SOCKET}"]
    dump = host.command(
        "dump",
        ["--host", SOCKET, "--username", "postgres", "--format=custom", "--compress=zstd:3", config.database],
        "pg_dump",
        mounts,
    )
    try:
        pipes.run([dump, [*_CIPHER, "-salt", "-pass", f"file:{key}"]], output=f"{path}.new")
        # To its end: what cannot be decrypted or unpacked is no dump.
        reader = host.command("dump", ["--file=/dev/null"], "pg_restore", [])
        pipes.run([[*_CIPHER, "-d", "-pass", f"file:{key}", "-in", f"{path}.new"], reader])
        os.replace(f"{path}.new", path)
    finally:
        system.remove(f"{path}.new")
        host.remove("dump")
    say(f"changed: {path}, {os.path.getsize(path)} bytes, {time.monotonic() - started:.1f} s")
    # First: what is forgotten must not be missed.
    remember(host, name, options.accept)
    _forget_old(host)
    return 0


def _forget_old(host: Host) -> None:
    for name in _dumps(host)[: -host.config.postgres.dumps_kept or None]:
        os.unlink(f"{host.config.backup}/dumps/{name}")


def _dumps(host: Host) -> list[str]:
    return sorted(name for name in os.listdir(f"{host.config.backup}/dumps") if _NAME.fullmatch(name))


def remember(host: Host, made: str, accept: bool) -> None:
    """Keep what the dumps are, of each as it was made, so that one that is lost or damaged is missed."""
    known = {} if accept else read_record(host, RECORD)
    most = host.config.postgres.dumps_kept
    for name in _dumps(host) if accept else [made]:
        found = probe(f"{host.config.backup}/dumps/{name}")
        if found:
            known[name] = asdict(found)
    host.record(RECORD, {name: known[name] for name in sorted(known)[-most or len(known) :]})
