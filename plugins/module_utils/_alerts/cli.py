# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: one subcommand is one module, listed in COMMANDS."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import Any

from .._core.alert_drill import model
from .._core.errors import FirstbellError
from . import clean, drill
from .host import Host

COMMANDS: tuple[Any, ...] = (drill, clean)


def parser(config: model.Config) -> argparse.ArgumentParser:
    """The options of all subcommands."""
    top = argparse.ArgumentParser(prog=f"{config.stack}-alerts", description=f"Alerts of the stack {config.stack}.")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        sub = commands.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        module.arguments(sub)
        sub.set_defaults(module=module)
    return top


def main(config_path: str, arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand; an error is one message and exit status 1."""
    # Who hangs up, or ends it, has everything put back first.
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, _ended)
    try:
        with open(config_path, encoding="utf-8") as file:
            config = model.parse(file.read(), config_path)
        options = parser(config).parse_args(arguments)
        return int(options.module.run(Host(config), options))
    except (FirstbellError, OSError) as error:
        sys.stderr.write(f"{config_path}: {error}\n" if isinstance(error, OSError) else f"{error}\n")
        return 1


def _ended(number: int, _frame: Any) -> None:
    raise SystemExit(128 + number)
