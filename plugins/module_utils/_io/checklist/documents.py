# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own pages and commands, as they are on the controller."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..._backup.cli import COMMANDS
from .. import system

COLLECTION = Path(__file__).resolve().parents[4]
_PAGES = "docs/recovery"


def gather(collection: Path = COLLECTION) -> dict[str, Any]:
    """The pages by name, the playbooks and modules, and the subcommands of the stack's backup command."""
    named = [path.stem for folder in ("playbooks", "plugins/modules") for path in (collection / folder).glob("*")]
    return {
        "pages": {path.name: path.read_text(encoding="utf-8") for path in (collection / _PAGES).glob("*.md")},
        "playbooks": sorted(named),
        "commands": sorted(one.NAME for one in COMMANDS),
        "changed": _changed(collection),
    }


def _changed(collection: Path) -> list[str]:
    """Pages that are not those of the release, by its list of files; in a clone, not those of its last commit."""
    listed = collection / "FILES.json"
    if listed.is_file():
        files = json.loads(listed.read_text(encoding="utf-8"))["files"]
        wanted = {one["name"]: one["chksum_sha256"] for one in files if one["name"].startswith(f"{_PAGES}/")}
        pages = {name: collection / name for name, digest in wanted.items() if digest}
        return sorted(
            page.name
            for name, page in pages.items()
            if not page.is_file() or hashlib.sha256(page.read_bytes()).hexdigest() != wanted[name]
        )
    try:
        said = system.run(
            ["git", "-C", str(collection), "diff", "--name-only", "HEAD", "--", _PAGES], stdin="", check=False
        )
    except system.CommandError:  # no git
        return []
    return sorted(Path(line).name for line in said.out.splitlines()) if said.code == 0 else []
