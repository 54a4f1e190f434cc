# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of drills and loads on a host, ``<firstbell_directory>/records``."""

from __future__ import annotations

import contextlib
import os

from .._core.records import KEPT, Kept, Record, dump, file_name, load, metrics, surplus
from . import system

#: Beside the folder of the records: what the node exporter reads.
METRICS = "monitoring/textfile"


def write(directory: str, record: Record, keep: int = KEPT) -> str:
    """Keep a record, forget the oldest of its kind, and return the file's path."""
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)  # noqa: S103 - they hold no secret
    path = os.path.join(directory, file_name(record))
    system.write_text(path, dump(record), mode=0o644)
    for name in surplus(os.listdir(directory), record.kind, keep):
        system.remove(os.path.join(directory, name))
    _measure(directory)
    return path


def _measure(directory: str) -> None:
    """Let the node exporter tell of them, where there is one."""
    folder = os.path.join(os.path.dirname(os.path.abspath(directory)), METRICS)
    if os.path.isdir(folder):
        system.write_text(os.path.join(folder, "records.prom"), metrics(read(directory)), mode=0o644)


def read(directory: str) -> list[Kept]:
    """All records, the oldest first; one that is damaged is told as such."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):
            kept = load(name, _text(os.path.join(directory, name)))
            if kept:
                found.append(kept)
    return sorted(found, key=lambda one: (one.at, one.kind))


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
