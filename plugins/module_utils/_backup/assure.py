# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role runs: a repository that is this database's, with a full backup in it."""

from __future__ import annotations

import argparse

from .._core.backup_check import gaps_of, is_after
from .._core.errors import FirstbellError
from .._core.fingerprint import fingerprint, key_of
from .._io import system
from . import backup, metrics
from .check import look
from .host import Host
from .postgres import Postgres
from .server import Server
from .speech import say

NAME = "assure"
HELP = "Have a repository of this database with a full backup in it."
EXCLUSIVE = True

# Codes of pgBackRest's info: a stanza with or without backups; none, or without its files.
_USABLE, _WITHOUT_STANZA = (0, 2), (1, 3)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults()


def run(host: Host, options: argparse.Namespace) -> int:  # noqa: ARG001  (every subcommand has them)
    assure(host)
    return 0


def assure(host: Host) -> None:
    """Have a stanza that is this database's, in every repository, with a full backup in it."""
    backup.check_key(host)
    postgres = Postgres(host)
    mine = Server(postgres.socket).archiver().system_id
    stanza = postgres.stanza()
    broken = [repository for repository in stanza.repositories if repository.code not in (*_WITHOUT_STANZA, *_USABLE)]
    if broken:
        raise FirstbellError("; ".join(f"repository {item.number}: {item.message}" for item in broken))
    if stanza.system_id and stanza.system_id != mine:
        raise FirstbellError(
            f"the repository holds backups of another database (its number is {stanza.system_id}, this one's {mine}). "
            "On a host that replaces a lost one, restore them: run the playbook restore with "
            f"-e restore_overwrite={host.config.stack}. To begin anew, move {host.config.repository} away"
        )
    known = {repository.number for repository in stanza.repositories if repository.code in _USABLE}
    if known != set(host.config.postgres.repositories):
        for number in sorted(set(host.config.postgres.repositories) - known):
            postgres.pgbackrest("stanza-create", mounts=postgres.mounts_with_database(), repository=number)
            say(f"changed: made the stanza in repository {number}")
    if system.read_text(backup.key_path(host)) is None:
        configuration = system.read_text(f"{host.config.backup}/pgbackrest/pgbackrest.conf") or ""
        system.write_text(backup.key_path(host), fingerprint(key_of(configuration)) + "\n")
        say("changed: noted the fingerprint of the key")
    facts = look(host)
    for number in host.config.postgres.repositories:
        newest = facts.stanza.newest(repository=number)
        if facts.stanza.newest("full", repository=number) is None:
            backup.make(host, "full", number)
        elif newest and any(is_after(gap, newest) for gap in gaps_of(facts, number)):
            say(f"WAL is missing in repository {number} since its newest backup; nothing after that could be restored")
            backup.make(host, "full", number)
    metrics.write(host)
