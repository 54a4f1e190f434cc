# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pgBackRest says about its repositories: backups, their WAL, and whether they are whole."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import FirstbellError

TYPES = ("full", "diff", "incr")
_SUBJECT = re.compile(
    r"((?:archiveId|backup): [^,]+), (?:status: ([a-z ]+), )?"
    r"total (?:WAL|files) checked: (\d+), total valid (?:WAL|files): (\d+)"
)
_COUNT = re.compile(r"(missing|checksum invalid|size invalid|other): (\d+)")


@dataclass(frozen=True)
class Backup:
    """One backup in one repository. Times are seconds since 1970, sizes bytes.

    ``size``: of the database; ``stored``: what this backup alone takes in the repository.
    """

    label: str
    kind: str
    repository: int
    database_id: int
    start: int
    stop: int
    start_lsn: str
    stop_lsn: str
    start_wal: str
    stop_wal: str
    size: int
    stored: int
    error: bool
    reference: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repository:
    """One repository. ``code`` is 0 where pgBackRest finds nothing wrong; ``archive``: the name of its WAL."""

    number: int
    code: int
    message: str
    cipher: str
    archive: str = ""


@dataclass(frozen=True)
class Stanza:
    """All that is known of one database."""

    name: str
    repositories: tuple[Repository, ...]
    backups: tuple[Backup, ...]
    system_id: int = 0

    def newest(self, *kinds: str, repository: int | None = None) -> Backup | None:
        """The backup that ended last, among those of the kinds."""
        among = [
            backup
            for backup in self.backups
            if backup.kind in (kinds or TYPES) and repository in (None, backup.repository) and not backup.error
        ]
        return max(among, key=lambda backup: backup.stop, default=None)

    def find(self, label: str, repository: int | None = None) -> Backup | None:
        return next((b for b in self.backups if b.label == label and repository in (None, b.repository)), None)


def parse_info(text: str, name: str, number: int = 1) -> Stanza:
    """The stanza of one repository, which is called ``number`` here; raises FirstbellError.

    ``text`` is the answer of ``pgbackrest info --output=json``.
    """
    try:
        # With a wrong key the messages hold what came out of it, control characters too.
        stanzas = json.loads(text, strict=False)
        found = next((stanza for stanza in stanzas if stanza["name"] == name), None)
        if found is None:
            return Stanza(name, (), ())
        return Stanza(
            name=name,
            repositories=tuple(_repository(item, number, found) for item in found.get("repo", ())),
            backups=tuple(_backup(item, number) for item in found.get("backup", ())),
            system_id=max((int(db.get("system-id", 0)) for db in found.get("db", ())), default=0),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise FirstbellError(f"pgBackRest's answer cannot be read ({error!r}): {text[:200]}") from None


def _repository(item: Mapping[str, Any], number: int, stanza: Mapping[str, Any]) -> Repository:
    archives = [archive["id"] for archive in stanza.get("archive", ())]
    return Repository(
        number, item["status"]["code"], item["status"]["message"], item.get("cipher", ""), (archives or [""])[-1]
    )


def _backup(item: Mapping[str, Any], number: int) -> Backup:
    info = item["info"]
    return Backup(
        label=item["label"],
        kind=item["type"],
        repository=number,
        database_id=item["database"]["id"],
        start=item["timestamp"]["start"],
        stop=item["timestamp"]["stop"],
        start_lsn=item.get("lsn", {}).get("start", ""),
        stop_lsn=item.get("lsn", {}).get("stop", ""),
        start_wal=item["archive"]["start"] or "",
        stop_wal=item["archive"]["stop"] or "",
        size=info["size"],
        stored=info["repository"].get("delta", info["delta"]),
        error=bool(item.get("error")),
        reference=tuple(item.get("reference") or ()),
    )


def merge(stanzas: Sequence[Stanza]) -> Stanza:
    """What all repositories know of one database."""
    return Stanza(
        name=stanzas[0].name,
        repositories=tuple(repository for stanza in stanzas for repository in stanza.repositories),
        backups=tuple(backup for stanza in stanzas for backup in stanza.backups),
        system_id=next((stanza.system_id for stanza in stanzas if stanza.system_id), 0),
    )


def by_repository(backups: Sequence[Backup]) -> dict[int, list[Backup]]:
    """The backups of each repository, the oldest first."""
    found: dict[int, list[Backup]] = {}
    for backup in sorted(backups, key=lambda backup: backup.stop):
        found.setdefault(backup.repository, []).append(backup)
    return found


@dataclass(frozen=True)
class Verdict:
    """What reading every byte found, from the text of ``pgbackrest verify``, whose exit code says nothing."""

    sound: bool
    files: int
    problems: tuple[str, ...]


def parse_verify(text: str) -> Verdict:
    """The verdict; an answer that is not understood is not a good one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    status = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("status:")), "no answer")
    problems, files, subject, judged = [], 0, "", 0
    for line in lines:
        if match := _SUBJECT.match(line):
            subject = match[1]
            judged += 1
            checked, valid = int(match[3]), int(match[4])
            files += checked
            if checked != valid or match[2] not in (None, "valid"):
                what = f"{checked - valid} of {checked} files are not as they were written" if checked else match[2]
                problems.append(f"{subject}: {what}")
        elif subject and (counts := dict(_COUNT.findall(line))):
            wrong = ", ".join(f"{kind} {count}" for kind, count in counts.items() if int(count))
            if wrong:
                problems.append(f"{subject}: {wrong}")
        elif not line.startswith(("stanza:", "status:")):
            problems.append(line)
    if status != "ok" and not problems:
        problems.append(f"pgBackRest says: {' '.join(lines) or status}")
    if status == "ok" and not judged:
        problems.append("nothing was there to be read")
    return Verdict(status == "ok" and not problems, files, tuple(problems))
