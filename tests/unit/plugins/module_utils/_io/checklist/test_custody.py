# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with secrets are compared, and what they say stays where it is; dumps are what was written."""

from __future__ import annotations

import os
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._backup.files_sample import probe
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import custody, walk
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist.custody import (
    damaged_dumps,
    gather_secret_files,
)


def test_it_is_told_where_a_file_with_secrets_differs_and_not_how(tmp_path: Path) -> None:
    for name, text in {"same": "a\nb\n", "other": "a\nx\n", "longer": "a\nb\nc", "shorter": "a\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    names = ("same", "other", "longer", "shorter", "gone")
    found = gather_secret_files({str(tmp_path / name): "a\nb" for name in names})
    assert [found[str(tmp_path / name)] for name in names] == [
        "",
        "differs in line 2",
        "differs in line 3",
        "differs in line 2",
        "is missing",
    ]


def test_a_hash_that_only_the_host_can_make_is_passed_over(tmp_path: Path) -> None:
    path, hashed = tmp_path / "web.yml", f"$2b$04${'a' * 53}"
    wanted = {str(path): 'basic_auth_users:\n  admin: ""\n'}
    path.write_text(f'basic_auth_users:\n  admin: "{hashed}"\n', encoding="utf-8")
    assert gather_secret_files(wanted) == {str(path): ""}
    path.write_text(f'basic_auth_users:\n  admin: "{hashed}"\n  eve: "{hashed}"\n', encoding="utf-8")
    assert gather_secret_files(wanted) == {str(path): "differs in line 3"}


def _dump(path: Path, text: str, time: int) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (time, time))


@pytest.mark.parametrize(
    ("name", "text", "time", "said"),
    [
        ("two", "written", 10, []),
        ("two", "written", 20, []),
        ("two", "", 10, ["two has 0 bytes, and 7 were written"]),
        ("two", "wRitten", 10, ["two is not what was written"]),
        ("one", "wRitten", 20, ["one is not what was written"]),
    ],
)
def test_a_dump_that_is_not_what_was_written_is_named(
    tmp_path: Path, name: str, text: str, time: int, said: list[str]
) -> None:
    recorded = {}
    for one in ("one", "two"):
        _dump(tmp_path / one, "written", 10)
        recorded[one] = asdict(probe(str(tmp_path / one)))  # type: ignore[arg-type]
    _dump(tmp_path / name, text, time)
    assert damaged_dumps(str(tmp_path), recorded) == said


def test_a_dump_that_is_gone_is_named(tmp_path: Path) -> None:
    assert damaged_dumps(str(tmp_path), {"one": {"size": 1}}) == ["one is gone"]


def test_a_large_dump_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _dump(tmp_path / "one", "written", 10)
    monkeypatch.setattr(custody, "_SMALL_DUMP", 3)
    assert damaged_dumps(str(tmp_path), {"one": {"size": 7, "modified": 10 * 10**9, "sha256": "another"}}) == []


def test_files_for_everybody_are_small_and_in_folders_for_everybody(tmp_path: Path) -> None:
    for name in ("open/note", "open/private", "open/large", "closed/note", "data/note"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x" * (custody._SMALL_FILE + 1 if name.endswith("large") else 1))
        path.chmod(0o600 if name.endswith("private") else 0o644)
    (tmp_path / "open").chmod(0o755)
    (tmp_path / "closed").chmod(0o700)
    tmp_path.chmod(0o755)
    assert list(custody.readable(walk.below([str(tmp_path)], f"{tmp_path}/data", for_all=True))) == [
        f"{tmp_path}/open/note"
    ]


def test_a_copy_of_a_private_key_is_known_by_its_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=a -keyout key.pem"
    made = subprocess.run(command.split(), check=True, capture_output=True, cwd=tmp_path)
    key, certificate = (tmp_path / "key.pem").read_bytes(), made.stdout
    (tmp_path / "ca.key").write_bytes(key)
    (tmp_path / "site.pem").write_bytes(certificate + key)
    (tmp_path / "ca.crt").write_bytes(certificate)
    monkeypatch.setattr("glob.glob", lambda pattern: [str(tmp_path / Path(pattern).name)])
    monkeypatch.setattr(custody, "_KEYS", ("pki/ca.key", "pki/ca.crt", "nginx/site.pem"))
    found = dict(custody._private_keys("school"))
    assert sorted(found) == [f"the private key of {tmp_path}/{name}" for name in ("ca.key", "site.pem")]
    assert all(body in key and body not in certificate for body in found.values())


def test_dumps_with_rows_that_everybody_may_read_are_told(tmp_path: Path) -> None:
    begin = b"--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE a ();\n"
    rows = begin + b"COPY a FROM stdin;\n"
    contents = {"rows.sql": rows, "structure.sql": begin, "own.dump": b"PGDMP\1", "other": b"x"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o644)
    paths = [str(tmp_path / name) for name in (*contents, "none")]
    assert custody.open_dumps(paths) == [f"{tmp_path}/rows.sql", f"{tmp_path}/own.dump"]
    (tmp_path / "rows.sql").chmod(0o640)
    assert custody.open_dumps(paths) == [f"{tmp_path}/own.dump"]
