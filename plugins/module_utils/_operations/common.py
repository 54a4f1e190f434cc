# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both commands need: configuration, sources asked side by side, records."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .._core.errors import FirstbellError
from .._core.operations import config as configuration
from .._core.operations.config import Config

Source = Callable[[], Any]


def read_config(path: str) -> Config:
    """The configuration in a file; raises InputError."""
    try:
        with open(path, encoding="utf-8") as file:
            return configuration.parse(file.read(), path)
    except OSError as error:
        raise FirstbellError(f"{path}: {error.strerror}; run the playbook site") from error


def ask(sources: Mapping[str, Source], patience: float) -> tuple[dict[str, Any], dict[str, str]]:
    """What each source says, all asked at once, and why others say nothing.

    One that hangs keeps nobody waiting, not even the end of the program: its thread ends with it.
    """
    seen: dict[str, Any] = {}
    errors: dict[str, str] = {}

    def run(name: str, source: Source) -> None:
        try:
            seen[name] = _timed(source)
        except Exception as error:  # noqa: BLE001 - the others are still worth something
            errors[name] = str(error) or type(error).__name__

    threads = {name: threading.Thread(target=run, args=(name, sources[name]), daemon=True) for name in sources}
    for thread in threads.values():
        thread.start()
    end = time.monotonic() + patience
    for thread in threads.values():
        thread.join(max(end - time.monotonic(), 0.0))
    late = {
        name: f"it took longer than {patience:.0f} s" for name in threads if name not in seen and name not in errors
    }
    return dict(seen), {**errors, **late}


def _timed(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = source()
    return {**found, "at": time.time()} if isinstance(found, dict) else found


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """A line about what went wrong."""
    sys.stderr.write(f"{text}\n")
