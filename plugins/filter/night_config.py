# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Door to the core's check of the night work's configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.night.config import parse


def night_config(value: Any) -> dict[str, Any]:
    try:
        parse(value)
    except FirstbellError as error:
        raise AnsibleFilterError(str(error)) from None
    return dict(value)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"night_config": night_config}
