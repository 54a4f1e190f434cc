# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of files: what belongs to them, how long they are kept, and what restic is told."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .backup_config import Config, Limits
from .errors import FirstbellError, InputError
from .restic import Snapshot

DAY = 86400.0
LOCAL, S3 = "local", "s3"
#: Where a component's files are in a backup; the manifest lies beside.
INSIDE = "/host"
MANIFEST = "/manifest.json"
REDIS, UPLOADS = "redis", "uploads"
_PATH = re.compile(r"/[^,\"\n\0]*[^,\"\n\0/]")


@dataclass(frozen=True)
class Component:
    """What is backed up and restored together. ``optional`` paths may be missing."""

    name: str
    paths: tuple[str, ...]
    optional: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    @property
    def all_paths(self) -> tuple[str, ...]:
        return (*self.paths, *self.optional)


@dataclass(frozen=True)
class Store:
    """The repository in an S3-compatible store. ``patience``: seconds that one command may take.

    ``read_only``: it is another host's; nothing is written there.
    """

    location: str
    region: str
    style: str
    network: str
    authority: bool
    forget: bool = True
    patience: float = 900.0
    read_only: bool = False


@dataclass(frozen=True)
class Reference:
    """A query that gives names of files, as rows of the database hold them, and the directory in which they are."""

    query: str
    directory: str

    def path(self, name: str) -> str:
        """Where a file is on the host; raises InputError for a name that leads elsewhere."""
        found = os.path.normpath(f"{self.directory}/{name}")
        if not found.startswith(f"{self.directory.rstrip('/')}/"):
            raise InputError(f"a row of the database names {name!r}, which is not below {self.directory}")
        return found


@dataclass(frozen=True)
class FilesConfig:
    """The part of the host's configuration that is about files. Times in seconds, sizes in bytes."""

    image: str
    redis_image: str
    limits: Limits
    components: tuple[Component, ...]
    host: str
    store: Store | None = None
    keep_all_days: int = 7
    keep_days: int = 30
    subsets: int = 7
    least_free: int = 2 * 1024**3
    age: float = 3 * 3600.0
    references: tuple[Reference, ...] = ()
    sample_files: int = 40
    sample_bytes: int = 64 * 1024**2

    def component(self, name: str) -> Component:
        found = next((item for item in self.components if item.name == name), None)
        if found is None:
            names = ", ".join(item.name for item in self.components)
            raise InputError(f"there is no component {name!r}; there is: {names}")
        return found

    @property
    def repositories(self) -> tuple[str, ...]:
        return (LOCAL, S3) if self.store and not self.store.read_only else (LOCAL,)


def parse(config: Config) -> FilesConfig:
    """The section ``files``; raises InputError."""
    try:
        section = dict(config.sections["files"])
        store = section.pop("store", None)
        components = tuple(_component(item) for item in section.pop("components"))
        return FilesConfig(
            limits=Limits(**section.pop("limits")),
            components=components,
            references=tuple(Reference(**item) for item in section.pop("references", ())),
            store=Store(**store) if store else None,
            **section,
        )
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(
            f"the section files of {config.backup}/backup.json is not of this version ({error}); run the playbook site"
        ) from None


def _component(item: Mapping[str, Any]) -> Component:
    found = Component(item["name"], *(tuple(item.get(name, ())) for name in ("paths", "optional", "excludes")))
    for path in (*found.all_paths, *found.excludes):
        if not _PATH.fullmatch(path) or ".." in path.split("/"):
            raise InputError(
                f"{found.name}: {path!r} cannot be backed up: give an absolute path "
                "without '..', commas, quotes and line breaks"
            )
    return found


def fingerprint(key: str) -> str:
    """What tells a key from others without giving it away: it has 256 bits of randomness."""
    return hashlib.sha256(f"firstbell backup key {key.strip()}".encode()).hexdigest()[:16]


def key_refusal(mine: str, recorded: str, repository: str) -> str:
    """What is said when the key is not that of the repository."""
    made_with = f"the one of the fingerprint {recorded}" if recorded else "another one"
    return (
        f"the key in backup_files_key, of the fingerprint {mine}, is not that of {repository}, which was made with "
        f"{made_with}. Nothing was written. Bring the vault back in which that key is, and run the playbook site; "
        "without it what is in the repository is lost. To begin anew with the new key, move the old repository away"
    )


def inside(path: str) -> str:
    """Where a path of the host is in a backup."""
    return f"{INSIDE}{path}"


def literal(path: str) -> str:
    """A pattern of restic that means just this path."""
    return re.sub(r"([*?\[\\])", r"\\\1", path)


def excluded(path: str, excludes: Sequence[str]) -> bool:
    """Whether a path is one of those, or below."""
    return any(path == item or path.startswith(f"{item}/") for item in excludes)


def backup_arguments(component: Component, sources: Sequence[str], host: str) -> list[str]:
    """Arguments of ``restic backup`` for what ``sources`` names, as paths in the container."""
    excludes = [part for path in component.excludes for part in ("--exclude", inside(path))]
    return ["backup", "--host", host, "--tag", component.name, "--group-by", "tags", *excludes, *sources]


