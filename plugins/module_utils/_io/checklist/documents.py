# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own pages and commands, as they are on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..._backup.cli import COMMANDS

COLLECTION = Path(__file__).resolve().parents[4]


def gather(collection: Path = COLLECTION) -> dict[str, Any]:
    """The pages by name, the playbooks and modules, and the subcommands of the stack's backup command."""
    named = [path.stem for folder in ("playbooks", "plugins/modules") for path in (collection / folder).glob("*")]
    return {
        "pages": {path.name: path.read_text(encoding="utf-8") for path in (collection / "docs/recovery").glob("*.md")},
        "playbooks": sorted(named),
        "commands": sorted(one.NAME for one in COMMANDS),
    }
