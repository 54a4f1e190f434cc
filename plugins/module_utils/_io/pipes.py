# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs one after the other, each fed by the one before, without a shell."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from .._core.errors import FirstbellError


def run(commands: Sequence[Sequence[str]], output: str = "", inherit: bool = False) -> str:
    """What the last one says, into a file of mode 0600 where one is named; all must succeed."""
    with contextlib.ExitStack() as stack:
        last: Any = None if inherit else subprocess.PIPE
        if output:
            handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            last = stack.enter_context(open(handle, "wb"))
        processes: list[subprocess.Popen[bytes]] = []
        for index, command in enumerate(commands):
            before = processes[-1].stdout if processes else subprocess.DEVNULL
            target = last if index == len(commands) - 1 else subprocess.PIPE
            processes.append(stack.enter_context(subprocess.Popen(list(command), stdin=before, stdout=target)))
            if processes[-1:] and index:
                # The reader alone holds the pipe now, so that its end is noticed.
                previous = processes[index - 1].stdout
                if previous is not None:
                    previous.close()
        said = processes[-1].stdout.read() if processes[-1].stdout else b""
        codes = [process.wait() for process in processes]
        if output and not any(codes):
            os.fsync(last.fileno())
    failed = [f"{command[0]} ended with {code}" for command, code in zip(commands, codes) if code]
    if failed:
        raise FirstbellError("; ".join(failed))
    return said.decode(errors="replace")
