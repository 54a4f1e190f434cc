# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgBackRest in a throw-away container beside the database."""

from __future__ import annotations

from collections.abc import Sequence

from .._core.backup_config import Limits
from .._core.pgbackrest import Stanza, parse_info
from .._io import system
from .host import Host

REPOSITORY, SPOOL, CONFIGURATION = "/var/lib/pgbackrest", "/var/spool/pgbackrest", "/etc/pgbackrest"
DATA, SOCKET = "/var/lib/postgresql", "/run/postgresql"


class Postgres:
    """The database of the stack and its repositories."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.config = host.config.postgres
        self.directory = host.config.directory

    @property
    def data(self) -> str:
        """The data directory, on the host."""
        return f"{self.directory}/data/postgres/{self.config.major}/data"

    @property
    def socket(self) -> str:
        return f"{self.directory}/run/postgres"

    def mounts(self, *, data: str = "", read_only: bool = True) -> list[str]:
        """Configuration, repository and spool; the data directory where one is named."""
        backup = self.host.config.backup
        found = [
            f"type=bind,source={backup}/pgbackrest,target={CONFIGURATION},readonly",
            f"type=bind,source={backup}/repository,target={REPOSITORY}",
            f"type=bind,source={backup}/spool,target={SPOOL}",
        ]
        if data:
            found.append(f"type=bind,source={data},target={DATA}" + (",readonly" if read_only else ""))
        return found

    def pgbackrest(
        self,
        command: str,
        *options: str,
        mounts: Sequence[str] | None = None,
        limits: Limits | None = None,
        check: bool = True,
        timeout: float = 86400,
    ) -> system.Result:
        """Run a command of pgBackRest; no secret is on its command line."""
        return self.host.container(
            command,
            [f"--stanza={self.host.config.stack}", *options, command],
            entrypoint="pgbackrest",
            mounts=self.mounts() if mounts is None else mounts,
            network=self.config.network,
            limits=limits,
            check=check,
            timeout=timeout,
        )

    def stanza(self) -> Stanza:
        """What the repositories hold."""
        said = self.pgbackrest("info", "--output=json", "--log-level-console=error")
        return parse_info(said.out, self.host.config.stack)
