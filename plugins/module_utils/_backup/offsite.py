# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the WAL from the repository on the host into the store.

The database itself only archives to the host: a store that hangs or is away keeps nobody waiting,
and the database needs no way out.
"""

from __future__ import annotations

import argparse
import time

from .._core.backup_check import histories_not_yet_there, not_yet_there
from .._core.errors import FirstbellError
from .backup import check_key, explain
from .check import look
from .host import Host
from .postgres import Postgres
from .speech import say

NAME = "offsite"
HELP = "Bring what the store lacks of the WAL there."
# It has a lock of its own: it goes on while a backup is made.
EXCLUSIVE = False

_PATIENCE = 600.0
_AT_ONCE = 64
#: Each file is fetched, decrypted and checked on the way. A history of timelines goes as it is.
_SCRIPT = """
for name; do
    pgbackrest {host} --no-archive-async archive-get "$name" "/tmp/$name" ||
        {{ echo "ERROR: $name cannot be read from the repository on the host" >&2; exit 1; }}
    pgbackrest {store} --no-archive-async archive-push "/tmp/$name"
    rm "/tmp/$name"
done
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults()


def run(host: Host, options: argparse.Namespace) -> int:  # noqa: ARG001  (every subcommand has them)
    check_key(host)
    with host.lock(NAME, patience=_PATIENCE, name="offsite.lock"):
        for number in host.config.postgres.repositories[1:]:
            follow(host, number)
    return 0


def follow(host: Host, number: int) -> None:
    """Push what a repository lacks, in its order."""
    postgres, facts = Postgres(host), look(host)
    if number not in facts.archives:
        said = next((r.message for r in facts.stanza.repositories if r.number == number), "it does not answer")
        raise FirstbellError(f"repository {number}: {said}")
    names = [*histories_not_yet_there(facts, number), *(entry.segment.name for entry in not_yet_there(facts, number))]
    started = time.monotonic()
    script = _SCRIPT.format(host=" ".join(postgres.words(1)), store=" ".join(postgres.words(number)))
    for first in range(0, len(names), _AT_ONCE):
        done = host.container(
            NAME,
            ["-ec", script, "sh", *names[first : first + _AT_ONCE]],
            entrypoint="sh",
            mounts=[*postgres.mounts_with_database(), *postgres.store_mounts(number)],
            network=postgres.network(number),
            check=False,
        )
        if done.code:
            raise FirstbellError(f"repository {number}: {explain(done)}")
    say(f"{len(names)} files of WAL brought into repository {number}, {time.monotonic() - started:.1f} s")
