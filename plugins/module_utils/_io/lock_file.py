# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock's file on a host. Nobody ever sees a half-written one, nor do two change it at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from .._core.errors import FirstbellError
from .._core.runlock import Record, dump, load

LOCK_MODE = 0o644


class LockFile:
    """The file and its directory."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    @contextlib.contextmanager
    def exclusively(self, create: bool) -> Iterator[None]:
        """Keep all others out. Without ``create`` a directory that is missing stays so: there is nothing to guard."""
        directory = self.path.parent
        handle = None
        with _told(directory):
            if create:
                directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if handle is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def read(self) -> Record | None:
        """The record, or None without a lock; raises InputError for a file of something else."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FirstbellError(f"cannot read the lock {self.path}: {error.strerror}") from None
        return load(text, str(self.path))

    def write(self, record: Record) -> None:
        """Put the record in the place of what is there, down to the disk."""
        new = self.path.with_name(f".{self.path.name}.new")
        with _told(new):
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, LOCK_MODE)
            with open(handle, "w", encoding="utf-8") as file:
                file.write(dump(record))
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.path)
            self._sync()

    def remove(self) -> None:
        with _told(self.path):
            self.path.unlink(missing_ok=True)
            self._sync()

    def _sync(self) -> None:
        handle = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FirstbellError(f"cannot write the lock {path}: {error.strerror}; it needs become: true") from None
