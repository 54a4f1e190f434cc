# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests of the core ask for an error."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError


def error_of(function: Callable[..., object], *arguments: object) -> FirstbellError | None:
    """The error that a call ends in, if it is one of ours; any other fails the test."""
    try:
        function(*arguments)
    except FirstbellError as error:
        return error
    return None
