# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgBackRest in a throw-away container beside the database."""

from __future__ import annotations

from collections.abc import Sequence

from .._core.backup_config import Limits
from .._core.pgbackrest import Repository, Stanza, merge, parse_info
from .._core.wal import Archived, histories, parse_history, parse_listing
from .._io import system
from .host import Host

REPOSITORY, SPOOL, CONFIGURATION = "/var/lib/pgbackrest", "/var/spool/pgbackrest", "/etc/pgbackrest"
STORE = "/etc/pgbackrest-offsite"
UNREACHABLE = 99
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

    def mounts(
        self, *, data: str = "", read_only: bool = True, spool: str = "", repository_read_only: bool = False
    ) -> list[str]:
        """Configuration, repository and spool; the data directory where one is named."""
        backup = self.host.config.backup
        spool = spool or f"{backup}/spool"
        found = [
            f"type=bind,source={backup}/pgbackrest,target={CONFIGURATION},readonly",
            f"type=bind,source={backup}/repository,target={REPOSITORY}" + (",readonly" if repository_read_only else ""),
            f"type=bind,source={spool},target={SPOOL}",
        ]
        if data:
            found.append(f"type=bind,source={data},target={DATA}" + (",readonly" if read_only else ""))
        return found

    def mounts_with_database(self) -> list[str]:
        """The same with the live database, which it can read and talk to."""
        directory = f"{self.directory}/data/postgres"
        return [*self.mounts(data=directory), f"type=bind,source={self.socket},target={SOCKET}"]

    def words(self, repository: int) -> list[str]:
        """The options that choose a repository. The one on the host is the default."""
        chosen = [f"--config={STORE}/offsite.conf"] if repository > 1 else []
        return [*chosen, f"--stanza={self.host.config.stack}"]

    def store_mounts(self, repository: int) -> list[str]:
        """What reaching the store needs."""
        source = f"{self.host.config.backup}/offsite"
        return [f"type=bind,source={source},target={STORE},readonly"] if repository > 1 else []

    def network(self, repository: int) -> str:
        return self.config.network if repository > 1 else "none"

    def pgbackrest(
        self,
        command: str,
        *options: str,
        mounts: Sequence[str] | None = None,
        limits: Limits | None = None,
        check: bool = True,
        timeout: float = 86400,
        parameters: Sequence[str] = (),
        repository: int = 1,
    ) -> system.Result:
        """Run a command of pgBackRest on one repository; no secret is on its command line.

        Only a container that has to do with the store has a network, and knows its password.
        """
        return self.host.container(
            command,
            [*self.words(repository), *options, command, *parameters],
            entrypoint="pgbackrest",
            mounts=[*(self.mounts() if mounts is None else mounts), *self.store_mounts(repository)],
            network=self.network(repository),
            limits=limits,
            check=check,
            timeout=timeout,
        )

    def archive(self, number: int, stanza: Stanza) -> tuple[list[Archived], dict[int, int]]:
        """The WAL in a repository, and where the timelines of restores begin in it."""
        if not stanza.archives:
            return [], {}
        folder = f"archive/{self.host.config.stack}/{stanza.archives[-1]}"
        options = ["--recurse", "--output=json"]
        listing = self.pgbackrest("repo-ls", *options, parameters=[folder], repository=number).out
        starts: dict[int, int] = {}
        for timeline in histories(listing)[-1:]:
            path = f"{folder}/{timeline:08X}.history"
            history = self.pgbackrest("repo-get", parameters=[path], repository=number).out
            starts = parse_history(history, timeline)
        return parse_listing(listing), starts

    def stanza(self) -> Stanza:
        """What the repositories hold. One that does not answer is told as such."""
        found = []
        for number in self.config.repositories:
            said = self.pgbackrest(
                "info", "--output=json", "--log-level-console=error", repository=number, check=number == 1
            )
            if said.code:
                message = " ".join((said.out + said.err).split())[:300]
                found.append(Stanza(self.host.config.stack, (Repository(number, UNREACHABLE, message, ""),), ()))
            else:
                found.append(parse_info(said.out, self.host.config.stack, number))
        return merge(found)
