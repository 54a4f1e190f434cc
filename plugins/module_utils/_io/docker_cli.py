# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``docker run`` and ``docker exec`` in spite of what the engine gets wrong now and then.

Seen with Docker 26.1 on busy hosts, once in some hundred or thousand runs each: it cannot start a program ("unable to
start container process ... read init-p: connection reset by peer"), and it loses all that a container prints which ends
within a fraction of a second ("stream copy error: reading from a closed fifo" in its log).
"""

from __future__ import annotations

from collections.abc import Sequence

from . import system

_ATTEMPTS = 3
#: Exit codes of ``docker run`` and ``docker exec`` themselves, and what they say when the program has not begun.
_FAILED, _NOT_STARTED = {"run": 125, "exec": 126}, ("OCI runtime create failed", "OCI runtime exec failed")


def run(
    argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120, check: bool = True, answers: bool = False
) -> system.Result:
    """Run ``docker run`` or ``docker exec``; raises CommandError, as ``system.run`` does.

    It is tried again where the program has not begun. ``answers``: it may run twice and always prints something, so it
    is tried again, too, where nothing came.
    """
    for _attempt in range(_ATTEMPTS - 1):
        done = system.run(argv, stdin=stdin, timeout=timeout, check=False)
        if done.code == _FAILED.get(argv[1]) and any(words in done.err for words in _NOT_STARTED):
            _make_room(argv)
        elif done.code or done.out.strip() or not answers:
            return system.succeeded(argv, done) if check else done
    return system.run(argv, stdin=stdin, timeout=timeout, check=check)


def _make_room(argv: Sequence[str]) -> None:
    """Remove the container that has the name which the next attempt wants."""
    if argv[1] == "run" and "--name" in argv:
        system.run(["docker", "rm", "--force", "--volumes", argv[argv.index("--name") + 1]], check=False)
