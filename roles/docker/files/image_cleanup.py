# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove images that nothing uses, but keep the newest ones of each service.

A roll-back needs the image that ran before, so that "docker image prune --all" is
no choice for a host that runs services. This keeps, of every repository that a
service or a container uses or that is protected, the newest images, whatever their
age; and everything that is in use, or was made or fetched lately.
Runs every week (firstbell-image-cleanup.timer); --dry-run only tells.
"""

from __future__ import annotations

import argparse
import fnmatch
import http.client
import json
import logging
import re
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

SOCKET = "/var/run/docker.sock"
HOUR = 3600.0
ERROR = 400
CONFLICT = 409
TIME = re.compile(r"([0-9T:-]{19})(?:\.[0-9]+)?(?:Z|([+-])([0-9]{2}):([0-9]{2}))")

log = logging.getLogger("image_cleanup")


@dataclass(frozen=True)
class Image:
    """An image of this host. ``since`` is when it got here, in seconds since 1970."""

    id: str
    tags: tuple[str, ...]
    since: float


def repository_of(reference: str) -> str:
    """A reference without its tag and digest: "host:5000/app:1@sha256:..." is "host:5000/app"."""
    name = reference.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.partition(":")[0]


def plan(
    images: Iterable[Image],
    *,
    used_ids: Iterable[str],
    used_references: Iterable[str],
    protected: Sequence[str],
    keep: int,
    newer_than: float,
) -> list[Image]:
    """The images to remove, oldest first.

    ``used_ids`` are those of containers; ``used_references`` those of services, of
    what they ran before, and of containers.
    """
    images = list(images)
    in_use = set(used_ids)
    references = set(used_references)
    repositories = {repository_of(reference) for reference in references}
    kept_of: dict[str, int] = {}
    unwanted = []
    for image in sorted(images, key=lambda image: (-image.since, image.id)):
        kept = image.id in in_use or image.since >= newer_than or not references.isdisjoint(image.tags)
        for repository in sorted({repository_of(tag) for tag in image.tags}):
            counted = repository in repositories or any(fnmatch.fnmatchcase(repository, p) for p in protected)
            if counted and kept_of.get(repository, 0) < keep:
                kept_of[repository] = kept_of.get(repository, 0) + 1
                kept = True
        if not kept:
            unwanted.append(image)
    return unwanted[::-1]


def timestamp(text: str) -> float:
    """Seconds since 1970 from the engine's times, which have nanoseconds; 0 where it has none."""
    match = TIME.fullmatch(text)
    if match is None:
        return 0.0
    clock, sign, hours, minutes = match.groups()
    moment = datetime.fromisoformat(clock).replace(tzinfo=timezone.utc).timestamp()
    offset = int(hours or 0) * 3600 + int(minutes or 0) * 60
    return max(moment + offset if sign == "-" else moment - offset, 0.0)


class EngineConnection(http.client.HTTPConnection):
    """HTTP over the engine's socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def call(method: str, path: str) -> tuple[int, Any]:
    """One request: status and decoded answer."""
    connection = EngineConnection("localhost", timeout=300)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def read(path: str) -> Any:
    """The answer to a question that the engine must be able to answer."""
    status, data = call("GET", path)
    if status >= ERROR:
        raise SystemExit(f"the engine refuses GET {path}: {data}")
    return data


def images_of_host() -> list[Image]:
    """All images but the layers of builds."""
    found = []
    for summary in read("/images/json"):
        status, image = call("GET", f"/images/{quote(summary['Id'], safe=':')}/json")
        if status < ERROR:  # else it has just been removed by somebody
            tagged = (image.get("Metadata") or {}).get("LastTagTime") or ""
            since = max(timestamp(image["Created"]), timestamp(tagged) if tagged else 0.0)
            tags = [tag for tag in image.get("RepoTags") or [] if not tag.startswith("<none>")]
            tags += [digest for digest in image.get("RepoDigests") or [] if not digest.startswith("<none>")]
            found.append(Image(image["Id"], tuple(tags), since))
    return found


def references_of_services() -> list[str]:
    """Images that services run and ran before. Workers do not know; their containers tell."""
    status, services = call("GET", "/services")
    if status >= ERROR:
        return []
    specs = [spec for service in services for spec in (service.get("Spec"), service.get("PreviousSpec")) if spec]
    return [spec["TaskTemplate"]["ContainerSpec"]["Image"] for spec in specs]


def remove(image: Image) -> bool:
    """Remove all names of an image, and so the image; never by force."""
    for name in image.tags or (image.id,):
        status, data = call("DELETE", f"/images/{quote(name, safe='/:@')}")
        if status == CONFLICT:
            log.info("kept %s: %s", name, data.get("message", ""))
            return False
    log.info("removed %s", ", ".join(image.tags) or image.id)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=int, default=3, help="images of each service that stay")
    parser.add_argument("--minimum-age", type=float, default=168, help="hours that every image stays")
    parser.add_argument("--protect", action="append", default=[], help="repository treated like a service's (pattern)")
    parser.add_argument("--cache", type=int, default=5 * 1000**3, help="bytes of the build cache that stay")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)

    containers = read("/containers/json?all=true")
    unwanted = plan(
        images_of_host(),
        used_ids=[container["ImageID"] for container in containers],
        used_references=[*references_of_services(), *(container["Image"] for container in containers)],
        protected=options.protect,
        keep=max(options.keep, 1),
        newer_than=time.time() - options.minimum_age * HOUR,
    )
    if options.dry_run:
        for image in unwanted:
            log.info("would remove %s", ", ".join(image.tags) or image.id)
        return 0
    removed = sum(remove(image) for image in unwanted)
    log.info("%d images removed", removed)
    status, data = call("POST", f"/build/prune?keep-storage={options.cache}")
    if status >= ERROR:
        raise SystemExit(f"the engine does not prune its build cache: {data}")
    log.info("%d MB of the build cache freed", data.get("SpaceReclaimed", 0) // 1000000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
