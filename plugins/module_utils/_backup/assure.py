# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role runs: a repository that is this database's, with a full backup in it."""

from __future__ import annotations

import argparse

from . import backup
from .host import Host

NAME = "assure"
HELP = "Have a repository of this database with a full backup in it."
EXCLUSIVE = True


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults()


def run(host: Host, options: argparse.Namespace) -> int:  # noqa: ARG001  (every subcommand has them)
    backup.assure(host)
    return 0
