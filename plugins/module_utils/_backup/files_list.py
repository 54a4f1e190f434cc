# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the backups of files."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import datetime, timezone

from .files import Files
from .host import Host
from .speech import say

NAME = "files-list"
HELP = "List the backups of files."
EXCLUSIVE = False


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="repository", choices=["local", "s3"], default="local", help="the repository")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(host: Host, options: argparse.Namespace) -> int:
    files = Files(host)
    with files.lock(NAME):
        found = files.snapshots(options.repository)
    if options.json:
        say(json.dumps([asdict(snapshot) for snapshot in found], indent=2))
        return 0
    for snapshot in found:
        made = datetime.fromtimestamp(snapshot.time, tz=timezone.utc)
        say(f"{snapshot.id[:8]}  {made:%Y-%m-%d %H:%M:%S+00}  {snapshot.component:12}  {snapshot.size / 1e6:10.1f} MB")
    return 0
