# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import logins


def say(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], code: int = 0, err: str = "") -> list[list[str]]:
    """Have programs answer, by a word of what they are asked, and keep what that was."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_more: Any) -> Any:
        asked.append(argv)
        return SimpleNamespace(code=code, out=next(text for word, text in answers.items() if word in argv), err=err)

    monkeypatch.setattr(logins.system, "run", run)
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
    monkeypatch.setattr(logins.system, "find_program", lambda name: f"/usr/sbin/{name}")
    say(monkeypatch, {"-T": "port 22\npermitrootlogin yes\n"}, code, err)
    found = logins._ssh("root")
    assert found["permitrootlogin"] == "yes"
    assert found["error"].startswith(said)
    assert bool(found["error"]) == bool(said)


def test_sshd_is_asked_for_an_account_so_that_blocks_of_match_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins.system, "find_program", lambda name: f"/usr/sbin/{name}")
    asked = say(monkeypatch, {"-T": "passwordauthentication yes\n"})
    assert logins._ssh("teacher")["passwordauthentication"] == "yes"
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
    assert logins.connections(text) == {name: changed}


@pytest.mark.parametrize("text", ["Match all", "Match User a", "# Match Address 10.0.0.0/8", "Match Address !10.0.0.1"])
def test_a_block_of_match_that_holds_from_everywhere_needs_no_connection_of_its_own(text: str) -> None:
    assert logins.connections(text) == {}


def test_what_sshd_does_elsewhere_is_told_only_where_it_is_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sshd_config").write_text("Match Address 10.0.0.0/8\nMatch Address 192.168.0.0/16\n")
    monkeypatch.setattr(logins, "_SSH_FILES", (str(tmp_path / "sshd_config"),))
    monkeypatch.setattr(logins, "_ssh", lambda _who, addr="192.0.2.1": {"passwordauthentication": addr[:3]})
    assert list(logins._ssh_of(["root"])) == ["root", "root with Address 10.0.0.0/8"]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("root:*:10000:0:99999:7:::", []),
        ("root:*:10000::::::", []),
        ("root:*:10000:0:90:7:::", [80]),
        ("root:*:10000:0:5:7:::", [-5]),
        ("root:*:0:0:99999:7:::", [-10010]),
        ("root:*:10000:0:99999:7::10013:", [3]),
        ("root:*:10000:0:5:7::10013:", [-5]),
        ("root:*", []),
    ],
)
def test_how_long_an_account_can_be_used(line: str, left: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins.time, "time", lambda: 10010 * 86400.0 + 5)
    assert logins._days_left(line.split(":")) == left


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("port 22\n", []),
        ("allowusers deploy ro*@192.0.2.*\n", []),
        ("allowusers deploy\nallowusers teacher\n", ["AllowUsers"]),
        ("denyusers root@192.0.2.1\nallowgroups ssh\n", ["DenyUsers", "AllowGroups"]),
        ("allowgroups root\ndenygroups ssh\n", []),
    ],
)
def test_who_is_refused_by_sshd_is_known(said: str, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins.system, "find_program", lambda name: f"/usr/sbin/{name}")
    say(monkeypatch, {"-T": said})
    assert logins._locked_out("root") == options


def test_what_the_environment_loads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins.system, "read_text", lambda _path: 'LANG="C"\nLD_PRELOAD=/tmp/a.so\n#LD_AUDIT=x\n')
    assert logins._environment() == ["LD_PRELOAD=/tmp/a.so of /etc/environment"]


def test_who_has_no_shell_is_not_asked_for() -> None:
    lines = ("root:x:0:0:root:/root:/bin/bash", "www-data:x:33:33::/var/www:/usr/sbin/nologin", "torn:x")
    assert logins._with_shell([line.split(":") for line in lines]) == ["root"]


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
    assert logins._keys("root", str(tmp_path)) == [
        {"account": "root", "key": fingerprint, "comment": "teacher at home"}
    ]
    assert logins._keys("nobody", "/nonexistent") == []


def test_members_of_a_group_are_also_those_whose_own_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins.grp, "getgrnam", lambda _name: SimpleNamespace(gr_gid=27, gr_mem=["teacher"]))
    users = [SimpleNamespace(pw_name="evil", pw_gid=27), SimpleNamespace(pw_name="else", pw_gid=28)]
    monkeypatch.setattr(logins.pwd, "getpwall", lambda: users)
    assert logins.members_of("sudo") == ["evil", "teacher"]


def test_a_group_that_is_not_there_has_no_members() -> None:
    assert logins.members_of("no-such-group") == []


def test_programs_that_run_as_root_are_found_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, mode in (("raised", 0o4755), ("plain", 0o755), ("data/raised", 0o4755)):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    found = list(logins.raised(logins.below([str(tmp_path)], f"{tmp_path}/data")))
    assert found == ([f"{tmp_path}/raised"] if os.getuid() == 0 else [])


def test_rules_of_sudo_are_told_by_whom_they_are_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "sudoers": "Defaults env_reset\nroot ALL=(ALL) ALL\n%sudo ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n# a x\n",
        "one": "User_Alias OPS = a, b\nops ALL=(ALL) \\\n  NOPASSWD: ALL\nme ALL=(ALL) NOPASSWD: ALL\n",
        "two": "teacher ALL=(ALL) ALL\n#1002 ALL=(ALL) ALL\nDefaults:guest !authenticate\n",
        "three.off": "evil ALL=(ALL) ALL\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("SUDO_USER", "me")
    monkeypatch.setattr(
        logins.glob, "glob", lambda _pattern: [str(tmp_path / name) for name in ("one", "two", "three.off")]
    )
    read = {"/etc/sudoers": texts["sudoers"], **{str(tmp_path / name): text for name, text in texts.items()}}
    monkeypatch.setattr(logins.system, "read_text", read.get)
    monkeypatch.setattr(logins.os.path, "isfile", lambda _path: True)
    found = [(one["who"], Path(one["path"]).name, one["free"]) for one in logins.sudo_rules()]
    assert found == [
        ("ops", "one", True),
        ("#1002", "two", False),
        ("Defaults:guest", "two", True),
        ("teacher", "two", False),
    ]


@pytest.mark.parametrize(
    ("line", "open_"),
    [
        ("auth sufficient pam_permit.so", True),
        ("auth  [success=done default=ignore] pam_permit.so", True),
        ("auth required pam_permit.so", False),
        ("#auth sufficient pam_permit.so", False),
        ("session sufficient pam_permit.so", False),
    ],
)
def test_who_lets_everybody_in_is_known(line: str, open_: bool) -> None:
    assert bool(logins._PERMITS.search(f"# PAM\n{line}\n")) == open_


def test_what_decides_is_there_and_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.service").write_text("")
    (tmp_path / "masked.service").symlink_to("/dev/null")
    monkeypatch.setattr(logins, "_DECISIVE", (f"{tmp_path}/*.service",))
    written = [f"{tmp_path}/gone", "/opt/school/x"]
    assert logins.decisive_files("school", written) == [f"{tmp_path}/a.service"]


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
    monkeypatch.setattr(logins, "_SSH_FILES", (str(file), str(tmp_path / "missing")))
    say(monkeypatch, {"ssh.service": f"ActiveState={state}\nStateChangeTimestamp={read}\n"})
    assert logins._unread() == ([str(file)] if unread else [])
