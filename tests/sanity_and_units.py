#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``ansible-test sanity`` or ``ansible-test units`` on a copy of the collection; arguments are handed on.

``ansible-test`` wants a folder ansible_collections/firstbell/stack without links.
It bootstraps pip for its virtual environments with a script from a host that a
company mirror does not carry; a script of the same name in its cache, which
uses Python's own ensurepip, lets it work from the package index alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ansible_test

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("galaxy.yml", "meta", "roles", "plugins", "playbooks", "images", "changelogs")
BOOTSTRAP = '''\
"""Installs pip from Python's own bundle, then what is asked for."""
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip", "--upgrade", "--default-pip"])
wanted = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
if wanted:
    subprocess.check_call([sys.executable, "-m", "pip", "install", *wanted])
'''


def provide_bootstrap() -> None:
    """Put the stand-in where ansible-test looks before it downloads."""
    source = Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
    cache = Path.home() / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    versions = re.findall(r"(\d+\.\d+(?:\.\d+)?)", source.read_text(encoding="utf-8"))
    for version in {*versions, "20.3.4", "21.3.1", "23.1.2", "24.0"}:
        path = cache / f"get_pip_{version.replace('.', '_')}.py"
        if not path.exists():
            path.write_text(BOOTSTRAP, encoding="utf-8")


def copy_collection(destination: Path, more: tuple[str, ...]) -> None:
    """Copy what a release ships, and more."""
    (destination / "tests").mkdir(parents=True)
    for name in (*SHIPPED, *more):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, destination / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        elif source.exists():
            shutil.copy2(source, destination / name)


def main(arguments: list[str]) -> int:
    provide_bootstrap()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(Path(sys.executable).parent / "ansible-test"), *arguments, "--venv", "--python", python]
    # Its own environments must not see this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    # Outside of the checkout: ansible-test would ask git, which ignores the copy.
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work) / "ansible_collections" / "firstbell" / "stack"
        copy_collection(copy, ("tests/unit", "docs/recovery", "docs/runbooks") if "units" in arguments else ())
        return subprocess.run(command, cwd=copy, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
