# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of built images as files, so that none has to be built twice on a host."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from .._core.image_build import BuildError, CacheEntry, Request, expired
from .image_engine import Engine

#: Compressions by the end of a file's name, the best one first.
_COMPRESSIONS = {
    ".zst": (["zstd", "-q", "-3", "-T0", "-c"], ["zstd", "-q", "-dc"]),
    ".gz": (["gzip", "-1", "-c"], ["gzip", "-dc"]),
}
#: Below the folder: a file for each image that was ever built, locked while it is.
_LOCKS = ".locks"


class Cache:
    """The cache directory; with an empty path it holds nothing and keeps nothing."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._needed: set[str] = set()

    def _find(self, request: Request) -> Path | None:
        if self._path is None:
            return None
        usable = [ending for ending, (_in, out) in _COMPRESSIONS.items() if shutil.which(out[0])]
        names = [self._path / f"{request.file_name}{ending}" for ending in usable]
        return next((name for name in names if name.is_file()), None)

    def holds(self, request: Request) -> bool:
        return self._find(request) is not None

    @contextlib.contextmanager
    def alone(self, request: Request) -> Iterator[None]:
        """Keep out whoever shares the folder and wants the same image: it is built once, and loaded by the others."""
        if self._path is None:
            yield
            return
        locks = self._path / _LOCKS
        locks.mkdir(mode=0o755, parents=True, exist_ok=True)
        with (locks / request.file_name).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def load(self, engine: Engine, request: Request) -> bool:
        """Whether the image could be loaded. A file that is damaged is deleted."""
        path = self._find(request)
        if path is None:
            return False
        try:
            engine.load(path, _COMPRESSIONS[path.suffix][1])
            loaded = request.reference in engine.sizes([request.reference])
        except BuildError:
            loaded = False
        if loaded:
            os.utime(path)
            self._needed.add(path.name)
        else:
            path.unlink(missing_ok=True)
        return loaded

    def keep(self, engine: Engine, request: Request) -> None:
        """Keep a file of the image that was built."""
        if self._path is None:
            return
        self._path.mkdir(mode=0o755, parents=True, exist_ok=True)
        for ending, (compressor, _out) in _COMPRESSIONS.items():
            if shutil.which(compressor[0]):
                target = self._path / f"{request.file_name}{ending}"
                engine.save(request.reference, target, compressor)
                self._needed.add(target.name)
                return

    def prune(self, max_age: float, max_size: int) -> list[str]:
        """Delete what was not used for ``max_age`` seconds or is above ``max_size`` bytes in all."""
        if self._path is None or not self._path.is_dir():
            return []
        now = time.time()
        entries = []
        for path in self._path.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:  # another host that shares the folder was quicker
                continue
            if stat.S_ISREG(status.st_mode):
                entries.append(CacheEntry(path.name, status.st_size, now - status.st_mtime))
        gone = expired(entries, max_age, max_size, self._needed)
        for name in gone:
            (self._path / name).unlink(missing_ok=True)
        return gone
