# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of a service's secrets. A swarm secret cannot be changed, so each content has one of its own."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InputError

_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9])?")
_VERSIONED = re.compile(r"(.+)_([0-9a-f]{12})")
#: Limits of the engine (swarmkit, manager/controlapi/secret.go and common.go).
_MAX_BYTES = 500 * 1024
_MAX_NAME = 64


@dataclass(frozen=True)
class SecretContent:
    """A secret version that must exist; ``repr`` never shows the content."""

    name: str
    swarm_name: str
    content: bytes

    def __repr__(self) -> str:
        return f"SecretContent({self.swarm_name})"


def secret_version(cluster_id: str, content: bytes) -> str:
    """Twelve hex digits that differ whenever the content differs.

    An HMAC-SHA-256 keyed with the swarm's cluster id rather than a plain hash: the
    name of a secret is shown by ``docker service inspect`` to whoever may look, and
    a plain hash of a short password could be looked up in a table made once for all
    clusters, and would tell that two clusters use the same password.
    """
    return hmac.new(cluster_id.encode(), content, hashlib.sha256).hexdigest()[:12]


def split_secret_name(service: str, swarm_name: str) -> tuple[str, str]:
    """``("env", "0123456789ab")`` from ``academy_app_env_0123456789ab``; else the name and no version."""
    match = _VERSIONED.fullmatch(swarm_name)
    if match is None or not match[1].startswith(service + "_"):
        return swarm_name, ""
    return match[1][len(service) + 1 :], match[2]


def wanted_secret(
    service: str, user: str, secret: Mapping[str, Any], cluster_id: str
) -> tuple[dict[str, Any], SecretContent]:
    """The canonical entry of a secret and its content. ``mode`` of the secret is an int already."""
    name = secret["name"]
    where = f"secrets[{name}]"
    content = str(secret.get("value") or "").encode()
    if not 0 < len(content) <= _MAX_BYTES:
        raise InputError(f"{where}.value: it has {len(content)} bytes; write from 1 to {_MAX_BYTES} bytes")
    version = secret_version(cluster_id, content)
    swarm_name = f"{service}_{name}_{version}"
    if not _NAME.fullmatch(name) or len(swarm_name) > _MAX_NAME:
        longest = _MAX_NAME - len(service) - len(version) - 2
        raise InputError(f'{where}.name: write at most {longest} letters, digits, "-", "_" and "."')
    uid, _colon, gid = user.partition(":")
    if not uid.isdigit() or (gid and not gid.isdigit()):
        raise InputError(
            f'user: {user!r} has to be numeric where secrets are used, such as "1001:1001"; '
            "the files of the secrets belong to it"
        )
    entry = {
        "name": name,
        "version": version,
        "target": secret.get("target") or name,
        "mode": secret["mode"],
        "uid": uid,
        "gid": gid or "0",
    }
    return entry, SecretContent(name, swarm_name, content)
