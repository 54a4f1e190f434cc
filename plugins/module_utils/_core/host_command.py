# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command of the host that is made of the collection's own Python: its files, and what differs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .errors import FirstbellError, InputError

PACKAGE = "firstbell"
CONFIG_MODE = 0o644
LIBRARY_MODE = 0o644
PROGRAM_MODE = 0o755
#: What a command can be made of: the module that has its ``main``.
PROGRAMS = {
    "alerts": "_alerts.cli",
    "autoscaler": "_autoscaler.cli",
    "backup": "_backup.cli",
    "diagnose": "_operations.diagnose",
    "load_test": "_load_test.cli",
    "maintain": "_operations.maintain",
    "night": "_night.cli",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Source:
    """A module's text, and whether it holds other modules."""

    text: str
    is_package: bool


@dataclass(frozen=True)
class File:
    """A file to write (``content``) or to remove (None)."""

    path: str
    content: str | None
    mode: int


def configuration(text: str, path: str) -> Mapping[str, Any]:
    """What the command's file of that path says; raises InputError."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}); run the playbook site") from None
    if not isinstance(data, Mapping):
        raise InputError(f"{path} is not a configuration of this version; run the playbook site")
    return data


def package_files(sources: Mapping[str, Source]) -> dict[str, str]:
    """Text by relative path of the package's files, from the modules' sources by dotted name below the package."""
    files = {}
    for name, source in sources.items():
        path = "/".join([PACKAGE, *name.split(".")] if name else [PACKAGE])
        files[f"{path}/__init__.py" if source.is_package else f"{path}.py"] = source.text
    return files


def needed(find: Callable[[str], Source | None], entry: str) -> dict[str, Source]:
    """The sources that ``entry`` imports, directly or not, with the packages that they are in.

    ``find`` tells the source of a dotted name below the package ("" for itself), None where no module is called so.
    It is asked for a name in a package only after the package, and never for one in a module. Raises FirstbellError
    where ``entry`` is no module.
    """
    found: dict[str, Source] = {}

    def add(name: str) -> None:
        parent = name.rpartition(".")[0]
        if name:
            add(parent)
            if parent not in found or not found[parent].is_package:
                return
        if name not in found and (source := find(name)):
            found[name] = source
            for imported in _imported(source.text, name if source.is_package else parent):
                add(imported)

    add(entry)
    if entry not in found:
        raise FirstbellError(f"the source of {entry} has not come to this host")
    return found


@cache
def _imported(text: str, package: str) -> list[str]:
    """Dotted names that a module's relative imports may mean: the module, and modules in a package."""
    names = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = package.split(".") if package else []
            base = ".".join([*parts[: len(parts) - node.level + 1], *(node.module.split(".") if node.module else [])])
            names += [base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)]
    return names


def launcher(library: str, module: str, arguments: str) -> str:
    """The program on the PATH; isolated, so that nobody's environment chooses other modules."""
    return (
        "#!/usr/bin/python3 -I\n"
        "# Written by firstbell.stack.host_command\n"
        "import sys\n\n"
        f"sys.path.insert(0, {library!r})\n"
        f"from {PACKAGE}.{module} import main\n\n"
        f"sys.exit(main({arguments!r}))\n"
    )


def library_of(name: str) -> str:
    """Where the sources of a command are."""
    return f"/usr/local/lib/{name}"


def program_of(name: str) -> str:
    """What is typed."""
    return f"/usr/local/sbin/{name}"


def files(find: Callable[[str], Source | None], name: str, program: str, arguments: str) -> dict[str, File]:
    """Everything that the command of that name is made of, by path. ``find`` is that of ``needed``."""
    module, library = PROGRAMS[program], library_of(name)
    texts = {f"{library}/{path}": text for path, text in package_files(needed(find, module)).items()}
    wanted = {path: File(path, text, LIBRARY_MODE) for path, text in texts.items()}
    own = program_of(name)
    return {**wanted, own: File(own, launcher(library, module, arguments), PROGRAM_MODE)}


def check_name(name: str) -> str:
    """The name of a command, refused where it could leave its directory."""
    if not _NAME.fullmatch(name):
        raise InputError(f"name: {name!r} is no name of a command; use small letters, digits and hyphens")
    return name


def plan(wanted: Mapping[str, File], found: Mapping[str, tuple[str, int]]) -> list[File]:
    """The files to write and to remove, the package before the program that needs it.

    ``found`` maps the path of each file that is there to its content and mode. The program is written
    whenever anything is: its time of change is that of all, and Python's cache is none of them.
    """
    writes = [file for path, file in wanted.items() if found.get(path) != (file.content, file.mode)]
    if writes:
        writes += [file for file in wanted.values() if file.mode & 0o111 and file not in writes]
    removals = [File(path, None, 0) for path in found if path not in wanted]
    return sorted(writes, key=lambda file: (file.mode & 0o111, file.path)) + sorted(
        removals, key=lambda file: file.path
    )


def plan_config(
    path: str, settings: Mapping[str, Any] | None, present: bool, found: Mapping[str, tuple[str, int]]
) -> list[File]:
    """The configuration file to write or to remove; one that others write (``settings`` None) is only removed."""
    if not present:
        return [File(path, None, 0)] if path in found else []
    if settings is None:
        return []
    text = json.dumps(settings, indent=4, sort_keys=True) + "\n"
    return [] if found.get(path) == (text, CONFIG_MODE) else [File(path, text, CONFIG_MODE)]
