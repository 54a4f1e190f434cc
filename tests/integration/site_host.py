# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual host of the sandbox, an inventory of its own for it, and runs of the site playbook against it."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from integration.harness import ROOT

NAME, ADDRESS = "refusals1", "10.203.0.191"
WATCHED = ("/etc", "/opt", "/usr", "/var/lib")
#: What the host's own timers write to.
LIVELY = ("/var/lib/systemd", "/var/lib/apt/periodic", "/var/lib/logrotate")
MARKER = "/run/before-the-run"


@dataclass(frozen=True)
class Outcome:
    """How a run ended, what it printed with all space made one, and which files of the host it touched."""

    code: int
    output: str
    touched: str


@dataclass(frozen=True)
class SiteHost:
    """The host and the inventory that has it."""

    directory: pathlib.Path

    @property
    def inventory(self) -> pathlib.Path:
        return self.directory / "inventories" / "refusals"

    @property
    def secrets(self) -> dict[str, str]:
        vault = self.inventory / "group_vars" / "all" / "vault.yml"
        text = subprocess.run(
            [program("ansible-vault"), "view", vault], env=self.environment, check=True, capture_output=True, text=True
        ).stdout
        secrets: dict[str, str] = yaml.safe_load(text)["firstbell_secrets"]
        return secrets

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.directory / ".vault_password"),
        }

    def shell(self, script: str) -> str:
        """Run a script on the host, past Ansible."""
        command = ["docker", "exec", "--interactive", f"firstbell-{NAME}", "sh", "-e"]
        return subprocess.run(command, input=script, check=True, capture_output=True, text=True).stdout

    def command(
        self,
        *more: str,
        playbook: str = "site",
        inventory: pathlib.Path | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> list[str]:
        command = [program("ansible-playbook"), "-i", str(inventory or self.inventory), *more]
        if variables:
            path = self.directory / "extra.json"
            path.write_text(json.dumps(variables), encoding="utf-8")
            command += ["-e", f"@{path}"]
        return [*command, str(ROOT / "playbooks" / f"{playbook}.yml")]

    def run(self, *more: str, environment: Mapping[str, str] | None = None, **options: Any) -> Outcome:
        self.shell(f"touch {MARKER}")
        process = subprocess.run(
            self.command(*more, **options),
            cwd=ROOT,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        output = " ".join((process.stdout + process.stderr).split())
        left_out = " ".join(f"-path {path} -prune -o" for path in LIVELY)
        touched = self.shell(f"find {' '.join(WATCHED)} -ignore_readdir_race -xdev {left_out} -newer {MARKER} -print")
        return Outcome(process.returncode, output, touched)


def program(name: str) -> str:
    beside = pathlib.Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name


def hosts(names: Sequence[str], group: str = "firstbell") -> str:
    """The text of an inventory in which all these names lead to the host."""
    entries = {name: {"ansible_host": ADDRESS} for name in names}
    known_hosts = ROOT / ".sandbox" / "known_hosts.d" / NAME
    connection = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(ROOT / ".sandbox" / "id_ed25519"),
        "ansible_ssh_common_args": f"-o 'UserKnownHostsFile=\"{known_hosts}\"' -o StrictHostKeyChecking=yes",
    }
    return yaml.safe_dump({group: {"hosts": entries, "vars": connection}})


@contextmanager
def running(directory: pathlib.Path) -> Iterator[SiteHost]:
    """A bare host, with the variables of inventories/sandbox and secrets of its own."""
    host = SiteHost(directory)
    (host.inventory / "group_vars" / "all").mkdir(parents=True)
    for name in (".sandbox", "examples"):
        (ROOT / name).mkdir(exist_ok=True)
        (directory / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "inventories/sandbox/group_vars/all/main.yml", host.inventory / "group_vars/all/main.yml")
    (host.inventory / "hosts.yml").write_text(hosts([NAME]), encoding="utf-8")

    def sandbox(state: str) -> None:
        command = host.command("-e", f"sandbox_state={state}", "-e", "sandbox_network_keep=true", playbook="sandbox")
        subprocess.run(command, cwd=ROOT, env=host.environment, check=True, timeout=600, stdout=subprocess.DEVNULL)

    secrets = {key: value for key, value in host.environment.items() if key != "ANSIBLE_VAULT_PASSWORD_FILE"}
    command = host.command("-e", f"init_vault_password_file={directory}/.vault_password", playbook="secrets")
    subprocess.run(command, cwd=ROOT, env=secrets, check=True, stdout=subprocess.DEVNULL)
    try:
        sandbox("present")
        yield host
    finally:
        sandbox("absent")
