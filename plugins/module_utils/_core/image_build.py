# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done on a host so that it has the images it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import FirstbellError, InputError
from .redact import redact

BUILD, LOAD, PRESENT = "build", "load", "present"
#: How many lines of a failed build's output are shown.
SHOWN_LINES = 40
#: Shorter values are no secrets, and hiding them would make the output unreadable.
#: After how many seconds the file of an interrupted run is nobody's any more.
_ABANDONED = 3600.0


class BuildError(FirstbellError):
    """An image could not be made. ``result`` tells what was made before."""

    def __init__(self, message: str, result: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result = dict(result or {})


@dataclass(frozen=True)
class Request:
    """One image that the controller wants, or that a wanted one may have to be built on.

    One without a ``base_reference`` is bootstrapped; ``suite`` is the release that all its packages come
    from. ``context`` is the path of its packed build context on the host, and ``secrets`` maps the ids
    of build secrets to files on the host; both are only there when the image is to be built.
    """

    name: str
    reference: str
    base_reference: str = ""
    wanted: bool = True
    suite: str = ""
    packages: tuple[str, ...] = ()
    template: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    context: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """Its name in the cache directory, without what tells the compression."""
        return self.reference.rpartition("/")[2].replace(":", "-") + ".tar"


def parse_requests(items: Iterable[Mapping[str, Any]]) -> list[Request]:
    """The requests as they come from the controller."""
    return [Request(**{**item, "packages": tuple(item.get("packages", ()))}) for item in items]


def decide(requests: Iterable[Request], present: Collection[str], cached: Collection[str]) -> dict[str, str]:
    """What to do for each reference: build it, load it from the cache, or nothing.

    A base that is only needed to build on is left out where nothing is built on it.
    """
    known = {request.reference: request for request in requests}
    decisions: dict[str, str] = {}

    def visit(reference: str) -> None:
        if reference in decisions:
            return
        if reference in present:
            decisions[reference] = PRESENT
        elif reference in cached:
            decisions[reference] = LOAD
        else:
            if reference not in known:
                raise InputError(f"the image {reference} is needed to build on and not described")
            if known[reference].base_reference:
                visit(known[reference].base_reference)
            decisions[reference] = BUILD

    for request in known.values():
        if request.wanted:
            visit(request.reference)
    return decisions


@dataclass(frozen=True)
class CacheEntry:
    """A file of the cache directory: bytes, and seconds since it was last used."""

    name: str
    size: int
    age: float


def expired(entries: Iterable[CacheEntry], max_age: float, max_size: int, needed: Collection[str] = ()) -> list[str]:
    """The files to delete: unused for too long, or the longest unused ones above the size limit.

    What the present run ``needed`` always stays. Rests of interrupted runs go after an hour.
    """
    gone, total = [], 0
    for entry in sorted(entries, key=lambda entry: (entry.name not in needed, entry.age, entry.name)):
        if entry.name.startswith("."):
            if entry.age > _ABANDONED:
                gone.append(entry.name)
            continue
        total += entry.size
        if entry.name not in needed and (entry.age > max_age or total > max_size):
            gone.append(entry.name)
            total -= entry.size
    return gone


def last_lines(output: str, secrets: Iterable[str] = (), count: int = SHOWN_LINES) -> str:
    """The end of a build's output, without secrets and without passwords in addresses."""
    return "\n".join(redact(output, secrets).rstrip().splitlines()[-count:])
