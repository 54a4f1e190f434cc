# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the configuration files of a service changed, and when it was last told so."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from .._core.errors import InputError

#: Gone after a reboot, like the containers that it speaks of.
MARKER_DIRECTORY = "/run/firstbell/reload"


class HostConfigFiles:
    """Fulfils the protocol ``ConfigFiles`` of the core with the files of this host."""

    def __init__(self, marker_directory: str = MARKER_DIRECTORY) -> None:
        self._markers = marker_directory

    def newest(self, paths: list[str], missing_ok: bool) -> int:
        """The latest change in nanoseconds since 1970 of the files, and of all below the directories.

        A directory's own time counts as well: it tells of a file that was removed.
        """
        return max((time for path in paths for time in _times(path, missing_ok)), default=0)

    def reloaded(self, service: str) -> int:
        """The time of the newest file that the service was told of; 0 for never."""
        try:
            with open(os.path.join(self._markers, service), encoding="ascii") as marker:
                return int(marker.read())
        except (FileNotFoundError, ValueError):
            return 0

    def note_reloaded(self, service: str, newest: int) -> None:
        os.makedirs(self._markers, mode=0o755, exist_ok=True)
        path = os.path.join(self._markers, service)
        with open(path + ".new", "w", encoding="ascii") as marker:
            marker.write(f"{newest}\n")
        os.replace(path + ".new", path)

    def forget(self, service: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self._markers, service))


def _times(path: str, missing_ok: bool) -> Iterator[int]:
    try:
        yield _time(path)
    except FileNotFoundError:
        if missing_ok:
            return
        raise InputError(
            f"config_paths: {path} is not on this host; write the file before the service, or take it off the list"
        ) from None
    for directory, names, files in os.walk(path):
        for name in names + files:
            with contextlib.suppress(FileNotFoundError):
                yield _time(os.path.join(directory, name))


def _time(path: str) -> int:
    """When it was written or put there: an old file that is put back keeps its time of writing."""
    found = os.stat(path)
    return max(found.st_mtime_ns, found.st_ctime_ns)
