# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io import host_command
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import programs

COMMAND = {"name": "school-backup", "program": "backup", "config": "/opt/school/backup/backup.json"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, int]]:
    """What is on the host: at first all that the playbook would install."""
    there = {path: (file.content or "", file.mode) for path, file in host_command.wanted(**_named(COMMAND)).items()}
    monkeypatch.setattr(programs.host_command, "find", lambda *_places: there)
    return there


def _named(command: dict[str, str]) -> dict[str, str]:
    return {"name": command["name"], "program": command["program"], "arguments": command["config"]}


def test_a_command_that_was_installed_by_this_version_is_right(installed: dict[str, tuple[str, int]]) -> None:
    assert len(installed) > 10
    assert programs.differing(COMMAND) == []


def test_what_was_changed_removed_or_added_is_told(installed: dict[str, tuple[str, int]]) -> None:
    library = "/usr/local/lib/school-backup"
    installed["/usr/local/sbin/school-backup"] = ("#!/bin/sh\n", 0o755)
    del installed[f"{library}/firstbell/_backup/check.py"]
    installed[f"{library}/json.py"] = ("x = 1\n", 0o644)
    assert programs.differing(COMMAND) == [
        f"{library}/firstbell/_backup/check.py is missing",
        "/usr/local/sbin/school-backup is not as it was installed",
        f"{library}/json.py does not belong there",
    ]


def test_packages_are_there_and_their_programs_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "--show": "docker.io installed\nsudo installed\nrunc config-files\n",
        "--verify": (
            "??5??????   /usr/sbin/dockerd\n??5?????? c /etc/pam.d/sudo\nmissing     /usr/share/man/man8/sudo.8.gz\n"
            "missing     /usr/bin/sudo\n"
        ),
        "--search": "docker.io: /usr/sbin/dockerd\nsudo: /usr/bin/sudo\n",
    }

    def run(argv: list[str], **_more: Any) -> Any:
        return SimpleNamespace(out=next(text for word, text in answers.items() if word in argv), code=0, err="")

    monkeypatch.setattr(programs.system, "run", run)
    expected = {"first": False, "docker": {"packages": ["docker.io"]}, "host": {"packages": ["tzdata"]}, "files": {}}
    monkeypatch.setattr(programs.system, "read_text", lambda _path: "-----BEGIN CERTIFICATE-----\nx\n" * 2)
    monkeypatch.setattr(programs, "hides", lambda path: path == "/usr/local/bin/docker")
    cache = "\tlibz.so.1 (libc6) => /usr/local/lib/libz.so.1\n\tlibz.so.1 (libc6) => /lib/x86_64-linux-gnu/libz.so.1\n"
    answers["--print-cache"] = f"2 libs found\n{cache}\tlibown.so (libc6) => /usr/local/lib/libown.so\n"
    assert programs.gather(expected) == {
        "hiding_libraries": ["/usr/local/lib/libz.so.1"],
        "authorities": 2,
        "hiding": ["/usr/local/bin/docker"],
        "commands": {},
        "missing": ["tzdata"],
        "altered": [
            {"path": "/usr/sbin/dockerd", "package": "docker.io"},
            {"path": "/usr/bin/sudo", "package": "sudo"},
        ],
    }
