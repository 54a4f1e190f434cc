# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration that failed: what the ledger keeps of it and what the user reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import FirstbellError
from .prisma import HOW_TO_GO_ON, LEDGER, SCRIPT_FILE, Migration
from .sql import ServerError, excerpt, place

# Errors that say nothing against a migration: lock_not_available, deadlock_detected.
_AGAIN = frozenset({"55P03", "40P01"})


@dataclass(frozen=True)
class Failure:
    """A script that the server refused.

    ``position`` counts characters of the file from 1. ``kept`` is the number of
    statements whose effect stays, 0 when the server took everything back, and
    None when that cannot be known. ``concurrently`` tells that it was an index
    being built beside the writers, which stays behind INVALID.
    """

    migration: Migration
    error: ServerError
    position: int | None = None
    kept: int | None = None
    concurrently: bool = False

    @property
    def again(self) -> bool:
        """Whether the migration can simply be run again: no effect, and only bad luck with locks."""
        return self.kept == 0 and self.error.code in _AGAIN and not self.concurrently

    def log(self) -> str:
        """What goes into the ledger, in the form of Prisma's own log, without secrets."""
        lines = [f"Migration name: {self.migration.name}", f"Database error code: {self.error.code or 'none'}"]
        return "\n".join([*lines, "Database error:", self.error.text(), *self._where()])

    def message(self) -> str:
        """What the user reads."""
        kept = {
            None: "How much of it took effect is not known: it ends transactions itself, or the connection was lost.",
            0: "The server took all of it back.",
        }.get(
            self.kept,
            f"{self.kept} of its statements took effect before and stay: it holds one that no transaction takes.",
        )
        advice = (
            "It is written into the ledger as rolled back: run again when fewer are at work, or with a longer"
            " lock_timeout."
            if self.again
            else f"It stands as failed in {LEDGER}. {HOW_TO_GO_ON.format(name=self.migration.name)}."
        )
        if self.concurrently:
            kept += " The index is left behind INVALID where it was begun: DROP INDEX CONCURRENTLY IF EXISTS it first."
        return "\n".join([f"migration {self.migration.name}: {self.error.text()}", *self._where(), f"{kept} {advice}"])

    def _where(self) -> list[str]:
        if self.position is None:
            return []
        line, column = place(self.migration.script, self.position)
        head = f"Position: line {line}, column {column} of {self.migration.name}/{SCRIPT_FILE}"
        return [head, *filter(None, [excerpt(self.migration.script, line)])]


class MigrationFailedError(FirstbellError):
    """A script failed; ``applied`` are the migrations that this run had applied before."""

    def __init__(self, failure: Failure, applied: Sequence[str], pending: Sequence[str]) -> None:
        before = f"\nApplied before it: {', '.join(applied)}." if applied else ""
        super().__init__(failure.message() + before)
        self.result = {
            "changed": True,
            "applied": list(applied),
            "pending": list(pending),
            "failed_migration": failure.migration.name,
        }
