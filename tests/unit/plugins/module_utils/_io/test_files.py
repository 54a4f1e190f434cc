# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are checked before any of them takes its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError, InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.files import File, Found, check, describe, plan
from ansible_collections.firstbell.stack.plugins.module_utils._io.files import find, write

GOOD = ("grep", "--quiet", "good", "%s")


def wanted(path: Path, content: str = "good\n", validate: tuple[str, ...] = GOOD, mode: int = 0o640) -> File:
    return File(str(path), content, os.getuid(), os.getgid(), mode, validate)


def test_all_are_written_and_found_again(tmp_path: Path) -> None:
    files = [wanted(tmp_path / "rules.yml"), wanted(tmp_path / "new" / "config.yml")]
    assert plan(files, {file.path: find(file.path) for file in files}) == files
    write(files)
    assert plan(files, {file.path: find(file.path) for file in files}) == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.yml", "new", "rules.yml"]


def test_a_bad_one_leaves_all_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("before\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"second was not written, since grep does not take it \(exit code 1\)"):
        write([wanted(tmp_path / "first"), wanted(tmp_path / "second", "bad\n")])
    assert (tmp_path / "first").read_text(encoding="utf-8") == "before\n"
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_program_that_is_missing_leaves_all_as_they_were(tmp_path: Path) -> None:
    with pytest.raises(FirstbellError, match="no-such-program could not be run"):
        write([wanted(tmp_path / "first", validate=("no-such-program", "%s"))])
    assert list(tmp_path.iterdir()) == []


def test_the_check_reads_the_new_text_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("bad\n", encoding="utf-8")
    write([wanted(path, validate=("test", "-s", "%s"))])
    assert find(str(path)) == Found("good\n", os.getuid(), os.getgid(), 0o640)


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_mode_alone_is_a_change_and_shown_as_one(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "config"
    write([wanted(path)])
    file, found = wanted(path, mode=mode), find(str(path))
    assert plan([file], {file.path: found}) == [file]
    shown = describe(file, found)
    assert shown["before"].endswith(" 0640\n")
    assert shown["after"].endswith(f" {mode:04o}\n")


def test_a_text_that_changes_is_shown(tmp_path: Path) -> None:
    file = wanted(tmp_path / "config", "new\n")
    assert describe(file, Found("old\n", 0, 0, 0o644)) | {"before_header": "", "after_header": ""} == {
        "before_header": "",
        "after_header": "",
        "before": "old\n",
        "after": "new\n",
    }
    assert describe(file, Found())["before"] == ""


def test_a_link_is_replaced_and_a_directory_is_refused(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("good\n", encoding="utf-8")
    link.symlink_to(target)
    file = wanted(link, "good too\n")
    assert plan([file], {file.path: find(file.path)}) == [file]
    write([file])
    assert target.read_text(encoding="utf-8") == "good\n"
    assert not link.is_symlink()
    with pytest.raises(InputError, match="must be a file but is a directory"):
        find(str(tmp_path))


def test_what_can_never_settle_or_never_checks_is_refused(tmp_path: Path) -> None:
    file = wanted(tmp_path / "config")
    check([file])
    with pytest.raises(InputError, match="listed twice"):
        check([file, wanted(tmp_path / "config", "other\n")])
    with pytest.raises(InputError, match="names no file"):
        check([wanted(tmp_path / "config", validate=("true",))])


def test_what_is_no_text_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"\xff\xfe\x00")
    file = wanted(path)
    assert plan([file], {file.path: find(file.path)}) == [file]
