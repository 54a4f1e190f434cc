# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a command of the host."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError, InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.host_command import (
    File,
    Source,
    check_name,
    launcher,
    needed,
    package_files,
    plan,
    plan_config,
)


def sources(texts: dict[str, str]) -> dict[str, Source]:
    """Sources by their names; a package is what holds another."""
    parents = {name.rpartition(".")[0] for name in texts}
    return {name: Source(text, name in parents) for name, text in texts.items()}


def test_modules_become_files() -> None:
    assert package_files(sources({"": "", "_core": "", "_core.wal": "x = 1\n"})) == {
        "firstbell/__init__.py": "",
        "firstbell/_core/__init__.py": "",
        "firstbell/_core/wal.py": "x = 1\n",
    }


def test_only_what_is_imported_is_needed() -> None:
    known = sources(
        {
            "": "",
            "_tool": "",
            "_tool.cli": "from .._core.deep import plan as p\nfrom . import work\nimport os\n",
            "_tool.work": "def late():\n    from .._io.files import read\n",
            "_tool.other": "",
            "_core": "",
            "_core.plan": "",
            "_core.deep": "from . import plan\n",
            "_core.deep.plan": "from ..unused import x  # not there\n",
            "_io": "",
            "_io.files": "from .._core import errors\n",
            "_core.errors": "",
            "_core.wal": "",
        }
    )
    asked: list[str] = []

    def find(name: str) -> Source | None:
        asked.append(name)
        return known.get(name)

    assert set(known) - set(needed(find, "_tool.cli")) == {"_tool.other", "_core.plan", "_core.wal"}
    # Asking for a name in a module would run the module.
    assert not {"_io.files.read", "_core.unused.x"} & set(asked)


def test_a_command_that_did_not_come_along_is_not_installed_as_nothing() -> None:
    with pytest.raises(FirstbellError, match=r"the source of _tool.cli has not come"):
        needed(sources({"": "", "_core": "", "_core.plan": ""}).get, "_tool.cli")


def test_the_program_is_python() -> None:
    text = launcher("/usr/local/lib/school-backup", "_backup.cli", "/opt/school/backup/backup.json")
    compile(text, "launcher", "exec")
    assert text.startswith("#!/usr/bin/python3 -I\n")


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "-a"])
def test_a_name_stays_in_its_directory(name: str) -> None:
    with pytest.raises(InputError, match="no name of a command"):
        check_name(name)


def test_the_package_comes_before_the_program_and_leftovers_go() -> None:
    wanted = {"/b": File("/b", "program", 0o755), "/l/x": File("/l/x", "new", 0o644), "/l/y": File("/l/y", "y", 0o644)}
    found = {"/l/y": ("y", 0o644), "/l/x": ("old", 0o644), "/l/old": ("o", 0o644)}
    changes = plan(wanted, found)
    assert [(change.path, change.content) for change in changes] == [
        ("/l/x", "new"),
        ("/b", "program"),
        ("/l/old", None),
    ]
    program = {**found, "/b": ("program", 0o755)}
    assert [change.path for change in plan(wanted, program)] == ["/l/x", "/b", "/l/old"]
    assert plan(wanted, {path: (file.content or "", file.mode) for path, file in wanted.items()}) == []
    assert [change.path for change in plan({}, found)] == ["/l/old", "/l/x", "/l/y"]


CONFIG = "/opt/school/backup/backup.json"
TOLD = '{\n    "directory": "/opt",\n    "stack": "school"\n}\n'


def test_what_a_command_is_told_is_written_when_it_differs() -> None:
    settings = {"stack": "school", "directory": "/opt"}
    write = [File(CONFIG, TOLD, 0o644)]
    assert plan_config(CONFIG, settings, True, {}) == write
    assert plan_config(CONFIG, settings, True, {CONFIG: ("{}", 0o644)}) == write
    assert plan_config(CONFIG, settings, True, {CONFIG: (TOLD, 0o600)}) == write
    assert plan_config(CONFIG, settings, True, {CONFIG: (TOLD, 0o644)}) == []


def test_what_others_write_is_left_to_them_and_goes_with_the_command() -> None:
    found = {CONFIG: (TOLD, 0o644)}
    assert plan_config(CONFIG, None, True, {}) == plan_config(CONFIG, None, True, found) == []
    assert plan_config(CONFIG, None, False, found) == [File(CONFIG, None, 0)]
    assert plan_config(CONFIG, None, False, {}) == []
