# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a command of the host, and the sources of the modules that came with this one."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from .._core import host_command as core
from .._core.errors import FirstbellError
from .._core.host_command import File, Source
from . import system

# Ansible sends along what is imported here, so that it is there to be read. Running it would only take time.
if TYPE_CHECKING:
    from .._alerts import cli as alerts  # noqa: F401
    from .._autoscaler import cli as autoscaler  # noqa: F401
    from .._backup import cli as backup  # noqa: F401
    from .._load_test import cli as load_test  # noqa: F401
    from .._night import cli as night  # noqa: F401
    from .._operations import diagnose, maintain  # noqa: F401

_ROOT = __name__.rpartition("._io.")[0]


def wanted(name: str, program: str, arguments: str) -> dict[str, File]:
    """The files of a command, from the modules that came with this one."""
    return core.files(lambda module: source(f"{_ROOT}.{module}".rstrip(".")), name, program, arguments)


@cache
def source(name: str) -> Source | None:
    """The source of a module by its full name; None where no module is called so. Only the packages above it are run.

    Modules arrive in an archive, or over the controller's connection, so their loaders are asked.
    """
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    is_package = spec.submodule_search_locations is not None
    text = spec.loader.get_source(name) if hasattr(spec.loader, "get_source") else None
    if isinstance(text, bytes):  # from Ansible's own loader
        text = importlib.util.decode_source(text)
    if text is None and not is_package:
        raise FirstbellError(f"the source of {name} cannot be read on this host")
    return Source(text or "", is_package)  # a folder needs no file of its own


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
