# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images there are, in which order they are built, and what each one's tag is.

A tag is a hash of everything that the image is made from: its files and which of
them are executable, its base's tag, its build arguments and the revision. Times,
owners, the umask and the order of a folder's entries do not count, so that every
machine computes the same tag from the same content.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .errors import InputError

REPOSITORY = "firstbell"
HASH_LENGTH = 12
#: Counted up when the way in which images are built changes without a change of their files.
BUILD_VERSION = 1

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")


@dataclass(frozen=True)
class Item:
    """One file of an image's folder: ``kind`` is ``file``, ``program`` (executable) or ``link``."""

    path: str
    kind: str
    digest: str


@dataclass(frozen=True)
class Definition:
    """One image. ``base`` is empty for the image that is bootstrapped from the archive."""

    name: str
    base: str = ""
    suite: str = ""
    packages: tuple[str, ...] = ()
    template: str = ""


@dataclass(frozen=True)
class Catalogue:
    """The images of ``images/images.yml``, and the base of each template."""

    images: Mapping[str, Definition]
    templates: Mapping[str, str]


@dataclass(frozen=True)
class Image:
    """An image with its tag: ``reference`` is what a service is given."""

    definition: Definition
    reference: str
    base_reference: str = ""
    items: tuple[Item, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        return self.definition.name


def parse_catalogue(data: object) -> Catalogue:
    """The content of ``images.yml``, checked: every base exists and nothing stands on itself."""
    if not isinstance(data, Mapping) or not isinstance(data.get("images"), Mapping):
        raise InputError("images.yml: expected a dictionary with the key 'images'")
    images = {name: _definition(name, value) for name, value in data["images"].items()}
    templates = {name: str(value["base"]) for name, value in (data.get("templates") or {}).items()}
    for name, base in [*((image.name, image.base) for image in images.values()), *templates.items()]:
        if base and base not in images:
            raise InputError(f"images.yml: {name} stands on {base!r}, which is not in the list")
    catalogue = Catalogue(images, templates)
    for name in images:
        chain(catalogue.images, name)
    return catalogue


def _definition(name: object, value: object) -> Definition:
    if not isinstance(name, str) or not isinstance(value, Mapping):
        raise InputError(f"images.yml: {name!r} is no image")
    check_name(name)
    if value.get("kind") == "debootstrap":
        return Definition(name, suite=str(value["suite"]), packages=tuple(value.get("packages", ())))
    if not value.get("base"):
        raise InputError(f"images.yml: {name} has no base; only an image of kind debootstrap stands on nothing")
    return Definition(name, base=str(value["base"]))


def check_name(name: str) -> str:
    """The name, if an image can be called so."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot be an image's name: take lower-case letters and digits, with - _ . between")
    return name


def app_definition(catalogue: Catalogue, name: str, template: str) -> Definition:
    """The definition of an app's image that is built from source."""
    if template not in catalogue.templates:
        known = ", ".join(sorted(catalogue.templates))
        raise InputError(f"there is no template {template!r} for the image {name}; there is: {known}")
    if check_name(name) in catalogue.images:
        raise InputError(f"{name} is already one of the collection's own images; call the app's app-<stack>")
    return Definition(name, base=catalogue.templates[template], template=template)


def chain(images: Mapping[str, Definition], name: str) -> list[str]:
    """The image and all that it stands on, lowest first."""
    found: list[str] = []
    while name:
        if name not in images:
            raise InputError(f"there is no image {name!r}; there is: {', '.join(sorted(images))}")
        if name in found:
            raise InputError(f"images.yml: {' stands on '.join([*found, name])}")
        found.append(name)
        name = images[name].base
    return found[::-1]


def levels(bases: Mapping[str, str]) -> list[list[str]]:
    """The names in rounds: what is in one round needs only what earlier ones made.

    ``bases`` maps each name to its base; a base that is not to be built itself is there already.
    """
    left = dict(bases)
    rounds: list[list[str]] = []
    while left:
        now = sorted(name for name, base in left.items() if base not in left)
        if not now:
            raise InputError(f"these images stand on one another: {', '.join(sorted(left))}")
        rounds.append(now)
        for name in now:
            del left[name]
    return rounds


def content_hash(
    definition: Definition,
    items: Iterable[Item],
    *,
    base_reference: str = "",
    revision: str = "",
    build_args: Mapping[str, object] | None = None,
    build_env: Mapping[str, object] | None = None,
) -> str:
    """Twelve hex digits that change when, and only when, the image's ingredients do."""
    recipe = {
        "version": BUILD_VERSION,
        "name": definition.name,
        "suite": definition.suite,
        "packages": sorted(definition.packages),
        "template": definition.template,
        "base": base_reference,
        "revision": revision,
        "build_args": {str(key): str(value) for key, value in (build_args or {}).items()},
        "build_env": {str(key): str(value) for key, value in (build_env or {}).items()},
        "items": sorted((item.path, item.kind, item.digest) for item in items),
    }
    text = json.dumps(recipe, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def reference(name: str, digest: str) -> str:
    """The image's full name, ``firstbell/postgres:0123456789ab``."""
    return f"{REPOSITORY}/{name}:{digest}"


def environment_lines(values: Mapping[str, object]) -> str:
    """The values as the lines of the build secret ``build_env``, quoted for a reader of .env files.

    Such a reader knows three kinds of quotes and no escape in them, so a value is put into one that it
    does not contain itself.
    """
    lines = []
    for name, value in sorted(values.items()):
        text = str(value)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise InputError(f"{name!r} cannot be the name of an environment variable")
        quote = next((quote for quote in "'`\"" if quote not in text), "")
        if not quote or re.search(r"[\r\n\0]", text) or (quote == '"' and "\\" in text):
            raise InputError(f"the value of {name} for the build has a line break or every kind of quotes in it")
        lines.append(f"{name}={quote}{text}{quote}\n")
    return "".join(lines)


def build_env_hash(values: Mapping[str, object]) -> str:
    """What tells the build cache that the secret ``build_env`` is another one, without telling which."""
    text = json.dumps({name: str(value) for name, value in values.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]
