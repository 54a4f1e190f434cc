# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Door to the core's dotenv()."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.urls import dotenv as core_dotenv


def dotenv(values: Mapping[str, object]) -> str:
    try:
        return core_dotenv(values)
    except FirstbellError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"dotenv": dotenv}
