# SPDX-License-Identifier: GPL-3.0-or-later
"""``playbooks/init.yml`` and ``secrets.yml`` on the controller, as a new user runs them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "database_owner_password",
    "database_app_password",
    "redis_app_password",
    "nextauth_secret",
    "backup_key",
    "backup_files_key",
    "redis_backup_password",
    "database_monitoring_password",
    "redis_monitoring_password",
    "monitoring_password",
}
ANSWERS = {
    "init_directory": "inventories/mine",
    "init_domain": "school.example.org",
    "init_app": "registry.example.org/app:1.2.3",
    "init_admin_email": "admin@school.example.org",
}


def play(work: Path, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook as a user in the folder ``work``."""
    (work / "ansible.cfg").touch()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_CONFIG": str(work / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "PWD": str(work),
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / playbook), *arguments]
    return subprocess.run(
        command, cwd=work, env=environment, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def init(work: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    answers = {**ANSWERS, **changes}
    return play(work, "init.yml", *(part for name, value in answers.items() for part in ("-e", f"{name}={value}")))


def secrets_of(work: Path) -> dict[str, str]:
    password = (work / ".vault_password").read_text(encoding="utf-8").strip()
    vault = VaultLib([("default", VaultSecret(password.encode()))])
    encrypted = (work / "inventories/mine/group_vars/all/vault.yml").read_bytes()
    return yaml.safe_load(vault.decrypt(encrypted))["firstbell_secrets"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A new inventory, and what was printed while it was made."""
    work = tmp_path_factory.mktemp("init")
    done = init(work)
    assert done.returncode == 0, done.stdout + done.stderr
    return work, done.stdout


def test_the_inventory_says_what_was_answered(made: tuple[Path, str]) -> None:
    work, _output = made
    hosts = yaml.safe_load((work / "inventories/mine/hosts.yml").read_text(encoding="utf-8"))
    (host,) = hosts["firstbell"]["hosts"].values()
    assert host["ansible_host"] == "school.example.org"
    variables = yaml.safe_load((work / "inventories/mine/group_vars/all/main.yml").read_text(encoding="utf-8"))
    assert variables["firstbell_stack_name"] == "school"
    assert variables["firstbell_app_image"] == ANSWERS["init_app"]
    assert variables["firstbell_certificate"] == "acme"


def test_what_looks_like_a_number_is_written_as_text_and_paths_are_quoted(tmp_path: Path) -> None:
    work = tmp_path / "my work"
    work.mkdir()
    done = init(work, init_domain="1.example.org", init_stack_name="1e3", init_host="192.0.2.10")
    assert done.returncode == 0, done.stdout + done.stderr
    hosts = yaml.safe_load((work / "inventories/mine/hosts.yml").read_text(encoding="utf-8"))
    assert hosts["firstbell"]["hosts"] == {"1e3": {"ansible_host": "192.0.2.10", "ansible_user": "root"}}
    text = (work / "inventories/mine/group_vars/all/main.yml").read_text(encoding="utf-8")
    assert 'firstbell_stack_name: "1e3"' in text
    output = " ".join(done.stdout.split())
    assert f"-i '{work}/inventories/mine' --vault-password-file '{work}/.vault_password'" in output


def test_all_secrets_are_generated_strong_and_different(made: tuple[Path, str]) -> None:
    values = secrets_of(made[0])
    assert set(values) == SECRETS
    assert len(set(values.values())) == len(SECRETS)
    assert min(map(len, values.values())) >= 40


def test_nobody_else_can_read_them_and_none_is_printed(made: tuple[Path, str]) -> None:
    work, output = made
    for name in (".vault_password", "inventories/mine/group_vars/all/vault.yml"):
        assert stat.S_IMODE((work / name).stat().st_mode) == 0o600
    assert not [value for value in secrets_of(work).values() if value in output]
    assert (work / ".vault_password").read_text(encoding="utf-8").strip() not in output


def test_what_exists_stays(made: tuple[Path, str]) -> None:
    work, _output = made
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file() and ".ansible" not in path.parts}
    again = init(work, init_domain="other.example.org")
    assert again.returncode == 0, again.stdout
    assert {path: path.read_bytes() for path in before} == before


def test_a_source_folder_is_told_from_an_image(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "package-lock.json").touch()
    (tmp_path / "app" / "package.json").write_text('{"dependencies": {"next": "16.0.0"}}', encoding="utf-8")
    done = init(tmp_path, init_app=str(tmp_path / "app"))
    assert done.returncode == 0, done.stdout
    variables = yaml.safe_load((tmp_path / "inventories/mine/group_vars/all/main.yml").read_text(encoding="utf-8"))
    assert variables["firstbell_app_source"] == str(tmp_path / "app")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (
            {
                "init_domain": "School_X.org",
                "init_app": "/nonexist",
                "init_admin_email": "foo",
                "init_timezone": "Mars/X",
            },
            [
                "init_domain: 'School_X.org' is no host name; use lower-case letters",
                "init_app: there is no folder /nonexist on the controller",
                "init_admin_email: 'foo' is no e-mail address; write one",
                "init_timezone: 'Mars/X' is no time zone",
            ],
        ),
        (
            {"init_domain": "münchen.example.org", "init_app": "foo:latest", "init_stack_name": "Foo"},
            [
                "write its IDN form xn--mnchen-3ya.example.org",
                "init_app: 'foo:latest' does not say which version",
                "init_stack_name: 'Foo' cannot name a stack",
            ],
        ),
        (
            {"init_domain": "1.example.org", "init_app": "foo"},
            ["init_stack_name: 1.example.org gives none", "init_app: 'foo' does not say which version"],
        ),
        ({"init_domain": ""}, ["init_domain: it is empty. Answer the question"]),
    ],
    ids=["everything", "letters", "number", "empty"],
)
def test_bad_answers_are_all_told_and_nothing_is_written(
    tmp_path: Path, answers: dict[str, str], told: list[str]
) -> None:
    done = init(tmp_path, **answers)
    assert done.returncode != 0
    output = " ".join((done.stdout + done.stderr).split())
    assert "Nothing was written, because:" in output
    assert [words for words in told if words not in output] == []
    assert {path.name for path in tmp_path.iterdir()} <= {"ansible.cfg", ".ansible"}


def test_a_lost_password_is_not_replaced(made: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "inventories/mine/group_vars/all"
    folder.mkdir(parents=True)
    source = made[0] / "inventories/mine/group_vars/all/vault.yml"
    (folder / "vault.yml").write_bytes(source.read_bytes())
    done = init(tmp_path)
    assert done.returncode != 0
    assert "Bring the password back" in " ".join(done.stdout.split())
    assert not (tmp_path / ".vault_password").exists()
    assert (folder / "vault.yml").read_bytes() == source.read_bytes()
