# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Door to the core's check_secrets()."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._core.secrets import check_secrets


def secret_findings(values: object) -> list[dict[str, str]]:
    if not isinstance(values, Mapping):
        raise AnsibleFilterError("secret_findings takes a dictionary of names and secrets")
    return [asdict(finding) for finding in check_secrets(values)]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"secret_findings": secret_findings}
