# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host gets Debian's packages from, and the same for the images it builds.

Reads both formats of sources.list(5), the one-line one and deb822.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

#: Options of a source that belong to the mirror rather than to the suite.
_CARRIED = {"check-valid-until": "Check-Valid-Until", "check-date": "Check-Date", "trusted": "Trusted"}
_SUITE = re.compile(
    r"(?P<codename>bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)"
    r"(?P<kind>(?:-security|/updates)?)"
)
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#]+)")


@dataclass(frozen=True)
class Source:
    """One archive of a host's package sources. Names of options are in lower case."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mirrors:
    """The archive and its security updates; an empty ``security`` means that there are none."""

    main: str
    security: str
    options: Mapping[str, str] = field(default_factory=dict)


def parse_one_line(text: str) -> list[Source]:
    """The sources of a ``.list`` file."""
    sources = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.strip())
        if match is not None:
            pairs = (option.split("=", 1) for option in (match["options"] or "").split() if "=" in option)
            sources.append(
                Source(
                    match["uri"],
                    (match["suite"],),
                    tuple(match["components"].split()),
                    {name.lower(): value for name, value in pairs},
                )
            )
    return sources


def parse_deb822(text: str) -> list[Source]:
    """The sources of a ``.sources`` file, those that are switched off left out."""
    sources = []
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n[ \t]*\n", without_comments):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1] in {" ", "\t"} and name:
                fields[name] += " " + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "0"}
        if enabled and "deb" in fields.get("types", "").split():
            suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
            sources += [Source(uri, tuple(suites), tuple(components), fields) for uri in fields.get("uris", "").split()]
    return sources


def find_mirrors(sources: Iterable[Source], apt_options: Mapping[str, str] | None = None) -> Mirrors:
    """Debian's archive among the sources of a host; ``main`` is empty where there is none.

    ``apt_options`` are settings of ``apt-config dump`` such as ``Acquire::Check-Valid-Until``.
    Where the host uses a mirror of its own that has no security updates, the images get none
    either: its network may reach no other archive.
    """
    found: dict[str, Source] = {}
    for source in sources:
        if "main" not in source.components or not source.uri.startswith(("http://", "https://")):
            continue
        for suite in source.suites:
            match = _SUITE.fullmatch(suite)
            if match is not None:
                found.setdefault("security" if match["kind"] else "main", source)
    options = {}
    for source in found.values():
        options.update({_CARRIED[name]: value for name, value in source.options.items() if name in _CARRIED})
    for name in ("Check-Valid-Until", "Check-Date"):
        value = (apt_options or {}).get(f"Acquire::{name}", "")
        if value.lower() in {"false", "no", "0"}:
            options[name] = "no"
    main = found["main"].uri.rstrip("/") if "main" in found else ""
    security = found["security"].uri.rstrip("/") if "security" in found else ""
    return Mirrors(main, security, options)


def render(mirrors: Mirrors, suite: str) -> str:
    """A ``.sources`` file for the suite, its updates and its security updates."""
    archives = [(mirrors.main, f"{suite} {suite}-updates")]
    if mirrors.security:
        archives.append((mirrors.security, f"{suite}-security"))
    options = "".join(f"{name}: {value}\n" for name, value in sorted(mirrors.options.items()))
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n{options}"
        for uri, suites in archives
    )


def parse_apt_config(dump: str) -> dict[str, str]:
    """The settings of ``apt-config dump``."""
    return dict(re.findall(r'^(\S+) "(.*)";$', dump, re.MULTILINE))
