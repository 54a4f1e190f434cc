# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Door to the core's role_verifier()."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.scram import role_verifier


def scram_verifier(password: str, user: str, stack: str) -> str:
    try:
        return role_verifier(password, user, stack)
    except FirstbellError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"scram_verifier": scram_verifier}
