# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the controller as they are typed there: for this inventory, with make or with the installed collection.

The checks write them shortly, as ``make site`` or ``make drill ARGS='--tags rollout'``, since they know neither.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

PLAYBOOKS = {
    "check": "site --check --diff",
    "deploy": "deploy",
    "drill": "drill",
    "load-test": "load_test",
    "rollback": "rollback",
    "secrets": "secrets",
    "site": "site",
    "update-images": "update_images",
    "verify": "verify",
    "verify-full": "verify -e verify_profile=full",
}
"""Targets of the Makefile, and what each runs."""

_TARGETS = "|".join(sorted(PLAYBOOKS, key=len, reverse=True))
_COMMAND = re.compile(rf"\bmake ({_TARGETS})(?![\w-])(?: ONLY=([A-Z0-9,]+))?(?: ARGS='([^']*)')?")
_DEFAULT = "inventories/sandbox"
"""The Makefile's own INVENTORY."""


@dataclass(frozen=True)
class Controller:
    """The inventories, as they are named after ``-i``, and whether the Makefile is at hand."""

    inventories: Sequence[str]
    has_makefile: bool

    def typed(self, text: str) -> str:
        """The text with every command of the controller in full."""
        return _COMMAND.sub(self._command, text)

    def _command(self, found: re.Match[str]) -> str:
        target, only, more = found.groups()
        if not self.has_makefile:
            words = ["ansible-playbook", *(f"-i {one}" for one in self.inventories)]
            words.append(f"firstbell.stack.{PLAYBOOKS[target]}")
            if only:
                words.append(f"-e verify_only={only}")
            return " ".join([*words, more] if more else words)
        named = " -i ".join(self.inventories)
        words = [f"make {target}"]
        if named and named.rstrip("/") != _DEFAULT:
            words.append(f'INVENTORY="{named}"' if " " in named else f"INVENTORY={named}")
        if only:
            words.append(f"ONLY={only}")
        if more:
            words.append(f"ARGS='{more}'")
        return " ".join(words)
