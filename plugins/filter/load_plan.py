# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Door to the core's plan of a load test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.load.capacity import STEPS
from ..module_utils._core.load.wishes import load_of, plan_of


def load_plan(value: dict[str, Any]) -> dict[str, Any]:
    try:
        seconds, warm = float(value["seconds"]), float(value["warm"])
        load = load_of(value["profile"], seconds + warm, value.get("users"), value.get("scans"), value.get("rates"))
        steps = STEPS if value.get("mode") == "capacity" else 1
        return plan_of(load, seconds, warm, int(value.get("most_users") or 0), steps).as_dict()
    except FirstbellError as error:
        raise AnsibleFilterError(str(error)) from None
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"load_plan: {error}") from None


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"load_plan": load_plan}
