# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts back what an interrupted alert drill has left."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import time

from .._core.errors import FirstbellError
from .._io import system
from .drill import put_back, stop_alarm
from .host import Host, say

NAME = "clean"
HELP = "Put back what an interrupted drill has left."

#: Seconds in which a drill that was asked to end has put everything back.
_ATTEMPTS = 600


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--end", action="store_true", help="end a drill that is still at work before")


def run(host: Host, options: argparse.Namespace) -> int:
    if options.end:
        _end(host)
    for _attempt in range(_ATTEMPTS if options.end else 0):
        with contextlib.suppress(FirstbellError), host.lock():
            break
        time.sleep(1)
    with host.lock():
        problems = put_back(host)
    for problem in problems:
        say(f"PROBLEM {problem}")
    if problems:
        return 1
    stop_alarm(host)
    return 0


def _end(host: Host) -> None:
    """Ask the process that holds the lock to end; it puts everything back itself."""
    text = system.read_text(f"{host.config.drill}/lock") or ""
    if text.strip().isdigit():
        try:
            os.kill(int(text), signal.SIGTERM)
        except ProcessLookupError:
            return
