# SPDX-License-Identifier: GPL-3.0-or-later
"""A private authority in real files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.certificates import AuthorityError
from ansible_collections.firstbell.stack.plugins.module_utils._io import authority
from ansible_collections.firstbell.stack.plugins.module_utils._io.authority import ensure, survey

pytest.importorskip("cryptography")


@pytest.fixture(autouse=True)
def _own_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files may belong to another user only if root runs the tests."""
    monkeypatch.setattr(authority, "_USER", os.getuid())
    monkeypatch.setattr(authority, "_ROOT", os.getuid())


def parameters(path: Path, *dns: str, name: str = "school") -> dict[str, Any]:
    return {
        "path": str(path),
        "authority": {"name": name, "valid_days": 3650, "renew_days": 1850},
        "certificates": [
            {
                "name": "edge",
                "dns": list(dns or ("school.example",)),
                "ip": ["127.0.0.1"],
                "valid_days": 397,
                "renew_days": 30,
                "owner": os.getuid(),
            }
        ],
    }


def openssl(*arguments: str | Path) -> str:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def test_what_is_issued_is_verified_by_openssl(tmp_path: Path) -> None:
    assert ensure(parameters(tmp_path), apply=True)["issued"] == ["ca", "edge"]
    edge = tmp_path / "edge"
    verified = openssl(
        "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "school.example",
        "-CAfile", edge / "ca.crt", edge / "tls.crt",
    )  # fmt: skip
    assert verified.endswith("OK\n")
    assert openssl("x509", "-noout", "-pubkey", "-in", edge / "tls.crt") == openssl(
        "pkey", "-pubout", "-in", edge / "tls.key"
    )
    assert (edge / "tls.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600


def test_the_second_time_changes_nothing(tmp_path: Path) -> None:
    ensure(parameters(tmp_path), apply=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not ensure(parameters(tmp_path), apply=True)["changed"]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_dry_run_tells_the_same_and_writes_nothing(tmp_path: Path) -> None:
    told = ensure(parameters(tmp_path / "pki"), apply=False)
    assert list(tmp_path.iterdir()) == []
    assert ensure(parameters(tmp_path / "pki"), apply=True) == told


def test_other_names_keep_the_key(tmp_path: Path) -> None:
    ensure(parameters(tmp_path), apply=True)
    key = (tmp_path / "edge" / "tls.key").read_bytes()
    assert ensure(parameters(tmp_path, "www.school.example"), apply=True)["issued"] == ["edge"]
    assert (tmp_path / "edge" / "tls.key").read_bytes() == key


@pytest.mark.parametrize("broken", ["edge/tls.crt", "edge/tls.key", "edge/ca.crt"])
@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_what_is_lost_or_broken_is_mended(tmp_path: Path, broken: str, content: bytes | None) -> None:
    ensure(parameters(tmp_path), apply=True)
    if content is None:
        (tmp_path / broken).unlink()
    else:
        (tmp_path / broken).write_bytes(content)
    assert ensure(parameters(tmp_path), apply=True)["changed"]
    assert not ensure(parameters(tmp_path), apply=True)["changed"]
    openssl("verify", "-CAfile", tmp_path / "ca.crt", tmp_path / "edge" / "tls.crt")


def test_a_readable_key_is_closed_and_reported(tmp_path: Path) -> None:
    ensure(parameters(tmp_path), apply=True)
    (tmp_path / "edge" / "tls.key").chmod(0o644)
    changes = ensure(parameters(tmp_path), apply=True)["changes"]
    assert len(changes) == 1
    assert "tls.key: mode 0644" in changes[0]
    assert (tmp_path / "edge" / "tls.key").stat().st_mode & 0o777 == 0o600


def test_an_authority_without_its_key_is_refused(tmp_path: Path) -> None:
    ensure(parameters(tmp_path), apply=True)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(AuthorityError):
        ensure(parameters(tmp_path), apply=True)


def test_a_renamed_authority_issues_everything_again(tmp_path: Path) -> None:
    ensure(parameters(tmp_path), apply=True)
    assert ensure(parameters(tmp_path, name="academy"), apply=True)["issued"] == ["ca", "edge"]
    openssl("verify", "-CAfile", tmp_path / "ca.crt", tmp_path / "edge" / "tls.crt")


def test_no_key_is_shown(tmp_path: Path) -> None:
    assert "PRIVATE" not in str(ensure(parameters(tmp_path), apply=True))


def looked_at(path: Path, days: int = 7) -> list[str]:
    return survey(str(path), "school", parameters(path)["certificates"], days)


def test_a_survey_finds_what_is_foreign_or_gone_and_not_what_a_run_would_only_renew(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    assert looked_at(tmp_path / "one") != []
    for name in ("one", "other"):
        ensure(parameters(tmp_path / name), apply=True)
    assert looked_at(tmp_path / "one") == looked_at(tmp_path / "one", 390) == []
    assert looked_at(tmp_path / "one", 400) == ["certificate of edge: 397 days are left"]
    edge = tmp_path / "one/edge"
    kept = {name: (edge / name).read_bytes() for name in ("tls.crt", "ca.crt")}
    for name in kept:
        (edge / name).write_bytes((tmp_path / "other/edge" / name).read_bytes())
    assert looked_at(tmp_path / "one") == [
        "certificate of edge: it belongs to another key",
        f"{edge}/ca.crt: missing or old",
    ]
    ensure(parameters(tmp_path / "one"), apply=True)
    assert looked_at(tmp_path / "one") == []
