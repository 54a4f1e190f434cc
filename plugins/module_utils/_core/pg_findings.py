# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with the settings of a server, by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .findings import Finding

#: What can be wrong, the gravest first.
KINDS = (
    *("unknown", "invalid", "not_settable", "would_not_start", "file_error"),
    *("command_line", "alter_system", "later_line", "differs", "not_reloaded", "pending_restart"),
    *("role_in_database", "role", "database", "drift"),
)
REFUSED = frozenset(("unknown", "invalid", "not_settable", "would_not_start"))
OF_SESSIONS = frozenset(("role_in_database", "role", "database"))


@dataclass(frozen=True)
class PgFinding(Finding):
    """A finding with its kind and what is known of the place; ``details`` is for the module's result."""

    kind: str = "differs"
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        told = {"kind": self.kind, "name": self.name, "problem": self.problem, "fix": self.fix}
        return {**told, **{key: value for key, value in self.details.items() if value not in ("", None, 0)}}


def by_gravity(findings: Sequence[PgFinding]) -> list[PgFinding]:
    """The gravest first, otherwise in their order."""
    return sorted(findings, key=lambda finding: KINDS.index(finding.kind))


def failing(mode: str, fail_on: Sequence[str] | None) -> frozenset[str]:
    """The kinds that fail the module. Applying cannot do without a value, and never restarts."""
    if fail_on is None:
        chosen = frozenset(KINDS) if mode == "check" else frozenset(KINDS) - OF_SESSIONS
    else:
        chosen = frozenset(KINDS if "any" in fail_on else fail_on)
    return chosen if mode == "check" else (chosen | REFUSED) - {"pending_restart"}


def unmet(findings: Sequence[PgFinding], headline: str) -> str:
    """The message of a failure: every finding on a line."""
    return "\n".join([headline, *(line(finding.as_dict()) for finding in by_gravity(findings))])


def line(finding: Mapping[str, Any]) -> str:
    """A finding of the module's result on one line."""
    member = f"{finding['member']}: " if finding.get("member") else ""
    fix = f". {finding['fix']}" if finding["fix"] else ""
    return f"  - {member}{finding['kind']}: {finding['name']}: {finding['problem']}{fix}"
