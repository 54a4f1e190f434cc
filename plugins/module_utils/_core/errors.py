# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of the core.

A message says what is wrong, where it is, and what to type instead. No message
ever carries the value of a secret. Everything below a plugin's ``main()`` raises
these; only the doors translate them for Ansible.
"""

from __future__ import annotations

from collections.abc import Mapping


class FirstbellError(Exception):
    """Base of every error that the collection raises on purpose."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class InputError(FirstbellError):
    """A value somebody gave cannot be used: wrong type, unit, range or name."""


class PlanError(FirstbellError):
    """A plan does not add up.

    ``suggestion`` holds keyword arguments of ``sizing()`` that would have held,
    computed and checked, or ``None`` where no such plan exists on this host.
    """

    def __init__(self, message: str, suggestion: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.suggestion = None if suggestion is None else dict(suggestion)
