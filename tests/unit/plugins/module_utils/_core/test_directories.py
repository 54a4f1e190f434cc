# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.directories import (
    Directory,
    Found,
    check_unique,
    describe,
    parse_mode,
    parse_path,
    plan,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError

DATA = Directory("/opt/academy/data", 1001, 1001, 0o755)
KEYS = Directory("/opt/academy/data/keys", 1001, 1001, 0o700)


def test_what_is_absent_is_made_parents_first() -> None:
    found = {DATA.path: Found("absent"), KEYS.path: Found("absent")}
    assert [(c.what, c.wanted.path) for c in plan([KEYS, DATA], found)] == [
        ("create", DATA.path),
        ("create", KEYS.path),
    ]


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        (Found("directory", 1001, 1001, 0o755), []),
        (Found("directory", 0, 1001, 0o755), ["owner"]),
        (Found("directory", 1001, 0, 0o755), ["owner"]),
        (Found("directory", 1001, 1001, 0o700), ["mode"]),
        (Found("directory", 0, 0, 0o777), ["owner", "mode"]),
    ],
)
def test_only_what_differs_is_corrected(found: Found, steps: list[str]) -> None:
    assert [change.what for change in plan([DATA], {DATA.path: found})] == steps


def test_a_file_in_the_way_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"/opt/academy/data must be a directory but is a file"):
        plan([DATA], {DATA.path: Found("other")})


@pytest.mark.parametrize("path", ["data", "/opt/../etc", "/opt//data", "/opt/data/", "", "/a\0b"])
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="plain absolute path"):
        parse_path(path)


@pytest.mark.parametrize(("text", "mode"), [("0755", 0o755), ("700", 0o700), ("2775", 0o2775), ("0400", 0o400)])
def test_a_mode_is_octal(text: str, mode: int) -> None:
    assert parse_mode(text, "/opt") == mode


@pytest.mark.parametrize("text", ["493", "u=rwx", "", "075555", "0o755"])
def test_a_mode_that_yaml_has_turned_into_something_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not octal"):
        parse_mode(text, "/opt")


def test_two_wishes_for_one_path_are_refused() -> None:
    check_unique([DATA, DATA])
    with pytest.raises(InputError, match="is asked for twice"):
        check_unique([DATA, Directory(DATA.path, 0, 0, 0o755)])


def test_the_diff_names_path_and_values() -> None:
    changes = plan([DATA], {DATA.path: Found("directory", 0, 0, 0o777)})
    assert describe(changes) == (
        "/opt/academy/data: owner 0:0\n/opt/academy/data: mode 0777\n",
        "/opt/academy/data: owner 1001:1001\n/opt/academy/data: mode 0755\n",
    )
