# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of the images that run, and newer versions that the host's package lists know."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable
from typing import Any

from .. import system
from . import inside

VERSION = "/etc/debian_version"
_ASKED_AT_ONCE = 200


def installed(pid: int) -> dict[str, Any]:
    """Debian's release in the image, and its packages with their versions, as far as it has records."""
    release = ""
    with contextlib.suppress(inside.UnreachableError):
        release = major(inside.read(pid, VERSION))
    root = f"/proc/{pid}/root/var/lib/dpkg"
    found = {}
    for path in [f"{root}/status", *glob.glob(f"{root}/status.d/*")]:
        if os.path.isfile(path):
            found.update(_versions(system.read_text(path) or ""))
    return {"release": release, "packages": found}


def major(text: str) -> str:
    """The release in a file debian_version: 13 of 13.2; a name before it is released."""
    return text.strip().partition(".")[0]


def _versions(text: str) -> dict[str, str]:
    found = {}
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if "Package" in fields and "Version" in fields:
            found[fields["Package"]] = fields["Version"]
    return found


def candidates(names: Iterable[str]) -> dict[str, str]:
    """The version of each package that apt would install on this host, from the lists that it has."""
    wanted, found = sorted(set(names)), {}
    for start in range(0, len(wanted), _ASKED_AT_ONCE):
        said = system.run(["apt-cache", "policy", *wanted[start : start + _ASKED_AT_ONCE]], stdin="", timeout=60).out
        name = ""
        for line in said.splitlines():
            if line and not line.startswith(" "):
                name = line.rstrip(":").partition(":")[0]
            elif line.strip().startswith("Candidate:"):
                found[name] = line.split(":", 1)[1].strip()
    return found


def newer(candidate: str, version: str) -> bool:
    """Whether the one version is newer, as dpkg orders them."""
    return system.run(["dpkg", "--compare-versions", candidate, "gt", version], stdin="", check=False).code == 0
