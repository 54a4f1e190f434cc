#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the tarball, installs it without a network, and uses what was installed.

What is shipped must work as well as the checkout: every module has its
documentation, and ``firstbell.stack.site`` is found and refuses an empty inventory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
FORBIDDEN = (".git/", ".venv/", ".sandbox/", "vault.yml", "node_modules/")


def call(*command: str, cwd: Path, status: int = 0, **environment: str) -> str:
    """Run a command and return its output; another status than expected ends the test."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, check=False, capture_output=True, text=True
    )
    output = done.stdout + done.stderr
    if done.returncode != status:
        sys.exit(f"{' '.join(command)}: status {done.returncode}, expected {status}\n{output}")
    return output


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "ansible.cfg").touch()
        galaxy = str(BIN / "ansible-galaxy")
        call(galaxy, "collection", "build", "--output-path", str(work), str(ROOT), cwd=work)
        (tarball,) = work.glob("firstbell-stack-*.tar.gz")
        listed = call("tar", "-tzf", str(tarball), cwd=work)
        leaked = [line for line in listed.splitlines() if any(part in line for part in FORBIDDEN)]
        if leaked:
            sys.exit(f"the tarball holds what it must not: {leaked[:5]}")

        installed = work / "collections"
        environment = {
            "ANSIBLE_COLLECTIONS_PATH": str(installed),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CONFIG": str(work / "ansible.cfg"),
        }
        install = (galaxy, "collection", "install", "--offline", "--no-deps", "-p", str(installed), str(tarball))
        call(*install, cwd=work, **environment)
        modules = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
        for module in modules:
            call(str(BIN / "ansible-doc"), f"firstbell.stack.{module}", cwd=work, **environment)
        refused = call(
            str(BIN / "ansible-playbook"), "-i", "localhost,", "firstbell.stack.site", cwd=work, status=2, **environment
        )
        if "no host in the group firstbell" not in " ".join(refused.split()):
            sys.exit(f"firstbell.stack.site did not refuse an empty inventory:\n{refused}")
        print(
            f"tarball: {len(listed.splitlines())} files, {len(modules)} modules documented, firstbell.stack.site runs"
        )


if __name__ == "__main__":
    main()
