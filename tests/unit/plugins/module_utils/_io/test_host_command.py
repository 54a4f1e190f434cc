# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the host run from nothing but what is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._autoscaler import cli as autoscaler
from ansible_collections.firstbell.stack.plugins.module_utils._backup import cli as backup
from ansible_collections.firstbell.stack.plugins.module_utils._core.host_command import (
    File,
    launcher,
    needed,
    package_files,
)
from ansible_collections.firstbell.stack.plugins.module_utils._io import host_command

ENTRIES = {"backup": backup, "autoscaler": autoscaler}
CONFIGS = {
    "backup": """{"stack": "school", "directory": "/tmp", "postgres": {"image": "x", "major": 17, "database": "school",
        "limits": {"cpus": 1, "memory": 1}}}""",
    "autoscaler": """{"stack": "school", "service": "school_app", "caps": {"autoscaler_maximum": 3},
        "calendar": {"bands": [{"name": "day", "from": "00:00", "minimum": 1, "maximum": 3}]}}""",
}


def install(directory: Path, command: str = "backup") -> Path:
    root = ENTRIES[command].__name__.rsplit(".", 2)[0]
    library, program = directory / "lib", directory / f"school-{command}"
    files = package_files(needed(lambda name: host_command.source(f"{root}.{name}".rstrip(".")), f"_{command}.cli"))
    changes = [File(str(library / path), text, 0o644) for path, text in files.items()]
    text = launcher(str(library), f"_{command}.cli", str(directory / f"{command}.json"))
    host_command.apply([*changes, File(str(program), text, 0o755)], str(library))
    found = host_command.find(str(library), str(program))
    assert set(found) == {*(str(library / path) for path in files), str(program)}
    return program


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(program), *arguments], capture_output=True, text=True, check=False, cwd="/"
    )


@pytest.mark.parametrize("command", list(ENTRIES))
def test_it_starts_and_says_what_it_can(tmp_path: Path, command: str) -> None:
    program = install(tmp_path, command)
    (tmp_path / f"{command}.json").write_text(CONFIGS[command], encoding="ascii")
    done = run(program, "--help")
    assert done.returncode == 0, done.stderr
    for module in ENTRIES[command].COMMANDS:
        assert re.search(rf"^    {module.NAME}\s", done.stdout, re.MULTILINE)


def test_it_has_nothing_of_the_other(tmp_path: Path) -> None:
    install(tmp_path, "autoscaler")
    installed = {path.name for path in tmp_path.rglob("*.py")}
    assert {"policy.py", "gate.py", "engine_api.py"} <= installed
    assert not {"restic.py", "pgbackrest.py", "restore.py"} & installed


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
