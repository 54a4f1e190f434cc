# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import host


def say(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], code: int = 0, err: str = "") -> list[list[str]]:
    """Have programs answer, by a word of what they are asked, and keep what that was."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_more: Any) -> Any:
        asked.append(argv)
        return SimpleNamespace(code=code, out=next(text for word, text in answers.items() if word in argv), err=err)

    monkeypatch.setattr(host.system, "run", run)
    return asked


def test_units_are_asked_for_in_one_go_and_with_them_what_they_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The timer's file was changed after the timer was started."""
    file = tmp_path / "a.timer"
    file.touch()
    started = "InactiveExitTimestamp=Sun 2026-11-29 04:00:00.000001 UTC"
    asked = say(
        monkeypatch,
        {
            "a.timer": f"Id=a.timer\nUnitFileState=enabled\nTriggers=a.service\nFragmentPath={file}\n{started}\n\n"
            "Id=b.socket\nUnitFileState=\nFragmentPath=\nInactiveExitTimestamp=\n",
            "a.service": "Id=a.service\nResult=success\n",
        },
    )
    assert host.gather_units(["b.socket", "a.timer"]) == {
        "a.timer": {"Id": "a.timer", "UnitFileState": "enabled", "Triggers": "a.service", "Unread": str(file)},
        "b.socket": {"Id": "b.socket", "UnitFileState": "", "Unread": ""},
        "a.service": {"Id": "a.service", "Result": "success", "Unread": ""},
    }
    assert len(asked) == 2


def test_of_kernel_settings_what_is_read_after_the_stacks_counts(tmp_path: Path) -> None:
    etc, lib = tmp_path / "etc", tmp_path / "lib"
    for path in (etc / "10-a.conf", etc / "99-x.conf", lib / "99-x.conf", lib / "99-y.conf", lib / "zz.txt"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.parent.name)
    (etc / "99-masked.conf").symlink_to("/dev/null")
    assert host._later("/etc/sysctl.d/99-firstbell.conf", [str(etc), str(lib), "/nonexistent"]) == {
        f"{etc}/99-masked.conf": "",
        f"{etc}/99-x.conf": "etc",
        f"{lib}/99-y.conf": "lib",
    }


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_what_does_not_belong_to_the_services_is_told_once(tmp_path: Path) -> None:
    for path in ("data/redis/aof/file", "nginx/cache/pdf/file", "backup/dumps/file"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("")
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, 1001, 1001)
    os.chown(tmp_path / "backup/dumps/file", 0, 0)
    assert host.not_owned(str(tmp_path)) == []
    for path in ("nginx/cache", "nginx/cache/pdf", "data/redis/aof/file"):
        os.chown(tmp_path / path, 0, 0)
    assert host.not_owned(str(tmp_path)) == [f"{tmp_path}/data/redis/aof/file", f"{tmp_path}/nginx/cache"]


def test_helpers_of_the_kernel_are_packages_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"core_pattern": "|/usr/lib/systemd/systemd-coredump %P %u\n", "modprobe": "/sbin/modprobe\n"}
    monkeypatch.setattr(host.system, "read_kernel_value", lambda path: values[path.rpartition("/")[2]])
    say(monkeypatch, {"--search": "systemd-coredump: /usr/lib/systemd/systemd-coredump\nkmod: /usr/sbin/modprobe\n"})
    assert host.strange_helpers() == {}
    values.update(core_pattern="|/tmp/x %p\n", modprobe="/tmp/y\n")
    assert host.strange_helpers() == {"kernel.core_pattern": "/tmp/x", "kernel.modprobe": "/tmp/y"}
    values.update(core_pattern="core\n", modprobe="")
    assert host.strange_helpers() == {}


def test_of_systemds_settings_the_last_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["# /etc/systemd/system.conf", "[Manager]", "#DefaultTimeoutStopSec=90s", "DefaultTimeoutStopSec=90s"]
    lines += ["", "# /etc/systemd/system.conf.d/x.conf", "DefaultTimeoutStopSec = 1s", "Other=1"]
    monkeypatch.setattr(host.system, "lines", lambda _argv: lines)
    found = host._settings("systemd/system.conf", ("DefaultTimeoutStopSec",))
    assert found == {"DefaultTimeoutStopSec": ("1s", "/etc/systemd/system.conf.d/x.conf")}


def test_what_the_modes_keep_its_owner_from_is_told(tmp_path: Path) -> None:
    (tmp_path / "nginx/cache/body").mkdir(parents=True)
    (tmp_path / "data/redis").mkdir(parents=True)
    (tmp_path / "data/redis/file").write_text("x")
    assert host.barred(str(tmp_path)) == []
    (tmp_path / "nginx/cache/body").chmod(0)
    (tmp_path / "data/redis/file").chmod(0o044)
    assert host.barred(str(tmp_path)) == [f"{tmp_path}/data/redis/file", f"{tmp_path}/nginx/cache/body"]
    (tmp_path / "nginx/cache/body").chmod(0o700)


@pytest.mark.parametrize(
    ("text", "context"), [("", ""), ("{}", ""), ("[]", ""), ('{"currentContext": "prod", "auths": {}}', "prod")]
)
def test_the_engine_that_dockers_command_speaks_to_is_known(text: str, context: str) -> None:
    assert host._context(text) == context
