# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts processes that were killed for memory, also those of containers that end by it.

The kernel's count vanishes with the container, often within a second. So its file is held open and
looked at several times a second, which costs some microseconds, and what it told is kept. What is missed,
because a container ended with its first process, the host tells (container_listing.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cgroups

#: How long the count of a container that has ended waits for somebody to tell its name.
KEPT_SECONDS = 3600.0


@dataclass
class Container:
    """One that runs, or has ended. ``killed``: since this program looks, or since the container began."""

    group: str
    file: int
    before: int = 0
    killed: int = 0
    ended: float = 0.0


class Watch:
    """The containers of a host, by their id."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = cgroups.layout_of(root)
        self.containers: dict[str, Container] = {}
        self._begun = False

    def find(self, now: float) -> None:
        """Take up new containers, and close those that ended."""
        present = dict(cgroups.containers(self.root, self.layout))
        for identity, group in present.items():
            known = self.containers.get(identity)
            if known is None or known.ended:
                self._open(identity, group, known)
        for identity in list(self.containers):
            container = self.containers[identity]
            if identity not in present and not container.ended:
                os.close(container.file)
                container.ended = now
            elif container.ended and now - container.ended > KEPT_SECONDS:
                del self.containers[identity]
        self._begun = True

    def look(self) -> None:
        """Read the counts of all that run."""
        for container in self.containers.values():
            if not container.ended:
                try:
                    text = os.pread(container.file, 4096, 0).decode("ascii")
                except OSError:
                    continue  # it has just ended
                container.killed = max(container.killed, cgroups.oom_kills(text) - container.before)

    def running(self) -> dict[str, str]:
        """Id and group."""
        return {identity: item.group for identity, item in list(self.containers.items()) if not item.ended}

    def killed(self) -> dict[str, int]:
        """Id and count, of all that are remembered."""
        return {identity: item.killed for identity, item in list(self.containers.items())}

    def _open(self, identity: str, group: str, known: Container | None) -> None:
        path = cgroups.file_of(self.root, self.layout, group, "oom")
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        container = Container(group, file)
        if known is not None:  # started again under its old id: the kernel begins at 0, we do not
            container.before = -known.killed
            container.killed = known.killed
        elif not self._begun:  # what happened before this program began is no news
            container.before = cgroups.oom_kills(os.pread(file, 4096, 0).decode("ascii"))
        self.containers[identity] = container
