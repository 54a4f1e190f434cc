# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``docker run`` in spite of what the engine gets wrong now and then.

Seen with Docker 26.1 on busy hosts, once in some hundred or thousand containers each: it cannot start one ("runc create
failed ... read init-p: connection reset by peer"), and it loses all that a container prints which ends within a
fraction of a second ("stream copy error: reading from a closed fifo" in its log).
"""

from __future__ import annotations

from collections.abc import Sequence

from . import system

_ATTEMPTS = 3
#: What ``docker run`` says when nothing of the container has run; 125 is its own exit code, not the command's.
_FAILED, _NOT_STARTED = 125, "OCI runtime create failed"


def docker_run(
    argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120, check: bool = True, answers: bool = False
) -> system.Result:
    """Run ``docker run``; raises CommandError, as ``system.run`` does.

    It is tried again where the container did not start. ``answers``: it may run twice and always prints something, so
    it is tried again, too, where nothing came.
    """
    for _attempt in range(_ATTEMPTS - 1):
        done = system.run(argv, stdin=stdin, timeout=timeout, check=False)
        if done.code == _FAILED and _NOT_STARTED in done.err:
            _remove(argv)
        elif done.code or done.out.strip() or not answers:
            return system.succeeded(argv, done) if check else done
    return system.run(argv, stdin=stdin, timeout=timeout, check=check)


def _remove(argv: Sequence[str]) -> None:
    """What has the name of the next attempt."""
    if "--name" in argv:
        system.run(["docker", "rm", "--force", "--volumes", argv[argv.index("--name") + 1]], check=False)
