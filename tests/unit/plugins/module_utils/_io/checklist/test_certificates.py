# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx would show if it started now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._io import authority
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist.certificates import _of, fingerprint
from cryptography import x509
from cryptography.hazmat.primitives import hashes


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Certificate and key in one file, as role edge puts them together."""
    monkeypatch.setattr(authority, "_USER", os.getuid())
    monkeypatch.setattr(authority, "_ROOT", os.getuid())
    entry = {"name": "edge", "dns": ["a.test"], "valid_days": 10, "renew_days": 5, "owner": os.getuid()}
    wanted = {"name": "school", "valid_days": 30, "renew_days": 20}
    authority.ensure({"path": str(tmp_path), "authority": wanted, "certificates": [entry]}, apply=True)
    path = tmp_path / "site.pem"
    path.write_text("".join((tmp_path / "edge" / name).read_text() for name in ("tls.crt", "tls.key")))
    return path


def test_the_fingerprint_is_the_certificates(site: Path) -> None:
    certificate = x509.load_pem_x509_certificate(site.read_bytes())
    assert _of(str(site)) == {"fingerprint": certificate.fingerprint(hashes.SHA256()).hex()}
    assert fingerprint(b"") != ""


@pytest.mark.parametrize("names", [(), ("tls.crt",), ("tls.key",), ("tls.crt", "../ca.key")])
def test_a_file_that_nginx_could_not_use_has_none(site: Path, names: tuple[str, ...]) -> None:
    site.write_text("".join((site.parent / "edge" / name).read_text() for name in names))
    assert _of(str(site)) == {"problem": "holds no certificate with its key"}


def test_one_that_is_not_there_is_missing(site: Path) -> None:
    site.unlink()
    assert _of(str(site)) == {"problem": "is missing"}
