# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the controller keeps the secrets, and what opens them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import system

_LARGEST = 1 << 20
#: Where Ansible looks beside an inventory.
_VARIABLES = ("group_vars", "host_vars")
_OTHERS = 0o077


def gather(inventory: str, password_file: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Files of the inventory that say a secret in clear, and who may read the vault's password."""
    return {
        "clear": _clear(Path(inventory), secrets) if inventory else [],
        "password": _password(Path(password_file).expanduser()) if password_file else {},
    }


def _clear(inventory: Path, secrets: Mapping[str, str]) -> list[dict[str, str]]:
    wanted = {name: value.encode() for name, value in secrets.items() if value}
    paths = [*inventory.glob("*"), *(path for folder in _VARIABLES for path in (inventory / folder).rglob("*"))]
    found = []
    for path in sorted(paths):
        if path.is_file() and path.stat().st_size <= _LARGEST:
            content = path.read_bytes()
            found += [{"path": str(path), "secret": name} for name in sorted(wanted) if wanted[name] in content]
    return found


def _password(path: Path) -> dict[str, Any]:
    """Nothing for a program that asks for it."""
    if not path.is_file() or os.access(path, os.X_OK):
        return {}
    argv = ["git", "-C", str(path.resolve().parent), "ls-files", "--error-unmatch", path.name]
    try:
        tracked = system.run(argv, stdin="", check=False).code == 0
    except system.CommandError:  # no git
        tracked = False
    return {"path": str(path), "open": bool(path.stat().st_mode & _OTHERS), "tracked": tracked}
