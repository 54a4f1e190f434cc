# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check found wrong: where, what, and what to type instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .errors import InputError


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the input or the host."""

    name: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}" + (f". {self.fix}" if self.fix else "")


def refuse(findings: Iterable[Finding], headline: str) -> None:
    """Raise one InputError that lists all findings, or return when there is none."""
    lines = [f"  - {finding}" for finding in findings]
    if lines:
        raise InputError("\n".join([headline, *lines]))
