# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package sources, the proxy and the trusted CA certificates of this host."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from .._core.apt_sources import Source, parse_apt_config, parse_deb822, parse_one_line

SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def read_sources(folder: Path = Path("/etc/apt")) -> list[Source]:
    """Everything in sources.list and sources.list.d."""
    sources: list[Source] = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix in {".list", ".sources"} and path.is_file():
            parse = parse_one_line if path.suffix == ".list" else parse_deb822
            sources += parse(path.read_text(encoding="utf-8", errors="replace"))
    return [_without_list_of_mirrors(source) for source in sources]


def _without_list_of_mirrors(source: Source) -> Source:
    """Cloud images name a file with mirrors (``mirror+file:/etc/apt/mirrors/debian.list``): its first one."""
    match = re.match(r"mirror\+file:(?://)?(/.*)", source.uri)
    if match is None:
        return source
    try:
        lines = Path(match[1]).read_text(encoding="utf-8").split()
    except OSError:
        return source
    uri = next((word for word in lines if "://" in word), source.uri)
    return Source(uri, source.suites, source.components, source.options)


def read_apt_options() -> dict[str, str]:
    """The settings of apt; none on a host without it."""
    try:
        done = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return {}
    return parse_apt_config(done.stdout.decode(errors="replace"))


def read_proxies(apt_options: dict[str, str]) -> dict[str, str]:
    """The proxy that the environment names, or else apt, as environment variables.

    One that listens on this host's loopback is left out: no container can reach it.
    """
    proxies = {name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy") if os.environ.get(name)}
    for scheme in ("http", "https"):
        value = apt_options.get(f"Acquire::{scheme}::Proxy", "")
        if value and value != "DIRECT":
            proxies.setdefault(f"{scheme}_proxy", value)
    loopback = re.compile(r"://([^/@]*@)?(localhost|127\.|\[::1\])")
    return {name: value for name, value in proxies.items() if not loopback.search(value)}


def ca_bundle(extra: str) -> str:
    """What this host trusts, and the certificates of the file ``extra`` (may be empty) as well."""
    paths = [SYSTEM_BUNDLE, *([Path(extra)] if extra else [])]
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths if path.is_file())
