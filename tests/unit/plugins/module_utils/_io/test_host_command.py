# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup command runs from nothing but what is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ansible_collections.firstbell.stack.plugins.module_utils._backup import cli
from ansible_collections.firstbell.stack.plugins.module_utils._core.host_command import File, launcher, package_files
from ansible_collections.firstbell.stack.plugins.module_utils._io import host_command


def install(directory: Path) -> Path:
    sources, packages = host_command.own_sources(cli.__name__)
    library, program = directory / "lib", directory / "school-backup"
    files = package_files(sources, packages)
    changes = [File(str(library / path), text, 0o644) for path, text in files.items()]
    text = launcher(str(library), "_backup.cli", str(directory / "backup.json"))
    host_command.apply([*changes, File(str(program), text, 0o755)], str(library))
    found = host_command.find(str(library), str(program))
    assert set(found) == {*(str(library / path) for path in files), str(program)}
    return program


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(program), *arguments], capture_output=True, text=True, check=False, cwd="/"
    )


def test_it_starts_and_says_what_it_can(tmp_path: Path) -> None:
    program = install(tmp_path)
    config = '{"stack": "school", "directory": "%s", "postgres": {"image": "x", "major": 17, "database": "school",'
    config += ' "limits": {"cpus": 1, "memory": 1}}}'
    (tmp_path / "backup.json").write_text(config % tmp_path, encoding="ascii")
    done = run(program, "--help")
    assert done.returncode == 0, done.stderr
    for module in cli.COMMANDS:
        assert re.search(rf"^    {module.NAME}\s", done.stdout, re.MULTILINE)


def test_without_a_configuration_it_says_so(tmp_path: Path) -> None:
    done = run(install(tmp_path), "info")
    assert done.returncode == 1
    assert "backup.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_removed_leaves_nothing(tmp_path: Path) -> None:
    program = install(tmp_path)
    found = host_command.find(str(tmp_path / "lib"), str(program))
    host_command.apply([File(path, None, 0) for path in found], str(tmp_path / "lib"))
    assert list(tmp_path.iterdir()) == []
