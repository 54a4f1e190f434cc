# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private authority in a directory: read it, plan, and carry the plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .._core.certificates import Pair, Step, Wanted, WantedAuthority, plan, wanted
from . import x509

_USER = 1001
_ROOT = 0


class Authority:
    """The files of one authority and of the certificates that it issues."""

    def __init__(self, directory: Path, authority: WantedAuthority, certificates: Sequence[Wanted]) -> None:
        self.directory = directory
        self.authority = authority
        self.certificates = {one.name: one for one in certificates}

    def files(self, name: str) -> x509.Files:
        if not name:
            certificate = self.directory / "ca.crt"
            return x509.Files(self.directory / "ca.key", certificate, certificate)
        folder = self.directory / name
        return x509.Files(folder / "tls.key", folder / "tls.crt", folder / "ca.crt")

    def plan(self, now: datetime) -> tuple[Step, ...]:
        authority_key = x509.read_key(self.files("").key)
        found: dict[str, Pair] = {}
        for name in ("", *self.certificates):
            files = self.files(name)
            found[name] = x509.look(x509.read_key(files.key), x509.read_certificate(files.certificate), authority_key)
        return plan(self.authority, list(self.certificates.values()), found, now)

    def apply(self, step: Step, now: datetime) -> None:
        files = self.files(step.name)
        if step.kind == "key":
            owner = self.certificates[step.name].owner if step.name else _ROOT
            x509.write(files.key, x509.key_bytes(x509.new_key()), 0o600, owner)
            return
        key = x509.read_key(files.key)
        if step.name:
            own = self.files("")
            certificate = x509.sign(
                self.certificates[step.name],
                key,
                x509.read_certificate(own.certificate),
                x509.read_key(own.key),
                now,
            )
        else:
            certificate = x509.sign_authority(self.authority, key, now)
        x509.write(files.certificate, x509.certificate_bytes(certificate), 0o644, _USER if step.name else _ROOT)

    def folders(self, apply: bool) -> list[str]:
        """Make the folders that are missing; tell which."""
        missing = [
            path
            for path in (self.directory, *(self.directory / name for name in self.certificates))
            if not path.is_dir()
        ]
        for path in missing:
            if apply:
                path.mkdir(mode=0o755, parents=True)
                x509.correct(path, 0o755, _USER, apply)
        return [f"{path}: missing" for path in missing]

    def corrections(self, apply: bool) -> list[str]:
        """Give every file its mode and owner; tell what was wrong."""
        rules = [
            (self.directory, 0o755, _USER),
            (self.files("").key, 0o600, _ROOT),
            (self.files("").certificate, 0o644, _ROOT),
        ]
        for name, one in self.certificates.items():
            files = self.files(name)
            rules += [(self.directory / name, 0o755, _USER), (files.key, 0o600, one.owner)]
            rules += [(files.certificate, 0o644, _USER), (files.authority, 0o644, _USER)]
        found = (x509.correct(path, mode, owner, apply) for path, mode, owner in rules)
        return [text for text in found if text]

    def copies(self, apply: bool) -> list[str]:
        """Put the authority's certificate beside each of its own; tell where it was missing or old."""
        own = self.files("").certificate
        content = own.read_bytes() if own.is_file() else b""
        stale = []
        for name in self.certificates:
            path = self.files(name).authority
            if not content or not path.is_file() or path.read_bytes() != content:
                stale.append(f"{path}: missing or old")
                if apply:
                    x509.write(path, content, 0o644, _USER)
        return stale


def survey(directory: str, name: str, certificates: Sequence[Mapping[str, Any]], days: int) -> list[str]:
    """What is wrong now. What is valid for ``days`` more is well, though a run would renew some of it before."""
    terms = {"valid_days": days + 1, "renew_days": days, "owner": _USER}
    authority = WantedAuthority(name, days + 2, days + 1)
    one = Authority(Path(directory), authority, wanted([{**entry, **terms} for entry in certificates], authority))
    x509.require_cryptography()
    steps = one.plan(datetime.now(timezone.utc).replace(microsecond=0))
    return [f"{step.kind} of {step.name or 'the authority'}: {step.reason}" for step in steps] + one.copies(apply=False)


def ensure(parameters: Mapping[str, Any], apply: bool) -> dict[str, Any]:
    """Make the authority and its certificates what they shall be, or tell what would be done."""
    authority = WantedAuthority(
        parameters["authority"]["name"],
        parameters["authority"]["valid_days"],
        parameters["authority"]["renew_days"],
    )
    one = Authority(Path(parameters["path"]), authority, wanted(parameters["certificates"], authority))
    folders = one.folders(apply)
    # A host without the library has no authority yet either: the dry run can tell all the same.
    if x509.HAS_CRYPTOGRAPHY or apply or not folders:
        x509.require_cryptography()
    now = datetime.now(timezone.utc).replace(microsecond=0)
    steps = one.plan(now) if x509.HAS_CRYPTOGRAPHY else plan(authority, list(one.certificates.values()), {}, now)
    if apply:
        for step in steps:
            one.apply(step, now)
    done = [f"{step.kind} of {step.name or 'the authority'}: {step.reason}" for step in steps]
    corrected = one.copies(apply) + one.corrections(apply)
    issued = [step.name or "ca" for step in steps if step.kind == "certificate"]
    changes = folders + done + corrected
    return {
        "changed": bool(changes),
        "changes": changes,
        "issued": issued,
        "diff": {"before": "".join(f"{line}\n" for line in changes), "after": ""},
    }
