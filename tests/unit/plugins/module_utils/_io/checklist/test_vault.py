# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import vault

SECRETS = {"database_password": "a-long-secret", "empty": ""}


def test_a_secret_in_clear_is_told_by_its_file_and_name(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n3865\n")
    (tmp_path / "group_vars/main.yml").write_text("url: postgres://app:a-long-secret@host\n")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/one.json").write_text("a-long-secret")
    assert vault.gather(str(tmp_path), "", SECRETS) == {
        "clear": [{"path": f"{tmp_path}/group_vars/main.yml", "secret": "database_password"}],
        "password": {},
    }


def test_the_vaults_password_is_for_its_owner_and_not_for_git(tmp_path: Path) -> None:
    path = tmp_path / ".vault_password"
    path.write_text("x")
    path.chmod(0o600)
    assert vault.gather("", str(path), {})["password"] == {"path": str(path), "open": False, "tracked": False}
    for argv in (["git", "init", "--quiet"], ["git", "add", "."]):
        subprocess.run(argv, cwd=tmp_path, check=True)
    path.chmod(0o644)
    assert vault.gather("", str(path), {})["password"] == {"path": str(path), "open": True, "tracked": True}


def test_a_program_that_asks_for_the_password_holds_none(tmp_path: Path) -> None:
    path = tmp_path / "ask"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    assert vault.gather("", str(path), {})["password"] == {}
