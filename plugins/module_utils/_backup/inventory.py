# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misses files of the repositories on the host that somebody else has removed or changed, before they are needed.

Size and time of each are remembered when it is first seen. Damage that leaves both is found by reading.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from .._core.errors import FirstbellError
from .._core.findings import Finding
from .._core.inventory import Marks, after_work, damage
from .._core.pgbackrest import Stanza
from .._io import system
from .host import Host
from .metrics import read_record
from .redis import UID

DATABASE, FILES = "repository", "files-repository"
"""Names of the records."""

#: What restic removes as it likes.
_FLEETING = ("locks",)


def marks(folder: str) -> dict[str, list[int]]:
    """Size and time of each file below a folder."""
    found = {}
    for directory, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _FLEETING]
        for name in names:
            path = os.path.join(directory, name)
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode):
                    found[os.path.relpath(path, folder)] = [status.st_size, int(status.st_mtime)]
    return found


def accept(host: Host, name: str) -> None:
    """Take the files as they are: every byte was read, and all is well."""
    system.remove(f"{host.config.backup}/records/{name}.json")


# -- of the database: a backup is a folder, and its files stay until it is removed as a whole


def listing(host: Host) -> dict[str, dict[str, list[int]]]:
    """The files of each backup. To be asked before pgBackRest is, as backups go from its list before their files do."""
    folder = f"{host.config.repository}/backup/{host.config.stack}"
    with contextlib.suppress(FileNotFoundError):
        return {entry.name: marks(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)}
    return {}


def add(host: Host, label: str) -> None:
    """Remember a backup that was made just now."""
    present = listing(host)
    if label in present:
        host.record(DATABASE, {**read_record(host, DATABASE), label: present[label]})


def of_database(host: Host, present: Mapping[str, Marks], stanza: Stanza) -> list[Finding]:
    """What is wrong with backups that pgBackRest knows; those without any file are missed elsewhere."""
    if not any(repository.number == 1 and not repository.code for repository in stanza.repositories):
        return []
    recorded = read_record(host, DATABASE)
    labels = sorted({backup.label for backup in stanza.backups if backup.repository == 1})
    known: dict[str, Marks] = {label: files for label in labels if (files := recorded.get(label) or present.get(label))}
    if known != recorded:
        host.record(DATABASE, known)
    command = host.config.command
    return [
        Finding(
            "repository 1",
            f"of the backup {label}, {wrong}",
            f"Only pgBackRest should do that. What is lost: {command} check --read; where it finds all well, the files "
            f"are taken as they are. Otherwise: {command} backup --type full, then: {command} forget {label}",
        )
        for label, files in known.items()
        if label in present and (wrong := damage(files, present[label]))
    ]


def unreadable(host: Host) -> list[Finding]:
    """Files of the repository on the host that the database cannot read when it is restored."""
    tops = [f"{host.config.repository}/{name}" for name in ("archive", "backup")]
    paths = (
        os.path.join(folder, name)
        for top in tops
        for folder, folders, names in os.walk(top)
        for name in (*folders, *names)
    )
    found = [path for path in paths if not _readable(path)]
    if not found:
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    fix = f"chown --recursive {UID}:{UID} {' '.join(tops)} && chmod --recursive u+rX {' '.join(tops)}"
    return [Finding("repository 1", f"{found[0]}{more} cannot be read by user {UID}, as whom the database runs", fix)]


def _readable(path: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        status = os.lstat(path)
        needed = stat.S_IRUSR | (stat.S_IXUSR if stat.S_ISDIR(status.st_mode) else 0)
        return stat.S_ISLNK(status.st_mode) or (status.st_uid == UID and status.st_mode & needed == needed)
    return True


# -- of the files: restic adds and removes files, while it holds their lock


@contextlib.contextmanager
def working(host: Host) -> Iterator[None]:
    """Remember what a command of ours leaves; one that is cut off leaves the mark that it was at work."""
    before = marks(_folder(host))
    known = _known(host, before) if "config" in before else {}  # a repository that is made anew has no past
    host.record(FILES, {"files": known, "working": True})
    yield
    host.record(FILES, {"files": after_work(known, before, marks(_folder(host)))})


def of_files(host: Host) -> list[Finding]:
    """What is wrong with the repository of the files; nothing while a command is at work there."""
    if not host.config.sections.get("files") or not os.path.isdir(_folder(host)):
        return []
    try:
        with host.lock("check", patience=0, name="files/lock"):
            present = marks(_folder(host))
            known = {**present, **_known(host, present)}
            if read_record(host, FILES) != {"files": known}:
                host.record(FILES, {"files": known})
    except FirstbellError:
        return []
    wrong = damage(known, present)
    fix = (
        f"Only restic should do that. What is lost: {host.config.command} files-check --all, and "
        "docs/recovery/files-damaged-backup.md; where it finds all well, the files are taken as they are"
    )
    return [Finding("files", f"of the repository, {wrong}", fix)] if wrong else []


def _folder(host: Host) -> str:
    return f"{host.config.backup}/files/repository"


def _known(host: Host, present: Marks) -> dict[str, Any]:
    """The files as they were; where a command of ours was cut off, without those that it may have removed."""
    record = read_record(host, FILES)
    known = dict(record.get("files", {}))
    return {path: known[path] for path in known if path in present} if record.get("working") else known
