# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes a backup that is of no use, with those that depend on it."""

from __future__ import annotations

import argparse

from .._core.errors import InputError
from . import metrics
from .backup import check_key
from .host import Host
from .postgres import Postgres
from .speech import say

NAME = "forget"
HELP = "Remove a backup, and those that depend on it, such as one that check --read found corrupted."
EXCLUSIVE = True


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("label", help="its name, as info lists it")
    parser.add_argument("--repository", type=int, default=1, help="default: 1")


def run(host: Host, options: argparse.Namespace) -> int:
    check_key(host)
    postgres = Postgres(host)
    stanza = postgres.stanza()
    doomed = stanza.find(options.label, options.repository)
    if doomed is None:
        raise InputError(f"there is no backup {options.label!r} in repository {options.repository}; see info")
    others = [b for b in stanza.backups if b.kind == "full" and b.repository == options.repository and b != doomed]
    if doomed.kind == "full" and not others:
        raise InputError(
            f"{options.label} is the only full backup in repository {options.repository}; "
            f"make another one first: {host.config.command} backup --type full"
        )
    postgres.pgbackrest("expire", f"--set={options.label}", repository=options.repository)
    say(f"changed: forgot {options.label} in repository {options.repository}")
    metrics.write(host)
    return 0
