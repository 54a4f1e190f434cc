# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
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
    monkeypatch.setattr(host, "_CRON", (f"{tmp_path}/[ce]*",))
    monkeypatch.setattr(host, "_UNITS", f"{tmp_path}/*.*")
    right = hashlib.md5(b"crontab", usedforsecurity=False).hexdigest()
    say(
        monkeypatch,
        {
            "--search": f"cron: {tmp_path}/crontab\ncron: {tmp_path}/edited\n",
            "--show": f" {tmp_path}/crontab {right}\n {tmp_path}/edited {right} obsolete\n\n",
        },
    )
    assert host.gather_jobs([f"{tmp_path}/school-backup-full.timer"]) == {
        "strange": [f"{tmp_path}/evil", f"{tmp_path}/school-evil.timer"],
        "edited": [f"{tmp_path}/edited"],
    }


def test_units_are_asked_for_in_one_go_and_with_them_what_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = say(
        monkeypatch,
        {
            "a.timer": "Id=a.timer\nUnitFileState=enabled\nTriggers=a.service\n\nId=b.socket\nUnitFileState=\n",
            "a.service": "Id=a.service\nResult=success\n",
        },
    )
    assert host.gather_units(["b.socket", "a.timer"]) == {
        "a.timer": {"Id": "a.timer", "UnitFileState": "enabled", "Triggers": "a.service"},
        "b.socket": {"Id": "b.socket", "UnitFileState": ""},
        "a.service": {"Id": "a.service", "Result": "success"},
    }
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("code", "err", "said"),
    [
        (0, "", ""),
        (
            255,
            "/etc/ssh/sshd_config: line 3: Bad configuration option: x\nterminating",
            "/etc/ssh/sshd_config: line 3: Bad",
        ),
        (255, "Missing privilege separation directory: /run/sshd\n", ""),
        (1, "sshd: no hostkeys available -- exiting.\n", ""),
        (255, "", "it does not say why"),
    ],
)
def test_sshd_says_what_is_in_force_or_why_it_cannot(
    code: int, err: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.system, "find_program", lambda name: f"/usr/sbin/{name}")
    say(monkeypatch, {"-T": "port 22\npermitrootlogin yes\n"}, code, err)
    found = host._ssh("root")
    assert found["permitrootlogin"] == "yes"
    assert found["error"].startswith(said)
    assert bool(found["error"]) == bool(said)


def test_sshd_is_asked_for_an_account_so_that_blocks_of_match_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.system, "find_program", lambda name: f"/usr/sbin/{name}")
    asked = say(monkeypatch, {"-T": "passwordauthentication yes\n"})
    assert host._ssh("teacher")["passwordauthentication"] == "yes"
    assert asked[0][1:3] == ["-T", "-C"]
    assert asked[0][3].startswith("user=teacher,host=localhost,addr=203.0.113.1")


def test_who_has_no_shell_is_not_asked_for() -> None:
    lines = ("root:x:0:0:root:/root:/bin/bash", "www-data:x:33:33::/var/www:/usr/sbin/nologin", "torn:x")
    assert host._with_shell([line.split(":") for line in lines]) == ["root"]


def test_keys_are_told_by_their_fingerprints(tmp_path: Path) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHKlTrEUEM4VRi8wJE0dYNjL0P6xpyd1Lz3m3ghMHDYl"
    (tmp_path / ".ssh").mkdir()
    lines = [
        f"{key} teacher at home",
        f"no-pty,command=\"echo 'Please login as the user';exit 142\" {key}",
        f"#{key}",
        "",
        "ssh-rsa AAAAB none",
    ]
    (tmp_path / ".ssh/authorized_keys").write_text("\n".join(lines))
    fingerprint = "SHA256:UvlcKv5g+BrSoWQtM//3zmT4QVnkQa6uAOuCvrm9fOM"
    assert host._keys("root", str(tmp_path)) == [{"account": "root", "key": fingerprint, "comment": "teacher at home"}]
    assert host._keys("nobody", "/nonexistent") == []


def test_members_of_a_group_are_also_those_whose_own_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.grp, "getgrnam", lambda _name: SimpleNamespace(gr_gid=27, gr_mem=["teacher"]))
    users = [SimpleNamespace(pw_name="evil", pw_gid=27), SimpleNamespace(pw_name="else", pw_gid=28)]
    monkeypatch.setattr(host.pwd, "getpwall", lambda: users)
    assert host._members("sudo") == ["evil", "teacher"]


def test_a_group_that_is_not_there_has_no_members() -> None:
    assert host._members("no-such-group") == []


def test_of_kernel_settings_what_is_read_after_the_stacks_counts(tmp_path: Path) -> None:
    etc, lib = tmp_path / "etc", tmp_path / "lib"
    for path in (etc / "10-a.conf", etc / "99-x.conf", lib / "99-x.conf", lib / "99-y.conf", lib / "zz.txt"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.parent.name)
    (etc / "99-masked.conf").symlink_to("/dev/null")
    assert host._later_sysctls([str(etc), str(lib), "/nonexistent"]) == {
        f"{etc}/99-masked.conf": "",
        f"{etc}/99-x.conf": "etc",
        f"{lib}/99-y.conf": "lib",
    }


def test_lists_of_apt_are_read_as_they_are_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'Unattended-Upgrade::Origins-Pattern "";\nUnattended-Upgrade::Origins-Pattern:: "origin=Debian,l=\\"x\\"";\n'
    say(monkeypatch, {"dump": text})
    assert host._apt_list("Unattended-Upgrade::Origins-Pattern") == ['origin=Debian,l=\\"x\\"']
