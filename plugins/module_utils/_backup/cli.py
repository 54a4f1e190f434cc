# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: one subcommand is one module, listed in COMMANDS.

Such a module has ``NAME``, ``HELP``, ``EXCLUSIVE`` (whether it must not run beside another),
``arguments(parser)`` and ``run(host, options) -> int``, the exit status.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from .._core import backup_config
from .._core.errors import FirstbellError
from . import (
    assure,
    backup,
    check,
    drill,
    dump,
    files_backup,
    files_check,
    files_drill,
    files_list,
    files_restore,
    forget,
    info,
    offsite,
    restore,
)
from .host import LOCK_PATIENCE, Host
from .speech import complain

DATABASE: tuple[Any, ...] = (backup, check, drill, restore, info, dump, offsite, forget, assure)
FILES: tuple[Any, ...] = (files_backup, files_check, files_drill, files_list, files_restore)
COMMANDS = (*DATABASE, *FILES)


def parser(config: backup_config.Config) -> argparse.ArgumentParser:
    """The options of all subcommands."""
    top = argparse.ArgumentParser(prog=config.command, description=f"Backups of the stack {config.stack}.")
    top.add_argument(
        "--patience",
        type=float,
        default=LOCK_PATIENCE,
        metavar="SECONDS",
        help="how long to wait for another command that is at work; default: %(default)g",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        sub = commands.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        module.arguments(sub)
        sub.set_defaults(module=module)
    return top


def main(config_path: str, arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand; an error is one message and exit status 1."""
    try:
        with open(config_path, encoding="utf-8") as file:
            config = backup_config.parse(file.read(), config_path)
    except (OSError, FirstbellError) as error:
        complain(f"{config_path}: {error}")
        return 1
    options = parser(config).parse_args(arguments)
    host = Host(config, options.patience)
    try:
        if options.module.EXCLUSIVE:
            with host.lock(options.module.NAME):
                return int(options.module.run(host, options))
        return int(options.module.run(host, options))
    except (FirstbellError, OSError) as error:
        complain(f"{config.command} {options.module.NAME}: {error}")
        return 1
