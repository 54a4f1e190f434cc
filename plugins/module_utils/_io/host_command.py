# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a command of the host, and the sources that this process itself runs from."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import Any

from .._core.errors import FirstbellError
from .._core.host_command import File
from . import system

#: Needed by modules of Ansible only.
_SHELL = "_shell"


def own_sources(entry: str) -> tuple[dict[str, str], frozenset[str]]:
    """The text of every loaded module beside ``entry``, by its name below their common package.

    Modules arrive in an archive, or over the controller's connection, so their loaders are asked.
    The second value names the packages among them.
    """
    root = entry.rsplit(".", 2)[0]
    sources, packages = {}, set()
    for full, module in sorted(sys.modules.items()):
        name = full[len(root) + 1 :]
        if full != root and not full.startswith(f"{root}."):
            continue
        if name.split(".")[0] == _SHELL:
            continue
        sources[name] = _source(full, module)
        if hasattr(module, "__path__"):
            packages.add(name)
    return sources, frozenset(packages)


def _source(name: str, module: Any) -> str:
    text = system.read_text(str(getattr(module, "__file__", "") or ""))
    if text is not None:
        return text
    loader = getattr(getattr(module, "__spec__", None), "loader", None) or getattr(module, "__loader__", None)
    text = loader.get_source(name) if hasattr(loader, "get_source") else None
    if text is None and getattr(module, "__file__", None):
        raise FirstbellError(f"the source of {name} cannot be read on this host")
    return str(text or "")  # a folder without a file of its own


def find(library: str | None, file: str) -> dict[str, tuple[str, int]]:
    """What is there of a file and a library: content and mode by path, without Python's own cache."""
    paths = [file]
    for directory, folders, names in os.walk(library) if library else ():
        folders[:] = [folder for folder in folders if folder != "__pycache__"]
        paths += [os.path.join(directory, name) for name in names]
    found = {}
    for path in paths:
        text = system.read_text(path)
        if text is not None:
            found[path] = (text, os.stat(path).st_mode & 0o7777)
    return found


def apply(changes: Iterable[File], library: str) -> None:
    """Write and remove the files; a library without files goes as a whole."""
    for change in changes:
        if change.content is None:
            os.unlink(change.path)
        else:
            system.write_text(change.path, change.content, change.mode)
    if not any(names for directory, _folders, names in os.walk(library) if not directory.endswith("__pycache__")):
        shutil.rmtree(library, ignore_errors=True)
