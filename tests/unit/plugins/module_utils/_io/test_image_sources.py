# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of images: tags from their content alone, and packed contexts that are the same bytes."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._io import image_sources
from ansible_collections.firstbell.stack.plugins.module_utils._io.image_sources import app_image, pack, stack_image

CATALOGUE = """
images:
  debian: {kind: debootstrap, suite: trixie, packages: [passwd]}
  node: {base: debian}
templates:
  nextjs: {base: node}
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = write(
        tmp_path / "images",
        {
            "images.yml": CATALOGUE,
            "debian/usr/local/bin/tool": "#!/bin/sh\n",
            "node/Dockerfile": "ARG BASE\nFROM ${BASE}\n",
            "nextjs/Dockerfile": "ARG BASE\nFROM ${BASE}\n",
        },
    )
    (root / "debian/usr/local/bin/tool").chmod(0o755)
    return root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(
        tmp_path / "app",
        {
            "package.json": "{}",
            "src/a.ts": "1",
            ".env": "SECRET=1",
            ".git/HEAD": "x",
            "node_modules/x/y.js": "",
            ".dockerignore": "drafts\n",
            "drafts/x": "",
        },
    )


def copy_of(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.with_name(name), symlinks=True))


def tag(folder: Path, name: str = "node") -> str:
    return stack_image(name, folder=folder).reference


def test_the_tag_does_not_depend_on_place_time_owner_or_umask(folder: Path) -> None:
    other = copy_of(folder, "elsewhere")
    os.utime(other / "node/Dockerfile", (1, 1))
    (other / "node/Dockerfile").chmod(0o600)
    (other / "debian/usr/local/bin/tool").chmod(0o700)
    write(other, {"node/__pycache__/x.pyc": "", "node/Dockerfile~": ""})
    assert tag(other) == tag(folder)


@pytest.mark.parametrize("name", ["node/Dockerfile", "debian/usr/local/bin/tool"])
def test_a_change_of_the_image_or_its_base_changes_the_tag(folder: Path, name: str) -> None:
    other = copy_of(folder, "changed")
    with (other / name).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert tag(other) != tag(folder)


def test_an_executable_bit_changes_the_tag(folder: Path) -> None:
    other = copy_of(folder, "changed")
    (other / "debian/usr/local/bin/tool").chmod(0o644)
    assert tag(other) != tag(folder)


def test_a_revision_changes_every_tag(folder: Path) -> None:
    for name in ("debian", "node"):
        assert stack_image(name, "2026-12", folder).reference != stack_image(name, folder=folder).reference


def test_an_apps_tag_follows_what_is_sent_and_nothing_else(folder: Path, source: Path) -> None:
    def reference() -> str:
        return app_image("app-x", str(source), "nextjs", folder=folder).reference

    first = reference()
    write(source, {".env": "SECRET=2", "node_modules/x/y.js": "2", "drafts/x": "2", "debug.log": "2"})
    assert reference() == first
    write(source, {"src/a.ts": "2"})
    assert reference() != first


def test_a_context_holds_the_source_and_the_template_in_the_same_bytes(
    folder: Path, source: Path, tmp_path: Path
) -> None:
    (source / "link").symlink_to("src/a.ts")
    image = app_image("app-x", str(source), "nextjs", folder=folder)
    pack(image, tmp_path / "1.tar", str(source), folder)
    os.utime(source / "package.json", (1, 1))
    pack(image, tmp_path / "2.tar", str(source), folder)
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    with tarfile.open(tmp_path / "1.tar") as archive:
        assert archive.getnames() == [".firstbell/Dockerfile", "link", "package.json", "src/a.ts"]
        assert archive.getmember("link").linkname == "src/a.ts"
        assert {(entry.uid, entry.gid, entry.mtime) for entry in archive} == {(0, 0, 0)}


def test_a_context_keeps_programs_executable(folder: Path, tmp_path: Path) -> None:
    pack(stack_image("debian", folder=folder), tmp_path / "1.tar", folder=folder)
    with tarfile.open(tmp_path / "1.tar") as archive:
        assert [(entry.name, entry.mode) for entry in archive] == [("usr/local/bin/tool", 0o755)]


def test_a_file_that_changes_meanwhile_is_noticed(folder: Path, source: Path, tmp_path: Path) -> None:
    image = app_image("app-x", str(source), "nextjs", folder=folder)
    write(source, {"src/a.ts": "3"})
    with pytest.raises(InputError, match="changed while"):
        pack(image, tmp_path / "1.tar", str(source), folder)


def test_an_ignored_folder_gives_back_what_is_excepted(folder: Path, source: Path) -> None:
    write(source, {".dockerignore": "*\n!src\n!package.json\n", "other/x": ""})
    image = app_image("app-x", str(source), "nextjs", folder=folder)
    assert [item.path for item in image.items] == ["package.json", "src/a.ts", ".firstbell/Dockerfile"]


def test_a_missing_source_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="app-x is no folder on the controller: /nowhere"):
        app_image("app-x", "/nowhere", "nextjs", folder=folder)


def test_the_collections_own_images_are_complete_and_quick() -> None:
    names = image_sources.read_catalogue().images
    stack_image.cache_clear()
    start = time.perf_counter()
    tags = {name: stack_image(name).reference for name in names}
    assert time.perf_counter() - start < 0.5
    assert len(set(tags.values())) == len(names)
    for name, definition in names.items():
        files = {item.path for item in stack_image(name).items}
        assert not definition.base or "Dockerfile" in files
