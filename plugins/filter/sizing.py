# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Door to the core's sizing()."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._core.arguments import keywords
from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.sizing import sizing as core_sizing


def sizing(value: object) -> dict[str, object]:
    try:
        request = keywords(
            value,
            "sizing",
            required=("profile", "memory", "cpus"),
            optional=("replicas", "overrides", "hosts", "monitoring"),
        )
        return core_sizing(**request).as_dict()
    except FirstbellError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sizing": sizing}
