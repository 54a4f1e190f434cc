# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts of the autoscaler meet: files below /opt/<stack>/autoscaler, mounted into the container."""

from __future__ import annotations

import os
from dataclasses import dataclass

PASSWORD = "/run/secrets/prometheus_password"  # noqa: S105  (a path)


@dataclass(frozen=True)
class Places:
    """``directory`` holds what is below, on the host and in the container alike."""

    directory: str

    @property
    def order(self) -> str:
        """What people ask for; root writes it."""
        return f"{self.directory}/control/order.json"

    @property
    def state(self) -> str:
        """The last decision; the service writes it."""
        return f"{self.directory}/state/state.json"

    @property
    def lock(self) -> str:
        """Held by the one service that decides."""
        return f"{self.directory}/state/lock"

    @property
    def gate(self) -> str:
        """Socket of the gate."""
        return f"{self.directory}/gate/gate.sock"


def of(config_path: str) -> Places:
    """The places beside the configuration, <directory>/config/autoscaler.json."""
    return Places(os.path.dirname(os.path.dirname(os.path.abspath(config_path))))
