# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line. ``watch`` and ``shut`` are for the unit that ``open`` starts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from .._core.errors import FirstbellError
from .._core.load import window
from . import holder, watcher

COMMANDS = {
    "open": (holder.open_window, "let a generator in for a limited time; a request comes as JSON on standard input"),
    "watch": (watcher.watch, "measure until told to stop"),
    "shut": (holder.shut, "take back what was opened"),
    "close": (holder.close, "end it now and say what was measured"),
}


def main(config_path: str, arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand; an error is one message and exit status 1."""
    try:
        with open(config_path, encoding="utf-8") as file:
            config = window.parse_config(json.load(file), config_path)
        parser = argparse.ArgumentParser(prog=config.command, description=f"Load tests of the stack {config.stack}.")
        commands = parser.add_subparsers(metavar="COMMAND", required=True)
        for name, (function, text) in COMMANDS.items():
            commands.add_parser(name, help=text, description=text).set_defaults(function=function)
        options = parser.parse_args(arguments)
        options.function(config)
    except (FirstbellError, OSError, ValueError) as error:
        sys.stderr.write(f"{config_path}: {error}\n" if isinstance(error, (OSError, ValueError)) else f"{error}\n")
        return 1
    return 0