def forget_arguments(config: FilesConfig) -> list[str]:
    """Arguments of ``restic forget``: everything of some days, one a day of the rest.

    Days are counted back from the newest snapshot of each component and three of it stay in any
    case, so that backups which ended weeks ago do not vanish.
    """
    return [
        *("forget", "--group-by", "tags", "--keep-within", f"{config.keep_all_days}d"),
        *("--keep-within-daily", f"{config.keep_days}d", "--keep-last", "3", "--prune"),
    ]


def next_subset(read_at: Mapping[str, float], count: int) -> int:
    """Which part of the data is to be read now: the one that nobody has read for longest."""
    return min(range(1, count + 1), key=lambda number: (read_at.get(str(number), 0.0), number))


def unread(read_at: Mapping[str, float], count: int, since: float, now: float, most: float = 8 * DAY) -> list[int]:
    """Parts of the data that nobody has read for more than ``most`` seconds, in a repository that is older."""
    return [
        number for number in range(1, count + 1) if now - max(read_at.get(str(number), 0.0), since) > most and since
    ]


def vanished(known: Sequence[str], present: Sequence[Snapshot]) -> tuple[str, ...]:
    """Snapshots that were there and that we have not removed."""
    there = {snapshot.id for snapshot in present}
    return tuple(name for name in known if name not in there)


def too_old(config: FilesConfig, present: Sequence[Snapshot], now: float) -> list[str]:
    """What is wrong with the age of each component's newest snapshot."""
    newest = {item.component: item.time for item in present}
    found = []
    for component in config.components:
        made = newest.get(component.name)
        if made is None:
            found.append(f"there is no backup of {component.name}")
        elif now - made > config.age:
            hours, limit = (now - made) / 3600, config.age / 3600
            found.append(
                f"the newest backup of {component.name} is {hours:.1f} hours old, it should be at most {limit:.1f}"
            )
    return found


def choose(
    present: Sequence[Snapshot], component: str, *, wanted: str = "latest", at: float | None = None, now: float
) -> Snapshot:
    """The snapshot to restore: the newest, one by its id, or the newest not after ``at``.

    Raises InputError, with what there is, for a moment in the future or before the first one.
    """
    among = [snapshot for snapshot in present if snapshot.component == component]
    if not among:
        raise InputError(f"there is no backup of {component}")
    if at is not None:
        if at > now:
            raise InputError("that moment has not come yet; for the newest backup leave the time out")
        among = [snapshot for snapshot in among if snapshot.time <= at]
        if not among:
            first = next(snapshot for snapshot in present if snapshot.component == component)
            raise InputError(f"the first backup of {component} was made later: {first.id[:8]} at {first.time:.0f}")
    if wanted == "latest":
        return among[-1]
    if not re.fullmatch(r"[0-9a-f]{4,64}", wanted):
        raise InputError(f"{wanted!r} is no snapshot: give latest, or its id as files-list shows it")
    matching = [
        snapshot for snapshot in among if snapshot.id.startswith(wanted) or snapshot.original.startswith(wanted)
    ]
    if len(matching) != 1:
        count = "no" if not matching else "more than one"
        raise InputError(f"{count} backup of {component} has an id that begins with {wanted}; see files-list")
    return matching[0]


def part(component: Component, path: str) -> str:
    """The path to restore, if it belongs to the component; raises InputError."""
    if component.name == REDIS:
        raise InputError("redis can only be restored as a whole: leave --path out")
    whole = path.rstrip("/")
    if not _PATH.fullmatch(whole) or ".." in whole.split("/"):
        raise InputError(f"{path!r} is no absolute path")
    if not any(excluded(whole, [top]) for top in component.all_paths) or excluded(whole, component.excludes):
        raise InputError(
            f"{path} is not in the backup of {component.name}, which holds {', '.join(component.all_paths)}"
        )
    return whole


def in_place_refusal(component: Component, path: str, directory: str) -> str:
    """Why a path must not be replaced where it is, or nothing. ``directory``: of the stack."""
    if excluded(path, ["/var/lib/docker"]):
        return f"{path} belongs to a running engine: restore it aside, see docs/recovery/files-lost-host.md"
    kept = [
        item for item in (*component.excludes, f"{directory}/backup", f"{directory}/data") if excluded(item, [path])
    ]
    if kept:
        names = ", ".join(dict.fromkeys(kept))
        return f"{path} holds what is not in this backup ({names}): name what you want below it with --path"
    return ""


@dataclass(frozen=True)
class Probe:
    """A file as it was when it was backed up."""

    path: str
    size: int
    modified: int
    sha256: str


@dataclass(frozen=True)
class Comparison:
    """A drill's verdict on the sample. ``changed``: written or removed while the backup was made."""

    same: int
    changed: int
    different: tuple[str, ...]


def compare(probes: Sequence[Probe], restored: Mapping[str, Probe]) -> Comparison:
    """Hold what was restored against what was recorded.

    A file that was written between its recording and its backup has another time of change, one that
    was removed is not there, and neither proves anything: restic itself complains of what it cannot
    restore. Raises FirstbellError where nothing at all could be compared.
    """
    same = changed = 0
    different: list[str] = []
    for probe in probes:
        found = restored.get(probe.path)
        if found is None or found.modified != probe.modified:
            changed += 1
        elif (found.size, found.sha256) != (probe.size, probe.sha256):
            different.append(f"{probe.path} has other content than when it was backed up")
        else:
            same += 1
    if not different and not same:
        raise FirstbellError("no file could be compared: each was written while it was backed up, or none was recorded")
    return Comparison(same, changed, tuple(different))
