# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import sshd


def say(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], code: int = 0, err: str = "") -> list[list[str]]:
    """Have programs answer, by a word of what they are asked, and keep what that was."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_more: Any) -> Any:
        asked.append(argv)
        return SimpleNamespace(code=code, out=next(text for word, text in answers.items() if word in argv), err=err)

    monkeypatch.setattr(sshd.system, "run", run)
    return asked


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
    monkeypatch.setattr(sshd.system, "find_program", lambda name: f"/usr/sbin/{name}")
    say(monkeypatch, {"-T": "port 22\npermitrootlogin yes\n"}, code, err)
    found = sshd._ssh("root")
    assert found["permitrootlogin"] == "yes"
    assert found["error"].startswith(said)
    assert bool(found["error"]) == bool(said)


def test_sshd_is_asked_for_an_account_so_that_blocks_of_match_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd.system, "find_program", lambda name: f"/usr/sbin/{name}")
    asked = say(monkeypatch, {"-T": "passwordauthentication yes\n"})
    assert sshd._ssh("teacher")["passwordauthentication"] == "yes"
    assert asked[0][1:3] == ["-T", "-C"]
    assert asked[0][3] == "user=teacher,host=localhost,addr=203.0.113.1,laddr=127.0.0.1,lport=22"


@pytest.mark.parametrize(
    ("text", "name", "changed"),
    [
        ("Match Address 10.0.0.0/8\n  PasswordAuthentication yes", "with Address 10.0.0.0/8", {"addr": "10.0.0.0"}),
        ("match address !10.1.2.3,10.1.*.?", "with address 10.1.*.?", {"addr": "10.1.1.1"}),
        ('Match User admin Address "fd00::/8"', "with Address fd00::/8", {"addr": "fd00::"}),
        ("Match Address=::1 LocalPort=2222", "with Address ::1 LocalPort 2222", {"addr": "::1", "lport": "2222"}),
        ("Match Host a.example", "with Host a.example", {"host": "a.example"}),
    ],
)
def test_sshd_is_asked_as_from_where_a_block_of_match_says(text: str, name: str, changed: dict[str, str]) -> None:
    assert sshd.connections(text) == {name: changed}


@pytest.mark.parametrize("text", ["Match all", "Match User a", "# Match Address 10.0.0.0/8", "Match Address !10.0.0.1"])
def test_a_block_of_match_that_holds_from_everywhere_needs_no_connection_of_its_own(text: str) -> None:
    assert sshd.connections(text) == {}


def test_what_sshd_does_elsewhere_is_told_only_where_it_is_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sshd_config").write_text("Match Address 10.0.0.0/8\nMatch Address 192.168.0.0/16\n")
    monkeypatch.setattr(sshd, "_FILES", (str(tmp_path / "sshd_config"),))
    monkeypatch.setattr(sshd, "_ssh", lambda _who, addr="192.0.2.1": {"passwordauthentication": addr[:3]})
    assert list(sshd.of_accounts(["root"])) == ["root", "root with Address 10.0.0.0/8"]


@pytest.mark.parametrize(
    ("state", "read", "unread"),
    [
        ("active", "Sun 2026-11-29 04:00:00.000001 UTC", True),
        ("active", "Sun 2099-11-29 04:00:00.000001 UTC", False),
        ("inactive", "Sun 2026-11-29 04:00:00.000001 UTC", False),
    ],
)
def test_sshd_goes_by_what_it_has_read(
    state: str, read: str, unread: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has an old time, as one that was put back; it was put there just now."""
    file = tmp_path / "sshd_config"
    file.touch()
    os.utime(file, (1, 1))
    monkeypatch.setattr(sshd, "_FILES", (str(file), str(tmp_path / "missing")))
    say(monkeypatch, {"ssh.service": f"ActiveState={state}\nStateChangeTimestamp={read}\n"})
    assert sshd.unread() == ([str(file)] if unread else [])


CAME = {"host": "192.0.2.7", "addr": "192.0.2.7", "laddr": "192.0.2.1", "lport": "2222"}
RUNS = {"ssh.service": "ActiveState=active\nStateChangeTimestamp=Sun 2099-11-29 04:00:00.000001 UTC\n"}


