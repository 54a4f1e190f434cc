# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands that look after a stack know of it: one JSON file, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError


@dataclass(frozen=True)
class Config:
    """One stack. ``directory`` is /opt/<stack>.

    ``prometheus``: path of its interface, empty where the monitoring is switched off. ``metrics_path``: of the
    application, empty where it has none. ``sessions``: pattern of the keys of sessions in Redis, empty for an
    application that has none there. ``backup``: whether there are backups. ``connections``: the plan's budget.
    ``domain`` and ``site_path``: what visitors open; ``certificate``: where the site has its own from; ``ca_file``: its
    authority where the host does not know it. ``cpus`` of the host, and ``memory_left`` by its plan, in bytes.
    """

    stack: str
    directory: str
    database: str
    prometheus: str = ""
    monitoring_user: str = ""
    app_port: int = 3000
    app_path: str = "/"
    metrics_path: str = ""
    sessions: str = ""
    backup: bool = True
    connections: Mapping[str, int] = field(default_factory=dict)
    statements_kept: int = 10
    domain: str = ""
    site_path: str = "/"
    certificate: str = ""
    ca_file: str = ""
    cpus: float = 0.0
    memory_left: int = 0

    @property
    def reports(self) -> str:
        """Where the last report of each kind is, beside the configuration."""
        return f"{self.directory}/operations"

    @property
    def socket(self) -> str:
        """The directory of the database's socket."""
        return f"{self.directory}/run/postgres"


def parse(text: str, path: str) -> Config:
    """The configuration in a file; raises InputError."""
    try:
        data: Any = json.loads(text)
        config = Config(**data)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is not a configuration of this version ({error}); run the playbook site") from None
    if not re.fullmatch(r"/[A-Za-z0-9_./-]+", config.directory):
        raise InputError(f"{path}: directory {config.directory!r} is no absolute path")
    return config
