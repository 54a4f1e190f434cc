# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Door to the core's redis_url()."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._core.arguments import keywords
from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.urls import redis_url as core_redis_url


def redis_url(value: object) -> str:
    try:
        parts = keywords(value, "redis_url", required=("user", "password", "host"), optional=("port", "database"))
        return core_redis_url(**parts)
    except FirstbellError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"redis_url": redis_url}
