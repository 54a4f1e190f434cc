# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the host that are checked before any of them takes its place."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence

from .._core.errors import InputError
from .._core.files import File, Found, command
from . import docker_cli, system


def find(path: str) -> Found:
    """What is at a path; a symbolic link is none of ours and is replaced."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found()
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path} must be a file but is a directory; move it away and run again")
    content = system.read_text(path) if stat.S_ISREG(status.st_mode) else None
    return Found(content, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def write(files: Sequence[File]) -> None:
    """Write all files beside their places, check them, and put them there; or leave all as it was."""
    with contextlib.ExitStack() as cleanup:
        staged: list[tuple[str, File]] = []
        for file in files:
            temporary = system.stage_text(file.path, file.content, file.mode, (file.owner, file.group))
            cleanup.callback(system.remove, temporary)
            staged.append((temporary, file))
        for temporary, file in staged:
            if file.validate:
                _check(file, temporary)
        for temporary, file in staged:
            os.replace(temporary, file.path)


def _check(file: File, temporary: str) -> None:
    argv = command(file, temporary)
    run = docker_cli.run if argv[0] == "docker" else system.run
    done = run(argv, check=False)
    if done.code:
        said = (done.err or done.out).strip().replace(temporary, file.path)
        raise InputError(
            f"{file.path} was not written, since {argv[0]} does not take it (exit code {done.code}): {said}"
        )
