# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of .dockerignore, held against docker-py's own implementation."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.ignore import (
    ALWAYS_IGNORED,
    is_ignored,
    parse_rules,
)

exclude_paths = pytest.importorskip("docker.utils.build").exclude_paths

TREE = [
    ".env",
    ".env.local",
    ".git/config",
    ".next/cache/x",
    "README.md",
    "a.txt",
    "docs/a.txt",
    "docs/deep/b.md",
    "node_modules/x/index.js",
    "packages/ui/node_modules/y/index.js",
    "packages/ui/.env.production",
    "src/app.log",
    "src/index.ts",
    "src/log/index.ts",
    "x[1].txt",
]


@pytest.mark.parametrize(
    "lines",
    [
        ["node_modules"],
        ["**/node_modules"],
        ["*.md"],
        ["**/*.md"],
        ["docs", "!docs/deep"],
        ["*", "!src"],
        ["!src", "src"],
        ["/docs/", "./a.txt"],
        ["doc?"],
        ["[a-d]*.txt"],
        ["# a comment", "", "  a.txt  "],
        ["**"],
        ["src//index.ts"],
        ["**/a.txt"],
        ["d*/deep"],
        ["src/*/index.ts"],
    ],
)
def test_rules_agree_with_docker(tmp_path: Path, lines: list[str]) -> None:
    for name in TREE:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    theirs = {path for path in exclude_paths(str(tmp_path), patterns) if path in TREE}
    rules = parse_rules(lines)
    ours = {path for path in TREE if not is_ignored(path, rules)}
    # docker-py always sends the Dockerfile and the ignore file; neither is in the tree.
    assert ours == theirs


def test_secrets_and_leftovers_are_never_sent() -> None:
    rules = parse_rules(["!.env", "!node_modules", *ALWAYS_IGNORED])
    assert {path for path in TREE if not is_ignored(path, rules)} == {
        "README.md",
        "a.txt",
        "docs/a.txt",
        "docs/deep/b.md",
        "src/index.ts",
        "src/log/index.ts",
        "x[1].txt",
    }


def test_one_file_deep_in_an_ignored_folder_comes_back() -> None:
    """Docker's own command does so; docker-py looks into ignored folders only for plain paths."""
    rules = parse_rules(["docs/**", "!docs/**/*.md"])
    assert not is_ignored("docs/deep/b.md", rules)
    assert is_ignored("docs/a.txt", rules)
