# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays weeks through the configuration of this host."""

from __future__ import annotations

import argparse
import datetime
import sys
import time

from .._core.autoscaler.config import Config
from .._core.autoscaler.report import FIXED, USERS, simulate
from .._core.autoscaler.weeks import KINDS
from .._core.errors import InputError
from .._io import system
from .places import Places

NAME = "simulate"
HELP = "replay a made or recorded week through calendar and policy, beside a fixed number of replicas"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What is replayed."""
    parser.add_argument("--week", choices=[*KINDS, "all"], default="all", help="kind of week (all)")
    parser.add_argument("--users", type=float, default=USERS, help=f"most users on a school day ({USERS:g})")
    parser.add_argument("--recorded", default="", help="CSV with the columns time, requests and sessions")
    parser.add_argument("--fixed", type=int, default=FIXED, help=f"replicas to compare with ({FIXED})")
    parser.add_argument("--cpus", type=float, default=0, help="CPUs that the replicas share (0: one each)")
    parser.add_argument("--svg", default="", help="file for the picture")


def run(config: Config, _places: Places, options: argparse.Namespace) -> int:
    """Print the figures."""
    text, picture = replayed(config, options)
    sys.stdout.write(text)
    if options.svg:
        system.write_text(options.svg, picture)
    return 0


def replayed(config: Config, options: argparse.Namespace) -> tuple[str, str]:
    """Text and picture."""
    course = system.read_text(options.recorded) if options.recorded else ""
    if course is None:
        raise InputError(f"{options.recorded}: there is no such file")
    return simulate(
        config,
        first=datetime.datetime.fromtimestamp(time.time(), config.calendar.zone).date(),
        kinds=list(KINDS) if options.week == "all" else [options.week],
        users=options.users,
        course=course,
        course_name=options.recorded,
        fixed=options.fixed,
        cpus=options.cpus,
    )
