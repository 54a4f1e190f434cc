# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import logins


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


def test_what_the_environment_loads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "/etc/environment": 'LANG="C"\nLD_PRELOAD=/tmp/a.so\n#LD_AUDIT=x\n',
        "/root/.bashrc": "umask 022\nexport LD_LIBRARY_PATH=/tmp\n",
        "/etc/systemd/system.conf": "[Manager]\nDefaultEnvironment=A=1 LD_PRELOAD=/tmp/b.so\n#DefaultEnvironment=\n",
    }
    monkeypatch.setattr(
        logins.glob, "glob", lambda pattern: {"/root/.bash*": ["/root/.bashrc"]}.get(pattern, [pattern])
    )
    monkeypatch.setattr(logins.system, "read_text", texts.get)
    assert logins._environment() == [
        "LD_PRELOAD=/tmp/a.so of /etc/environment",
        "LD_LIBRARY_PATH=/tmp of /root/.bashrc",
        "LD_PRELOAD=/tmp/b.so of /etc/systemd/system.conf",
    ]


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


def sudoers(texts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bool]]:
    """Whom sudo lets be root by these files, beside its own and the user me."""
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.replace("HERE", str(tmp_path)))
    monkeypatch.setenv("SUDO_USER", "me")
    monkeypatch.setattr(logins, "_SUDOERS", f"{tmp_path}/sudoers")
    return [(one["who"], Path(one["path"]).name, one["free"]) for one in logins.sudo_rules()]


def test_rules_of_sudo_are_told_by_whom_they_are_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "sudoers": "Defaults env_reset\nroot ALL=(ALL) ALL\n%sudo ALL=(ALL) ALL\n@includedir HERE/sudoers.d\n# a x\n",
        "sudoers.d/one": "User_Alias OPS = a, b\nops ALL=(ALL) \\\n  NOPASSWD: ALL\nme ALL=(ALL) NOPASSWD: ALL\n",
        "sudoers.d/two": "teacher ALL=(ALL) ALL\n#1002 ALL=(ALL) ALL\nDefaults:guest !authenticate\n",
        "sudoers.d/three.off": "evil ALL=(ALL) ALL\n",
    }
    assert sudoers(texts, tmp_path, monkeypatch) == [
        ("ops", "one", True),
        ("#1002", "two", False),
        ("Defaults:guest", "two", True),
        ("teacher", "two", False),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "@include HERE/opt/evil",
        "#include HERE/opt/evil",
        "  @include   opt/evil",
        '@include "HERE/opt/evil"',
        "@include HERE/\\opt/evil",
        "@includedir HERE/opt",
        "#includedir HERE/opt/",
        "@includedir HERE/nothing:HERE/opt",
        "@include HERE/opt/%h",
        "@include HERE/nested",
    ],
)
def test_what_sudo_includes_is_read(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"sudoers": f"{line}\n", "opt/evil": "evil ALL=(ALL) NOPASSWD: ALL\n", "opt/b.off": "b ALL=(ALL) ALL\n"}
    monkeypatch.setattr(logins.os, "uname", lambda: SimpleNamespace(nodename="evil.school.test"))
    # What includes itself is read once.
    texts["nested"] = "@include HERE/nested\n@include HERE/opt/evil\n"
    assert sudoers(texts, tmp_path, monkeypatch) == [("evil", "evil", True)]


@pytest.mark.parametrize("line", ["# include HERE/opt/evil", "#included HERE/opt/evil", "#1002 include HERE/opt/evil"])
def test_a_comment_includes_nothing(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"sudoers": f"{line}\n", "opt/evil": "evil ALL=(ALL) ALL\n"}
    assert "evil" not in [who for who, _path, _free in sudoers(texts, tmp_path, monkeypatch)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("auth optional pam_exec.so expose_authtok /x", ["pam_exec.so expose_authtok /x"]),
        ("-auth [success=1 default=ignore]  /lib/security/pam_exec.so  /x", ["pam_exec.so /x"]),
        ("password optional \\\n pam_exec.so /x", ["pam_exec.so /x"]),
        ("session optional pam_exec.so /x", []),
        ("#auth optional pam_exec.so /x", []),
        ("auth required pam_unix.so", []),
    ],
)
def test_a_program_that_is_given_passwords_is_told(
    line: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "common-auth"
    path.write_text(f"# PAM\n{line}\n")
    monkeypatch.setattr(logins.glob, "glob", lambda _pattern: [str(path)])
    monkeypatch.setattr(logins.system, "lines", lambda _argv: ["", f" {path} 0123456789abcdef0123456789abcdef"])
    assert logins.executing() == [{"path": str(path), "line": one} for one in found]


def test_a_program_that_a_package_gives_passwords_to_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own"
    path.write_text("auth optional pam_exec.so /usr/bin/own\n")
    monkeypatch.setattr(logins.glob, "glob", lambda _pattern: [str(path)])
    monkeypatch.setattr(logins.system, "lines", lambda _argv: [f" {path} {logins._md5(str(path))}"])
    assert logins.executing() == []


@pytest.mark.parametrize(
    ("line", "open_"),
    [
        ("auth sufficient pam_permit.so", True),
        ("auth  [success=done default=ignore] pam_permit.so", True),
        ("auth required pam_permit.so", False),
        ("#auth sufficient pam_permit.so", False),
        ("session sufficient pam_permit.so", False),
        ("auth [success=2 default=ignore] pam_permit.so", True),
        ("auth sufficient pam_succeed_if.so uid >= 0", True),
        ("-auth sufficient /lib/security/pam_succeed_if.so quiet user != nobody", True),
        ("auth [success=2 default=ignore] pam_succeed_if.so uid >= 0 quiet", True),
        ("auth sufficient pam_succeed_if.so user ingroup nopasswdlogin", False),
        ("auth [success=1 default=ignore] pam_succeed_if.so uid >= 1000", False),
        ("auth requisite pam_succeed_if.so uid >= 1000 quiet_success", False),
        ("account sufficient pam_succeed_if.so uid < 1000 quiet", False),
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


@pytest.mark.skipif(os.getuid() != 0, reason="only root writes such attributes everywhere")
def test_an_access_control_list_is_read_with_its_mask(tmp_path: Path) -> None:
    def entries(mask: int) -> bytes:
        rows = [(0x01, 6, 2**32 - 1), (0x02, 4, 1000), (0x04, 0, 2**32 - 1), (0x08, 6, 27), (0x10, mask, 2**32 - 1)]
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in [*rows, (0x20, 0, 2**32 - 1)])

    path = tmp_path / "shadow"
    path.write_text("")
    assert logins.given(str(path)) == {}
    try:
        os.setxattr(path, "system.posix_acl_access", entries(mask=4))
    except OSError as error:
        pytest.skip(f"no such lists here: {error}")
    assert logins.given(str(path)) == {"user:1000": 4, "group:27": 4}
    os.setxattr(path, "system.posix_acl_access", entries(mask=0))
    assert logins.given(str(path)) == {}
