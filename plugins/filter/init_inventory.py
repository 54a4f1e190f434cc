# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Door to the core's init_inventory(); what the answers name on the controller's disk is looked up here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._core.arguments import keywords
from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.init_inventory import ANSWERS, Seen
from ..module_utils._core.init_inventory import init_inventory as core_init_inventory
from ..module_utils._io.image_sources import look_into

PATHS = ("init_directory", "init_vault_password_file")
SOURCE_MARKS = ("/", ".", "~")
"""No image begins with one of these."""


def _path(value: object) -> Path:
    path = Path(str(value).strip())
    try:
        return path.expanduser()
    except RuntimeError:  # the home of a user that does not exist
        return path


def _see(answers: Mapping[str, object]) -> Seen:
    kinds = {}
    for name in PATHS:
        path = _path(answers[name])
        if path.exists():
            kinds[name] = "folder" if path.is_dir() else "file"
    app = str(answers["init_app"] or "").strip()
    if not app.startswith(SOURCE_MARKS) and not (app and _path(app).is_dir()):
        return Seen(kinds)
    source = str(_path(app).resolve())
    names, manifest = look_into(source)
    return Seen(kinds, source, None if names is None else tuple(names), manifest)


def init_inventory(value: object) -> dict[str, Any]:
    try:
        answers = keywords(value, "init_inventory", required=ANSWERS)
        return core_init_inventory(answers, _see(answers))
    except FirstbellError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"init_inventory": init_inventory}
