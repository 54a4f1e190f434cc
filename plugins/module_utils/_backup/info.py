# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists what could be restored."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import datetime, timezone

from .._core.restore_target import parse_as_of
from .._core.units import format_duration
from .host import Host
from .postgres import Postgres
from .speech import say

NAME = "info"
HELP = "List the backups."
EXCLUSIVE = False


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--as-of", default="", metavar="TIME", help="read the store as it was then, by its versions")


def run(host: Host, options: argparse.Namespace) -> int:
    # For programs, what is this host's own; for people also what it could be made a copy of.
    stanza = Postgres(host, parse_as_of(options.as_of, None)[0]).stanza(sources=not options.json)
    if options.json:
        say(json.dumps(asdict(stanza), indent=2))
        return 0
    for repository in stanza.repositories:
        say(f"repository {repository.number}: {repository.message}")
    for backup in sorted(stanza.backups, key=lambda item: item.stop):
        ended = datetime.fromtimestamp(backup.stop, tz=timezone.utc)
        say(
            f"{backup.label:40} {backup.kind:5} repository {backup.repository}  {ended:%Y-%m-%d %H:%M:%S+00}  "
            f"database {backup.size / 1e6:10.1f} MB  stored {backup.stored / 1e6:10.1f} MB  "
            f"took {format_duration(backup.stop - backup.start)}"
        )
    return 0
