# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fingerprint of a repository's key: it tells two keys apart and gives neither away."""

from __future__ import annotations

import hashlib
import re

from .errors import FirstbellError

_KEY = re.compile(r"^repo1-cipher-pass=(.+)$", re.MULTILINE)
_DIGITS = 32


def key_of(configuration: str) -> str:
    """The key in pgBackRest's configuration; raises FirstbellError."""
    match = _KEY.search(configuration)
    if not match:
        raise FirstbellError("pgBackRest's configuration has no key; run the playbook site")
    return match[1].strip()


def fingerprint(key: str) -> str:
    """A name for a key of 256 random bits, from which it cannot be found."""
    return hashlib.sha256(b"firstbell repository key\n" + key.encode()).hexdigest()[:_DIGITS]


def compare(mine: str, kept: str | None, repository: str) -> None:
    """Raise FirstbellError if the repository was encrypted with another key. None: nothing is known yet."""
    if kept is not None and kept.strip() != mine:
        raise FirstbellError(
            f"the key was changed: {repository} is encrypted with the key {kept.strip()[:8]}..., and "
            f"firstbell_secrets.backup_key is {mine[:8]}... Bring the old key back into the vault and run the playbook "
            f"site. If it is lost, so are these backups: move {repository} away and run the playbook site, which makes "
            "a full backup with the new key"
        )
