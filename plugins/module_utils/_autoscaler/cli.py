# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: one subcommand is one entry of COMMANDS, with NAME, HELP, ``arguments`` and ``run``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from .._core.autoscaler import config as configuration
from .._core.errors import FirstbellError
from . import control, gate, places, service, simulation

COMMANDS: tuple[Any, ...] = (
    control.Status,
    control.Pause,
    control.Resume,
    control.ScaleUp,
    control.ScaleDown,
    simulation,
    service,
    gate,
)


def parser(config: configuration.Config) -> argparse.ArgumentParser:
    """The options of all subcommands."""
    top = argparse.ArgumentParser(prog=config.command, description=f"The autoscaler of the stack {config.stack}.")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.arguments(sub)
        sub.set_defaults(command=command)
    return top


def main(config_path: str, arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand; an error is one message and exit status 1."""
    try:
        with open(config_path, encoding="utf-8") as file:
            config = configuration.parse_file(file.read(), config_path)
        options = parser(config).parse_args(arguments)
        return int(options.command.run(config, places.of(config_path), options))
    except (FirstbellError, OSError) as error:
        sys.stderr.write(f"{config_path}: {error}\n" if isinstance(error, OSError) else f"{error}\n")
        return 1
