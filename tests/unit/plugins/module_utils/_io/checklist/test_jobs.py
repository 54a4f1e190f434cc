# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import jobs


def say(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], code: int = 0, err: str = "") -> list[list[str]]:
    """Have programs answer, by a word of what they are asked, and keep what that was."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_more: Any) -> Any:
        asked.append(argv)
        return SimpleNamespace(code=code, out=next(text for word, text in answers.items() if word in argv), err=err)

    monkeypatch.setattr(jobs.system, "run", run)
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
    monkeypatch.setattr(jobs, "_CRON", (f"{tmp_path}/[ce]*",))
    monkeypatch.setattr(jobs, "_UNITS", (f"{tmp_path}/*.*", f"{tmp_path}/*.d/*.conf"))
    (tmp_path / "hook").write_text('DPkg::Post-Invoke {"x";};')
    (tmp_path / "hooked").write_text('APT::Color "1";')
    (tmp_path / "hook-of-school").write_text("Post-Invoke of school\n")
    monkeypatch.setattr(jobs, "_OF_LOAD_TESTS", (f"{tmp_path}/hook-of-{{}}", "Post-Invoke of {}"))
    monkeypatch.setattr(jobs, "_HOOKS", {f"{tmp_path}/hook*": "Post-Invoke"})
    right = hashlib.md5(b"crontab", usedforsecurity=False).hexdigest()
    say(
        monkeypatch,
        {
            "--search": f"cron: {tmp_path}/crontab\ncron: {tmp_path}/edited\n",
            "--show": f" {tmp_path}/crontab {right}\n {tmp_path}/edited {right} obsolete\n\n",
        },
    )
    assert jobs.gather("school", [f"{tmp_path}/school-backup-full.timer"]) == {
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
    assert bool(re.search(jobs._HOOKS["/root/.bashrc"], f"umask 022\n{line}\n")) is is_told


def test_what_older_packages_call_otherwise_is_theirs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = say(monkeypatch, {"--search": "ssh: /lib/systemd/system/ssh.service\nsystemd: /usr/lib/a-\\x2d.slice\n"})
    paths = ["/usr/lib/systemd/system/ssh.service", "/usr/lib/a-\\x2d.slice", "/usr/lib/systemd/system/evil.service"]
    assert set(paths) - jobs.packaged(paths) == {"/usr/lib/systemd/system/evil.service"}
    assert "/usr/lib/a-\\\\x2d.slice" in asked[0]


@pytest.mark.parametrize(
    ("path", "text", "is_told"),
    [
        ("/etc/udev/rules.d/*.rules", 'ACTION=="add", RUN+="/etc/network/cloud-ifupdown-helper"', False),
        ("/etc/udev/rules.d/*.rules", 'ACTION=="add", RUN+="/tmp/x"', True),
        ("/usr/local/lib/python3*/dist-packages/*.pth", "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; x", False),
        ("/usr/local/lib/python3*/dist-packages/*.pth", "/srv/ours", False),
        ("/usr/local/lib/python3*/dist-packages/*.pth", "/srv/ours\nimport evil", True),
        ("/usr/local/lib/python3*/dist-packages/*customize.py", "", True),
    ],
)
def test_what_runs_with_other_programs_is_told_by_what_it_says(path: str, text: str, *, is_told: bool) -> None:
    assert bool(re.search(jobs._HOOKS[path], text)) is is_told


@pytest.mark.parametrize(
    ("name", "is_generated"),
    [
        ("netplan-ovs-cleanup.service", True),
        ("systemd-networkd-wait-online.service.d/10-netplan.conf", True),
        ("evil.service", False),
        ("ssh.service.d/x.conf", False),
    ],
)
def test_what_is_made_at_each_boot_is_known(name: str, *, is_generated: bool) -> None:
    assert bool(jobs._GENERATED.fullmatch(f"/run/systemd/system/{name}")) is is_generated
