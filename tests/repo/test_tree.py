# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for every file of the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from repo.conftest import ROOT, tracked_files

MAXIMUM_PYTHON_LINES = 400
MAXIMUM_LINES_OF_THE_SAMPLE_APP = 499
FILES = tracked_files()
PYTHON = [path for path in FILES if path.suffix == ".py" and "examples" not in path.parts]
CORE = [path for path in PYTHON if "_core" in path.parts]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_python_files_carry_their_licence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text or "SPDX-License-Identifier: GPL-3.0-or-later" in text


@pytest.mark.parametrize("path", [path for path in PYTHON if "plugins" in path.parts], ids=name)
def test_python_files_are_one_room(path: Path) -> None:
    text = re.sub(r'^[A-Z]+ = r"""\n.*?^"""$', "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(text.splitlines()) <= MAXIMUM_PYTHON_LINES


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_is_pure(path: Path) -> None:
    imported = re.findall(r"^(?:from|import)\s+([a-z_]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert not {"ansible", "docker", "psycopg", "subprocess", "socket", "requests"} & set(imported)


def test_the_sample_app_stays_small() -> None:
    """Lines of code: no blank ones, no comments; not its tests and not its schema in SQL and Prisma's language."""
    app = ROOT / "examples" / "attendance_app"
    own = [path for path in FILES if app in path.parents and path.suffix in (".ts", ".tsx", ".mjs", ".css")]
    own = [path for path in own if app / "tests" not in path.parents]
    blank = re.compile(r"\s*(?://.*|/?\*.*)?")
    lines = [line for path in own for line in path.read_text(encoding="utf-8").splitlines()]
    assert 0 < len([line for line in lines if not blank.fullmatch(line)]) <= MAXIMUM_LINES_OF_THE_SAMPLE_APP


def test_nothing_of_a_machine_is_in_the_tree() -> None:
    forbidden = re.compile(rb"/(?:work|farm)/(?:main|shared)|/tmp/(?:fb|bash_jobs)")
    offenders = [name(path) for path in FILES if forbidden.search(path.read_bytes()) and path != Path(__file__)]
    assert not offenders


def test_no_secret_is_in_the_tree() -> None:
    assert not [name(path) for path in FILES if path.name in ("vault.yml", ".vault_password", "id_ed25519")]
    keys = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]{20}")
    assert not [name(path) for path in FILES if keys.search(path.read_bytes())]
