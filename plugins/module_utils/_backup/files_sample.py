# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample of files whose checksums are recorded with a backup, for a drill to compare."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from .._core.errors import FirstbellError
from .._core.file_backup import FilesConfig, Probe, excluded
from .._io import system

_CHUNK = 1024 * 1024


def take(config: FilesConfig, paths: Sequence[str], excludes: Sequence[str]) -> list[Probe]:
    """Some files at random, each with its checksum as it is now; all of them where they are few."""
    chosen: list[str] = []
    dice = random.SystemRandom()
    for count, path in enumerate(_regular(paths, excludes, config.sample_bytes), start=1):
        if len(chosen) < config.sample_files:
            chosen.append(path)
        elif (place := dice.randrange(count)) < config.sample_files:
            chosen[place] = path
    probes = [probe(path) for path in sorted(chosen)]
    return [found for found in probes if found]


def _regular(paths: Sequence[str], excludes: Sequence[str], most: int) -> Iterator[str]:
    for top in paths:
        if os.path.isfile(top):
            yield top
        for directory, folders, names in os.walk(top):
            folders[:] = [name for name in folders if not excluded(os.path.join(directory, name), excludes)]
            for name in names:
                path = os.path.join(directory, name)
                if not excluded(path, excludes) and _is_small_file(path, most):
                    yield path


def _is_small_file(path: str, most: int) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= most


def probe(path: str) -> Probe | None:
    """A file as it is now, None where it is gone."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return Probe(path, status.st_size, status.st_mtime_ns, digest.hexdigest())


def moved(probes: Sequence[Probe], source: str, target: str) -> list[Probe]:
    """The same files below another directory."""
    return [replace(found, path=target + found.path[len(source) :]) for found in probes]


def write(path: str, component: str, probes: Sequence[Probe], more: dict[str, Any]) -> None:
    """The manifest that goes into a backup."""
    content = {**more, "component": component, "files": [asdict(found) for found in probes]}
    system.write_text(path, json.dumps(content, indent=1) + "\n", 0o600)


def read(path: str) -> tuple[list[Probe], dict[str, Any]]:
    """The manifest out of a backup."""
    text = system.read_text(path)
    try:
        content = json.loads(text or "")
        return [Probe(**item) for item in content.pop("files")], content
    except (ValueError, KeyError, TypeError):
        raise FirstbellError("the backup has no manifest of checksums that can be read") from None
