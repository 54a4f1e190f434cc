# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backup command of a host knows of its stack: one JSON file, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import InputError

#: Of 1024 that a service has: where both want the CPU, the service gets it.
SHARES = 64
#: In microseconds. The engine's own, 100 ms, lets a container with a quarter of a CPU run for 25 ms on end
#: and then stand still for 75: whoever asks the application in those 25 ms waits. In a tenth of it, 2.5 ms.
CPU_PERIOD = 10_000
#: The kernel's least quota, in microseconds.
LEAST_QUOTA = 1_000


@dataclass(frozen=True)
class Limits:
    """What a throw-away container may use at most. ``memory`` in bytes."""

    cpus: float
    memory: int
    pids: int = 128

    def options(self) -> list[str]:
        """The same as options of ``docker run``."""
        period = max(CPU_PERIOD, round(LEAST_QUOTA / self.cpus))
        return [
            *("--pids-limit", str(self.pids), "--cpu-shares", str(SHARES)),
            *("--cpu-period", str(period), "--cpu-quota", str(round(self.cpus * period))),
            *("--memory", str(self.memory), "--memory-swap", str(self.memory)),
        ]


@dataclass(frozen=True)
class PostgresConfig:
    """How the database is backed up. Times in seconds.

    ``limits``: of what makes, reads and checks backups; ``rehearsal``: of the drill. A restore has all CPUs.
    ``repositories``: numbers of pgBackRest's repositories (1 on the host, 2 in S3); ``sources``: of those that are
    another host's, from which this one restores and into which it never writes.
    ``calendars``: when each kind of backup is made, as systemd writes it.
    ``schedule``: units of systemd whose timers must run. ``count_limit``: tables of more bytes are not
    counted by the drill.
    """

    image: str
    major: int
    database: str
    limits: Limits
    rehearsal: Limits = Limits(1.0, 512 * 1024**2)
    network: str = "none"
    repositories: tuple[int, ...] = (1,)
    sources: tuple[int, ...] = ()
    recovery_point: float = 60.0
    recovery_time: float = 60.0
    recovery_time_per_gb: float = 6.0
    retention_days: int = 30
    dumps_kept: int = 7
    archive_timeout: float = 45.0
    queue_max: int = 16 * 1024**3
    least_free: int = 2 * 1024**3
    count_limit: int = 1024**3
    schedule: tuple[str, ...] = ()
    calendars: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """One stack. ``directory`` is /opt/<stack>; ``sections`` holds what other parts of the command read."""

    stack: str
    directory: str
    postgres: PostgresConfig
    sections: Mapping[str, Any] = field(default_factory=dict)

    @property
    def backup(self) -> str:
        """Where repository, spool, state and records are."""
        return f"{self.directory}/backup"

    @property
    def repository(self) -> str:
        """The database's repository on the host."""
        return f"{self.backup}/repository/postgres"

    @property
    def command(self) -> str:
        """What an administrator types."""
        return f"{self.stack}-backup"


def parse(text: str, path: str) -> Config:
    """The configuration in a file; raises InputError."""
    try:
        data: Any = json.loads(text)
        postgres = dict(data["postgres"])
        limits: dict[str, Any] = {
            name: Limits(**postgres.pop(name)) for name in ("limits", "rehearsal") if name in postgres
        }
        lists: dict[str, Any] = {
            name: tuple(postgres.pop(name)) for name in ("repositories", "sources", "schedule") if name in postgres
        }
        config = Config(
            stack=data["stack"],
            directory=data["directory"],
            postgres=PostgresConfig(**limits, **lists, **postgres),
            sections={name: data[name] for name in data if name not in ("stack", "directory", "postgres")},
        )
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is not a configuration of this version ({error}); run the playbook site") from None
    if not re.fullmatch(r"/[A-Za-z0-9_./-]+", config.directory):
        raise InputError(f"{path}: directory {config.directory!r} is no absolute path")
    return config
