# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host comes by its updates, as the checks judge it."""

from __future__ import annotations

import glob
import os
import re
import socket
from collections.abc import Iterable
from typing import Any

from .. import system
from . import host

_PROXIES = ("Acquire::http::Proxy", "Acquire::https::Proxy")
_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
_TRUSTED = re.compile(r"^\s*(?:deb.*\[.*trusted=yes.*\]|Trusted:\s*yes)", re.MULTILINE | re.IGNORECASE)
_PREFERENCES = ("/etc/apt/preferences", "/etc/apt/preferences.d/*")
_NEVER = re.compile(r"^Pin-Priority:\s*-", re.MULTILINE)
_INSECURE = ("APT::Get::AllowUnauthenticated", "Acquire::AllowInsecureRepositories")
#: Of each index that apt has: what ``suites`` lists, and by what it is known and where it is written down.
_INDEXES = "$(SUITE) $(SITE) $(RELEASE)\t$(ORIGIN)\t$(CODENAME)\t$(RELEASE)\t$(SITE)\t$(SOURCESENTRY)"
_CODENAME = re.compile(r'^VERSION_CODENAME="?([^"\n]+)', re.MULTILINE)
_OF_INDEX = ("origin", "codename", "release", "site", "entry")
_UNMET = "have unmet dependencies:"
_ON = ("1", "true", "yes")
_SITE = re.compile(r" https?://([^/:@ ]+)")
_NOWHERE = ("127.", "0.", "::1", "::")


def gather() -> dict[str, Any]:
    """What apt would update, from the lists that it has."""
    simulated = system.run(["apt-get", "--simulate", "--quiet", "dist-upgrade"], stdin="", check=False, timeout=60)
    listed = system.lines(["apt-get", "indextargets", "--format", _INDEXES])
    indexes = [line.split("\t") for line in sorted(set(listed))]
    suites = sorted({words[0] for words in indexes})
    pending = [line.split()[1:] for line in simulated.out.splitlines() if line.startswith("Inst ")]
    codename = _CODENAME.search(system.read_text("/etc/os-release") or "")
    stamps = ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists")
    dump = system.lines(["apt-config", "dump"])
    return {
        "pending": [words[0] for words in pending],
        "security": [words[0] for words in pending if "security" in " ".join(words).lower()],
        "listed": max(system.modified_at(path) for path in stamps),
        "timers": host.gather_units(["apt-daily.timer", "apt-daily-upgrade.timer"]),
        "installed": system.find_program("unattended-upgrade") is not None,
        "options": [line for line in dump if line.startswith("APT::Periodic")],
        "held": system.lines(["apt-mark", "showhold"]),
        "pinned": [path for path in _glob(_PREFERENCES) if _NEVER.search(system.read_text(path) or "")],
        "passed_over": values(dump, "Unattended-Upgrade::Package-Blacklist::"),
        "origins": [
            value
            for name in ("Origins-Pattern", "Allowed-Origins")
            for value in values(dump, f"Unattended-Upgrade::{name}::")
        ],
        "reboots": any(value in _ON for value in values(dump, "Unattended-Upgrade::Automatic-Reboot")),
        "suites": suites,
        "releases": [dict(zip(_OF_INDEX, words[1:], strict=False)) for words in indexes],
        "codename": codename[1] if codename else "",
        "refused": refused(simulated),
        "audit": system.lines(["dpkg", "--audit"]),
        "unsigned": _unsigned(dump),
        "unresolved": [] if any(values(dump, name) for name in _PROXIES) else unresolved(suites),
        "reboot": os.path.exists("/run/reboot-required"),
    }


def refused(simulated: system.Result) -> str:
    """Why apt does not do what it is asked, by its first error and what that is about."""
    if simulated.code == 0:
        return ""
    errors = [line for line in f"{simulated.err}\n{simulated.out}".splitlines() if line.startswith("E: ")]
    error = errors[0] if errors else f"it ended with {simulated.code} and does not say why"
    unmet = [" ".join(line.split()) for line in simulated.out.partition(_UNMET)[2].splitlines() if line.strip()]
    return f"{error} ({unmet[0]})" if unmet else error


def values(dump: Iterable[str], name: str) -> list[str]:
    """What apt's configuration says of a name, or of all of a list, whose name ends in colons."""
    return [line.partition('"')[2].rpartition('"')[0] for line in dump if line.partition(" ")[0] == name]


def _glob(patterns: Iterable[str]) -> list[str]:
    return [path for pattern in patterns for path in sorted(glob.glob(pattern))]


def _unsigned(dump: Iterable[str]) -> list[str]:
    """Where somebody has told apt to trust what nobody has signed."""
    found = [path for path in _glob(_SOURCES) if _TRUSTED.search(system.read_text(path) or "")]
    return [*found, *(name for name in _INSECURE if any(value in _ON for value in values(dump, name)))]


def unresolved(suites: Iterable[str]) -> list[str]:
    """The hosts of apt's sources that have no address here, or only one of this host's own."""
    names = {match[1] for match in map(_SITE.search, suites) if match and match[1] != "localhost"}
    return [name for name in sorted(names) if not _leads_out(name)]


def _leads_out(name: str) -> bool:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return False
    return any(not str(entry[4][0]).startswith(_NOWHERE) or entry[4][0] == name for entry in found)
