# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders that images are built from, on the controller: read, hashed, packed."""

from __future__ import annotations

import functools
import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

try:
    import yaml
except ImportError:  # on a host: only the controller reads these folders
    yaml = None  # type: ignore[assignment]

from .._core import images
from .._core.app_source import MANIFEST
from .._core.errors import InputError
from .._core.ignore import ALWAYS_IGNORED, LITTER, Rule, is_ignored, may_contain_kept, parse_rules
from .._core.images import Catalogue, Image, Item

#: The same in a checkout and in an installed collection.
IMAGES = Path(__file__).parents[3] / "images"
#: Where a template's files are in the context of an app's build, next to the app's own.
OVERLAY = ".firstbell"


@functools.lru_cache(maxsize=8)
def read_catalogue(folder: Path = IMAGES) -> Catalogue:
    """``images.yml`` of the folder."""
    try:
        return images.parse_catalogue(yaml.safe_load((folder / "images.yml").read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"the descriptions of the images are missing: {error}") from error


@functools.lru_cache(maxsize=64)
def stack_image(name: str, revision: str = "", folder: Path = IMAGES) -> Image:
    """One of the collection's own images with its tag. Read once in a process."""
    catalogue = read_catalogue(folder)
    *below, _itself = images.chain(catalogue.images, name)
    base = stack_image(below[-1], revision, folder).reference if below else ""
    definition = catalogue.images[name]
    if not (folder / name).is_dir():
        raise InputError(f"the folder of the image {name} is missing: {folder / name}")
    items = tuple(_items(folder / name, parse_rules(LITTER)))
    digest = images.content_hash(definition, items, base_reference=base, revision=revision)
    return Image(definition, images.reference(name, digest), base, items)


def app_image(
    name: str,
    source: str,
    template: str,
    *,
    build_args: Mapping[str, Any] | None = None,
    build_env: Mapping[str, Any] | None = None,
    revision: str = "",
    folder: Path = IMAGES,
) -> Image:
    """The image of an app's source with its tag. Read anew at each call."""
    definition = images.app_definition(read_catalogue(folder), name, template)
    root = Path(source)
    if not root.is_dir():
        raise InputError(f"the source of the image {name} is no folder on the controller: {source}")
    base = stack_image(definition.base, revision, folder).reference
    overlay = (Item(f"{OVERLAY}/{item.path}", item.kind, item.digest) for item in _items(folder / template, ()))
    items = (*_items(root, source_rules(root)), *overlay)
    digest = images.content_hash(
        definition, items, base_reference=base, revision=revision, build_args=build_args, build_env=build_env
    )
    return Image(definition, images.reference(name, digest), base, items)


def look_into(folder: str) -> tuple[list[str] | None, str]:
    """What ``_core.app_source.source_findings`` wants to know of an app's source."""
    root = Path(folder)
    if not root.is_dir():
        return None, ""
    names, manifest = os.listdir(root), root / MANIFEST
    return names, manifest.read_text(encoding="utf-8", errors="replace") if manifest.is_file() else ""


def source_rules(root: Path) -> tuple[Rule, ...]:
    """What of an app's source is not sent to its build: its own .dockerignore, then what never is."""
    try:
        lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    return parse_rules([*lines, *ALWAYS_IGNORED])


def pack(image: Image, target: Path, source: str = "", folder: Path = IMAGES) -> None:
    """Write the image's build context as a tar: the same bytes for the same tag.

    The files are read again and must still be those that the tag was computed from.
    """
    definition = image.definition
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for item in sorted(image.items, key=lambda item: item.path):
            if not definition.template:
                path = folder / definition.name / item.path
            elif item.path.startswith(f"{OVERLAY}/"):
                path = folder / definition.template / item.path[len(OVERLAY) + 1 :]
            else:
                path = Path(source) / item.path
            _add(archive, path, item)


def _add(archive: tarfile.TarFile, path: Path, item: Item) -> None:
    entry = tarfile.TarInfo(item.path)
    content = b""
    if item.kind == "link":
        entry.type, entry.mode = tarfile.SYMTYPE, 0o777
        entry.linkname = os.readlink(path)
        found = entry.linkname.encode()
    else:
        content = found = path.read_bytes()
        entry.size, entry.mode = len(content), 0o755 if item.kind == "program" else 0o644
    if hashlib.sha256(found).hexdigest() != item.digest:
        raise InputError(f"{path} changed while its image was being packed: start again")
    archive.addfile(entry, BytesIO(content))


def _items(root: Path, rules: tuple[Rule, ...]) -> Iterator[Item]:
    for path in sorted(_walk(root, "", rules)):
        full = root / path
        if full.is_symlink():
            yield Item(path, "link", hashlib.sha256(os.readlink(full).encode()).hexdigest())
        else:
            kind = "program" if full.stat().st_mode & 0o100 else "file"
            yield Item(path, kind, hashlib.sha256(full.read_bytes()).hexdigest())


def _walk(root: Path, below: str, rules: tuple[Rule, ...]) -> Iterator[str]:
    """Paths of the files and links; sockets, pipes and devices cannot be part of an image."""
    with os.scandir(root / below) as entries:
        for entry in entries:
            path = f"{below}{entry.name}"
            ignored = is_ignored(path, rules)
            if entry.is_dir(follow_symlinks=False):
                if not ignored or may_contain_kept(rules):
                    yield from _walk(root, f"{path}/", rules)
            elif not ignored and (entry.is_symlink() or entry.is_file()):
                yield path
