# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates in files, through the Python library cryptography (38 or newer)."""

from __future__ import annotations

import ipaddress
import os
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .._core.certificates import Certificate, Pair, Wanted, WantedAuthority
from .._core.errors import FirstbellError

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

_COMMON_NAME_LENGTH_MAX = 64
# Two clocks that differ a little must not make a new certificate invalid.
_CLOCK_TOLERANCE = timedelta(minutes=10)


@dataclass(frozen=True)
class Files:
    """The three files of a folder."""

    key: Path
    certificate: Path
    authority: Path


def require_cryptography() -> None:
    if not HAS_CRYPTOGRAPHY:
        raise FirstbellError("The host lacks the Python library cryptography: apt-get install python3-cryptography")


def write(path: Path, content: bytes, mode: int, owner: int) -> None:
    """Replace a file in one step, never readable by more than it shall be in the end."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchown(file.fileno(), owner, owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def correct(path: Path, mode: int, owner: int, apply: bool) -> str | None:
    """Give an existing file or folder its mode and owner, and tell what was wrong."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    was = (status.st_mode & 0o7777, status.st_uid, status.st_gid)
    if was == (mode, owner, owner):
        return None
    if apply:
        os.chown(path, owner, owner)
        path.chmod(mode)
    return f"{path}: mode {was[0]:04o}, owner {was[1]}:{was[2]}"


def read_key(path: Path) -> Any:
    """The private key in a file, or None where there is none that can be used."""
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, TypeError):
        return None


def read_certificate(path: Path) -> Any:
    """The first certificate in a file, or None where there is none that can be used."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def look(key: Any, certificate: Any, authority_key: Any) -> Pair:
    """Describe a key and a certificate to the plan."""
    return Pair(key is not None, None if certificate is None else _describe(key, certificate, authority_key))


def _describe(key: Any, certificate: Any, authority_key: Any) -> Certificate:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    return Certificate(
        common_name=_common_name(certificate.subject),
        issuer=_common_name(certificate.issuer),
        dns=tuple(sorted(names.get_values_for_type(x509.DNSName))),
        ip=tuple(sorted(str(address) for address in names.get_values_for_type(x509.IPAddress))),
        not_after=_not_after(certificate),
        fits_key=key is not None and _public(key.public_key()) == _public(certificate.public_key()),
        issued=authority_key is not None and _signed_by(certificate, authority_key.public_key()),
    )


def _common_name(name: Any) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _not_after(certificate: Any) -> datetime:
    # not_valid_after_utc exists from cryptography 42; the older attribute has no zone and means UTC.
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_after_utc  # type: ignore[no-any-return]
    return certificate.not_valid_after.replace(tzinfo=timezone.utc)  # type: ignore[no-any-return]


def _public(key: Any) -> bytes:
    return key.public_bytes(  # type: ignore[no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _signed_by(certificate: Any, public_key: Any) -> bool:
    try:
        public_key.verify(
            certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(certificate.signature_hash_algorithm)
        )
    except (InvalidSignature, TypeError):
        return False
    return True


def new_key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


def key_bytes(key: Any) -> bytes:
    return key.private_bytes(  # type: ignore[no-any-return]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_bytes(certificate: Any) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)  # type: ignore[no-any-return]


def sign_authority(wanted: WantedAuthority, key: Any, now: datetime) -> Any:
    """A certificate for the authority, signed by itself, that may issue but not make other authorities."""
    name = _subject(wanted.common_name)
    return (
        _builder(key.public_key(), key, now, wanted.valid_days)
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def sign(wanted: Wanted, key: Any, authority: Any, authority_key: Any, now: datetime) -> Any:
    """A server certificate for the names of ``wanted``, signed by the authority."""
    names: list[Any] = [x509.DNSName(host) for host in wanted.dns]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in wanted.ip]
    subject = _subject(next((host for host in wanted.dns if len(host) <= _COMMON_NAME_LENGTH_MAX), wanted.name))
    return (
        _builder(key.public_key(), authority_key, now, wanted.valid_days)
        .subject_name(subject)
        .issuer_name(authority.subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _subject(common_name: str) -> Any:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(public_key: Any, issuer_key: Any, now: datetime, days: int) -> Any:
    return (
        x509.CertificateBuilder()
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_TOLERANCE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _usage(signs: bool) -> Any:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
