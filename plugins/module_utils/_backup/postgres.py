# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgBackRest in a throw-away container beside the database."""

from __future__ import annotations

from collections.abc import Sequence

from .._core.backup_config import Limits
from .._core.pgbackrest import Repository, Stanza, merge, parse_info
from .._core.wal import Archived, folders, histories, parse_history, parse_listing
from .._io import system
from .host import Host

REPOSITORY, SPOOL, CONFIGURATION = "/var/lib/pgbackrest", "/var/spool/pgbackrest", "/etc/pgbackrest"
STORE = "/etc/pgbackrest-offsite"
UNREACHABLE = 99
#: How long a store may take to say what it holds. pgBackRest itself would try for minutes.
STORE_PATIENCE = 30.0
DATA, SOCKET = "/var/lib/postgresql", "/run/postgresql"


class Postgres:
    """The database of the stack and its repositories."""

    def __init__(self, host: Host, as_of: str = "") -> None:
        """``as_of``: read the store as it was at that moment, where it keeps old versions of its objects."""
        self.host = host
        self.as_of = as_of
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
        if repository > 1 and self.as_of:
            chosen += ["--repo=1", f"--repo-target-time={self.as_of}"]
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
        answers: bool = False,
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
            answers=answers,
        )

    def archive(self, number: int, stanza: Stanza) -> tuple[list[Archived], dict[int, int], list[int]]:
        """The WAL in a repository, where the timelines of restores begin in it, and those whose history is there."""
        archive = next((item.archive for item in stanza.repositories if item.number == number), "")
        if not archive:
            return [], {}, []
        folder = f"archive/{self.host.config.stack}/{archive}"
        options = ["--recurse", "--output=json"]
        listing = self.pgbackrest("repo-ls", *options, parameters=[folder], repository=number, answers=True).out
        starts: dict[int, int] = {}
        timelines = histories(listing)
        for timeline in timelines[-1:]:
            path = f"{folder}/{timeline:08X}.history"
            history = self.pgbackrest("repo-get", parameters=[path], repository=number, answers=True).out
            starts = parse_history(history, timeline)
        return parse_listing(listing), starts, timelines

    def folders(self, number: int) -> list[str]:
        """The names of the backups whose files are in a repository."""
        parameters = [f"backup/{self.host.config.stack}"]
        listing = self.pgbackrest(
            "repo-ls", "--output=json", parameters=parameters, repository=number, answers=True
        ).out
        return folders(listing)

    def stanza(self, *, sources: bool = False) -> Stanza:
        """What the repositories hold, and those that are another host's. One that does not answer is told as such."""
        others = self.config.sources if sources else ()
        return merge([self._ask(number) for number in (*self.config.repositories, *others)])

    def _ask(self, number: int) -> Stanza:
        name, options = self.host.config.stack, ["--output=json", "--log-level-console=error"]
        try:
            patience = STORE_PATIENCE if number > 1 else 86400
            said = self.pgbackrest(
                "info", *options, repository=number, check=number == 1, timeout=patience, answers=True
            )
        except system.CommandTimeoutError:
            message = f"it did not answer within {STORE_PATIENCE:g} s"
        else:
            if not said.code:
                return parse_info(said.out, name, number)
            message = " ".join((said.out + said.err).split())[:300]
        return Stanza(name, (Repository(number, UNREACHABLE, message, ""),), ())
