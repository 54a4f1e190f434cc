# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images: what runs, what would run next, and what can be gone back to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone

from ..images import HASH_LENGTH, REPOSITORY
from .model import Facts, Outcome, check, none_of, warned
from .services import SITE, containers_of

IMAGE_AGE_DAYS = 40
#: Docker's first release. Builders whose images are the same whenever they are built write an earlier time into them.
_FIRST_IMAGE = datetime(2013, 3, 20, tzinfo=timezone.utc).timestamp()
#: The name of an image that was built here, and its version, which is the same as its label's.
_BUILT_HERE = re.compile(rf"{REPOSITORY}/[^:]+:([0-9a-f]{{{HASH_LENGTH}}})")
_FORMER = (
    "An image comes back by make deploy from its source, a record by a copy; else the next deployment begins one. "
    "To keep images: docker image prune without --all"
)


def _short(reference: str) -> str:
    """An image's name as the engine shows it."""
    return reference.removeprefix("docker.io/").removeprefix("library/")


def _not_to_go_back_to(facts: Facts) -> list[str]:
    """Why a roll-back is not possible. What came from a registry can be fetched again."""
    released = facts.seen["released"]
    if not facts.expected["first"]:
        return []
    if not released["on_record"] and "app" in {one["service"] for one in containers_of(facts)}:
        return [
            f"no deployment is on record (/opt/{facts.stack}/app/deployments.jsonl), so nothing can be gone back to"
        ]
    tags = {_short(tag) for image in facts.seen["engine"]["images"].values() for tag in image["tags"]}
    built = [one for one in released["former"] if one.startswith(f"{REPOSITORY}/")]
    return [f"{one}, a version before, is gone, and cannot be gone back to" for one in built if _short(one) not in tags]


def _moved(facts: Facts) -> Iterator[str]:
    """Names that now name another image than was built by them: what starts next on this host would be that."""
    for image in facts.seen["engine"]["images"].values():
        for tag in image["tags"]:
            version = _BUILT_HERE.fullmatch(tag)
            if version and version[1] != image["version"]:
                yield tag


@check(
    "images",
    "S84 S92",
    "containers",
    "The images of the services are fixed versions and not old",
    target=f"a fixed tag, which still names what runs, built within {IMAGE_AGE_DAYS} days",
    command="docker images --no-trunc",
    fix="At a quiet time make update-images ARGS='-e postgres_allow_restart=true'",
    needs="engine host released",
    everywhere=True,
)
def images(facts: Facts) -> Outcome:
    known, now = facts.seen["engine"]["images"], facts.seen["host"]["now"]
    loose, old, lines = [], [], []
    for one in containers_of(facts):
        tag = one["image"].partition("@")[0].rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest") and "@" not in one["image"]:
            loose.append(f"{one['service']} runs {one['image']}, which is no fixed version")
        if one["image_id"] not in known:
            loose.append(f"the image of {one['service']} is gone from this host")
            continue
        if "@" not in one["image"] and _short(one["image"]) not in map(_short, known[one["image_id"]]["tags"]):
            loose.append(
                f"{one['image']} is another image by now than the one that {one['service']} runs: "
                f"docker tag {one['image_id']} {one['image']}"
            )
        created = known[one["image_id"]]["created"]
        days = (now - created) / 86400
        lines.append(f"{one['image']}: {days:.0f} days" if created > _FIRST_IMAGE else f"{one['image']}: of no time")
        if created > _FIRST_IMAGE and days > IMAGE_AGE_DAYS:
            old.append(f"the image of {one['service']} is {days:.0f} days old")
    loose += [
        f"{tag} names another image than was built by that name: docker rmi --force {tag}. Then: {SITE}"
        for tag in _moved(facts)
        if not any(one.startswith(f"{tag} ") for one in loose)
    ]
    lost = _not_to_go_back_to(facts)
    if (old or lost) and not loose:
        return warned("; ".join([*old, *lost]), "\n".join(lines), fix="" if old else _FORMER)
    fix = "What the finding says" if all(": docker " in one for one in loose) else ""
    return none_of(loose, f"{len(lines)} images", "\n".join(lines), fix=fix)