def test_sshd_is_asked_how_it_would_let_in_whom_ansible_signs_in_as(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of ``-C`` are such as sshd takes: an account and where it comes from."""
    monkeypatch.setattr(sshd.system, "find_program", lambda name: f"/usr/sbin/{name}")
    said = "allowusers deploy\nallowusers teacher\nlistenaddress [::]:2222\nx11forwarding no\n"
    asked = say(monkeypatch, {"-T": said, **RUNS})
    found = sshd.gather("root", CAME)
    assert asked[0][1:] == ["-T", "-C", "user=root,host=192.0.2.7,addr=192.0.2.7,laddr=192.0.2.1,lport=2222"]
    assert found["options"] == {"allowusers": ["deploy", "teacher"], "listenaddress": ["[::]:2222"]}
    assert (found["listens"], found["from"], found["error"]) == (["[::]:2222"], CAME, "")
    assert "root" in found["groups"]


def test_that_sshd_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd.system, "find_program", lambda name: f"/usr/sbin/{name}")
    say(monkeypatch, {"-T": "", **RUNS}, 1, "Invalid test mode specification {'host': 'localhost'}\n")
    assert sshd.gather("root", {})["error"] == "Invalid test mode specification {'host': 'localhost'}"


def test_where_systemd_listens_sshd_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd.system, "find_program", lambda name: f"/usr/sbin/{name}")
    say(monkeypatch, {"-T": "listenaddress [::]:22\n", "ssh.service": "ActiveState=inactive\n"})
    assert sshd.gather("root", {})["listens"] == []


def processes(monkeypatch: pytest.MonkeyPatch, table: dict[int, tuple[str, int, int, str | None]]) -> None:
    """Processes by their numbers: name, parent, user, and environment, None where that is hidden."""

    def read(path: str) -> str:
        name, parent, user, environment = table[int(path.split("/")[2])]
        if path.endswith("/status"):
            return f"Name:\t{name}\nPPid:\t{parent}\nUid:\t{user}\t{user}\t{user}\t{user}\n"
        if environment is None:
            raise PermissionError(path)
        return environment

    users = [SimpleNamespace(pw_name="root", pw_uid=0), SimpleNamespace(pw_name="teacher", pw_uid=1000)]
    monkeypatch.setattr(sshd.pwd, "getpwall", lambda: users)
    monkeypatch.setattr(sshd.os, "getpid", lambda: max(table))
    monkeypatch.setattr(sshd.system, "read_text", read)


@pytest.mark.parametrize("shell", ["HOME=/\0SSH_CONNECTION=fe80::7%eth0 5 192.0.2.1 22\0", None])
def test_who_has_signed_in_is_whose_first_program_sshd_started(
    shell: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes(
        monkeypatch,
        {
            10: ("sshd-session", 1, 0, "SSH_CONNECTION=198.51.100.1 5 198.51.100.2 22\0"),
            11: ("bash", 10, 1000, shell),
            12: ("sudo", 11, 0, "SSH_CONNECTION=fe80::7 5 192.0.2.1 22\0"),
            13: ("python3", 12, 0, "SUDO_USER=teacher\0"),
        },
    )
    came = {"host": "fe80::7", "addr": "fe80::7", "laddr": "192.0.2.1", "lport": "22"}
    assert sshd.session() == ("teacher", came)


def test_where_nobody_has_signed_in_over_ssh_nothing_is_known_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    processes(monkeypatch, {10: ("containerd-shim", 1, 0, ""), 11: ("python3", 10, 0, "HOME=/\0")})
    assert sshd.session() == ("", {})


def test_what_the_files_of_sshd_include_belongs_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sshd_config").write_text("Include more/*.conf\n# Include no/*.conf\nPermitRootLogin yes\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.conf").write_text(f'\nInclude "{tmp_path}/b" {tmp_path}/sshd_config\n permitrootlogin="no"\n')
    (tmp_path / "b").write_text("#PermitRootLogin no\nAllowUsers a  b # c\n")
    monkeypatch.setattr(sshd, "_FILES", (str(tmp_path / "sshd_config"),))
    monkeypatch.setattr(sshd, "_FOLDER", f"{tmp_path}/")
    assert sshd.files() == [f"{tmp_path}/{name}" for name in ("sshd_config", "more/a.conf", "b")]
    assert sshd._lines("PermitRootLogin") == {f"{tmp_path}/sshd_config:3": "yes", f"{tmp_path}/more/a.conf:3": '"no"'}
    assert sshd._lines("AllowUsers") == {f"{tmp_path}/b:2": "a  b"}


@pytest.mark.parametrize(
    ("files", "count"),
    [
        (".ssh/authorized_keys .ssh/authorized_keys2", 1),
        ("%h/.ssh/authorized_keys", 1),
        ("/nonexistent/%u", 0),
        ("none", 0),
    ],
)
def test_keys_are_counted_where_sshd_looks_for_them(files: str, count: int, tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHKlTrEUEM4VRi8wJE0dYNjL0P6xpyd1Lz3m3ghMHDYl"
    (tmp_path / ".ssh/authorized_keys").write_text(f"{key} teacher\n #{key}\n")
    account: Any = SimpleNamespace(pw_dir=str(tmp_path), pw_name="teacher", pw_uid=1000)
    assert sshd._keys({"authorizedkeysfile": [files]}, account) == count
