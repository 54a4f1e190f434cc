# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import re
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


def test_jobs_are_a_packages_or_the_playbooks_or_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("crontab", "edited", "evil", "school-backup-full.timer", "school-evil.timer", ".placeholder")
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / "masked.service").symlink_to("/dev/null")
    (tmp_path / "place").mkdir()
    (tmp_path / "place/linked.service").touch()
    (tmp_path / "linked.service").symlink_to("place/linked.service")
    (tmp_path / "ssh.service.d").mkdir()
    (tmp_path / "ssh.service.d/x.conf").write_text("")
    monkeypatch.setattr(host, "_CRON", (f"{tmp_path}/[ce]*",))
    monkeypatch.setattr(host, "_UNITS", (f"{tmp_path}/*.*", f"{tmp_path}/*.d/*.conf"))
    (tmp_path / "hook").write_text('DPkg::Post-Invoke {"x";};')
    (tmp_path / "hooked").write_text('APT::Color "1";')
    (tmp_path / "hook-of-school").write_text("Post-Invoke of school\n")
    monkeypatch.setattr(host, "_OF_LOAD_TESTS", (f"{tmp_path}/hook-of-{{}}", "Post-Invoke of {}"))
    monkeypatch.setattr(host, "_HOOKS", {f"{tmp_path}/hook*": "Post-Invoke"})
    right = hashlib.md5(b"crontab", usedforsecurity=False).hexdigest()
    say(
        monkeypatch,
        {
            "--search": f"cron: {tmp_path}/crontab\ncron: {tmp_path}/edited\n",
            "--show": f" {tmp_path}/crontab {right}\n {tmp_path}/edited {right} obsolete\n\n",
        },
    )
    assert host.gather_jobs("school", [f"{tmp_path}/school-backup-full.timer"]) == {
        "strange": [
            f"{tmp_path}/evil",
            f"{tmp_path}/hook",
            f"{tmp_path}/place/linked.service",
            f"{tmp_path}/school-evil.timer",
            f"{tmp_path}/ssh.service.d/x.conf",
        ],
        "edited": [f"{tmp_path}/edited"],
    }


@pytest.mark.parametrize(
    ("line", "is_told"),
    [
        ("alias docker='/tmp/x'", True),
        ("function sudo () { /tmp/x; }", True),
        ("  systemctl() { :; }", True),
        ("alias ll='ls -l'", False),
        ("# alias sudo=x", False),
        ("sudo systemctl status", False),
        ("alias docker-ps='docker ps'", False),
    ],
)
def test_a_shell_that_runs_something_else_than_was_typed_is_told(line: str, *, is_told: bool) -> None:
    assert bool(re.search(host._HOOKS["/root/.bashrc"], f"umask 022\n{line}\n")) is is_told


def test_what_older_packages_call_otherwise_is_theirs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = say(monkeypatch, {"--search": "ssh: /lib/systemd/system/ssh.service\nsystemd: /usr/lib/a-\\x2d.slice\n"})
    paths = ["/usr/lib/systemd/system/ssh.service", "/usr/lib/a-\\x2d.slice", "/usr/lib/systemd/system/evil.service"]
    assert set(paths) - host._packaged(paths) == {"/usr/lib/systemd/system/evil.service"}
    assert "/usr/lib/a-\\\\x2d.slice" in asked[0]


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
