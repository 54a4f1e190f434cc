# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions, order and tags of images."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import images
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.images import Definition, Item

DATA = {
    "images": {
        "debian": {"kind": "debootstrap", "suite": "trixie", "packages": ["passwd", "ca-certificates"]},
        "node": {"base": "debian"},
        "redis": {"base": "debian"},
    },
    "templates": {"nextjs": {"base": "node"}},
}
ITEMS = (Item("Dockerfile", "file", "aa"), Item("bin/run", "program", "bb"))
NODE = Definition("node", base="debian")


def test_the_catalogue_knows_bases_and_templates() -> None:
    catalogue = images.parse_catalogue(DATA)
    assert images.chain(catalogue.images, "node") == ["debian", "node"]
    assert catalogue.images["debian"].packages == ("passwd", "ca-certificates")
    assert images.app_definition(catalogue, "app-academy", "nextjs").base == "node"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected a dictionary"),
        ({"images": {"a": {}}}, "a has no base"),
        ({"images": {"a": {"base": "b"}}}, "'b', which is not in the list"),
        ({"images": {"a": {"base": "b"}, "b": {"base": "a"}}}, "a stands on b stands on a"),
        ({"images": {"Big Name": {"base": "b"}}}, "cannot be an image's name"),
        ({"images": {}, "templates": {"t": {"base": "b"}}}, "t stands on 'b'"),
    ],
)
def test_a_wrong_catalogue_is_refused(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        images.parse_catalogue(data)


def test_unknown_images_and_templates_are_named() -> None:
    catalogue = images.parse_catalogue(DATA)
    with pytest.raises(InputError, match=r"no image 'mysql'; there is: debian, node, redis"):
        images.chain(catalogue.images, "mysql")
    with pytest.raises(InputError, match=r"no template 'php' for the image app-x; there is: nextjs"):
        images.app_definition(catalogue, "app-x", "php")
    with pytest.raises(InputError, match="already one of the collection's own"):
        images.app_definition(catalogue, "redis", "nextjs")


def test_the_tag_is_the_same_for_the_same_content_in_any_order() -> None:
    one = images.content_hash(NODE, ITEMS, base_reference="b", build_args={"a": 1, "b": 2})
    two = images.content_hash(NODE, reversed(ITEMS), base_reference="b", build_args={"b": "2", "a": "1"})
    assert one == two
    assert len(one) == 12
    assert images.reference("node", one) == f"firstbell/node:{one}"


def test_the_tag_is_pinned() -> None:
    """A change here rebuilds the images of every user: count BUILD_VERSION up on purpose, or do not."""
    assert images.content_hash(NODE, ITEMS, base_reference="b") == "a26e96451aea"


@pytest.mark.parametrize(
    "change",
    [
        {"definition": replace(NODE, name="other")},
        {"definition": replace(NODE, packages=("curl",))},
        {"definition": replace(NODE, suite="forky")},
        {"definition": replace(NODE, template="nextjs")},
        {"items": ITEMS[:1]},
        {"items": (ITEMS[0], replace(ITEMS[1], kind="file"))},
        {"items": (ITEMS[0], replace(ITEMS[1], digest="bc"))},
        {"items": (ITEMS[0], replace(ITEMS[1], path="bin/run2"))},
        {"base_reference": "c"},
        {"revision": "2026-12"},
        {"build_args": {"A": "1"}},
        {"build_env": {"A": "1"}},
    ],
)
def test_every_ingredient_changes_the_tag(change: dict[str, object]) -> None:
    recipe: dict[str, object] = {"definition": NODE, "items": ITEMS, "base_reference": "b"}
    assert images.content_hash(**{**recipe, **change}) != images.content_hash(**recipe)


def test_rounds_of_building_respect_bases() -> None:
    bases = {"app": "node", "node": "debian", "debian": "", "redis": "debian", "other": "already there"}
    assert images.levels(bases) == [["debian", "other"], ["node", "redis"], ["app"]]
    with pytest.raises(InputError, match="stand on one another: a, b"):
        images.levels({"a": "b", "b": "a"})


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("https://x.test/?a=1#b", "A='https://x.test/?a=1#b'\n"),
        ("it's", "A=`it's`\n"),
        ("it's a `", 'A="it\'s a `"\n'),
        ("", "A=''\n"),
    ],
)
def test_values_for_a_build_are_quoted_without_escapes(value: str, line: str) -> None:
    assert images.environment_lines({"A": value}) == line


@pytest.mark.parametrize("values", [{"A B": "x"}, {"1A": "x"}, {"A": "a\nb"}, {"A": "'`\""}, {"A": "'`\\n"}])
def test_what_no_line_can_hold_is_refused_without_showing_it(values: dict[str, str]) -> None:
    with pytest.raises(InputError) as failure:
        images.environment_lines(values)
    assert next(iter(values.values())) not in str(failure.value) or "A B" in values or "1A" in values
