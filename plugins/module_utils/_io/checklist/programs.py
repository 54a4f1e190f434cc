# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's programs: the stack's own, and those of packages that it stands on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..._core.host_command import library_of, program_of
from .. import host_command, system

#: What else decides on who may do what, and what everything else is made of.
_FURTHER = (
    *("containerd", "iptables", "libpam-modules", "login", "openssh-server", "passwd", "runc", "sudo", "systemd"),
    *("apt", "bash", "coreutils", "dash", "dpkg", "libc-bin", "util-linux"),
)
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
#: What the stack's commands and its administrators type.
_NAMES = ("apt-get", "containerd", "docker", "dockerd", "dpkg", "iptables", "nft", "ps", "runc", "ss", "sshd", "sudo")
_TYPED = tuple(f"{folder}/{name}" for folder in ("bin", "sbin") for name in (*_NAMES, "systemctl", "journalctl"))
_PLACES = ("/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/libexec/", "/bin/", "/sbin/", "/lib/")


def gather(expected: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from what this playbook would install; and packages that are gone, or are not what was installed."""
    commands = [one for role in expected.values() if isinstance(role, Mapping) for one in role.get("commands", [])]
    wanted = [name for role in expected.values() if isinstance(role, Mapping) for name in role.get("packages", [])]
    asked = sorted({*wanted, *_FURTHER})
    show = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *asked, "docker-ce"]
    lines = system.run(show, stdin="", check=False).out.splitlines()
    there = {line.split()[0] for line in lines if line.endswith(" installed")}
    # An engine of Docker Inc. brings its own.
    needed = [name for name in wanted if not ("docker-ce" in there and name.startswith("docker"))]
    return {
        "commands": {one["name"]: differing(one) for one in commands} if expected["first"] else {},
        "missing": sorted(set(needed) - there),
        "altered": _altered(name for name in asked if name in there),
        "authorities": (system.read_text(_AUTHORITIES) or "").count("BEGIN CERTIFICATE"),
        "hiding": [path for path in map("/usr/local/{}".format, _TYPED) if hides(path)],
        "hiding_libraries": hiding_libraries(system.lines(["/sbin/ldconfig", "--print-cache"])),
    }


def hides(path: str) -> bool:
    """Whether a program is taken instead of the package's of that name."""
    name = os.path.basename(path)
    return os.path.exists(path) and any(os.path.exists(f"{folder}/{name}") for folder in ("/usr/bin", "/usr/sbin"))


def hiding_libraries(cache: Iterable[str]) -> list[str]:
    """Libraries that every program takes instead of the package's of that name, from what ldconfig knows."""
    pairs = [(name.strip(), path) for name, _arrow, path in (line.partition(" => ") for line in cache) if path]
    packaged = {name for name, path in pairs if path.startswith(_PLACES)}
    return [path for name, path in pairs if name in packaged and not path.startswith(_PLACES)]


def differing(command: Mapping[str, str]) -> list[str]:
    """The files of a command that are not as it was installed."""
    name = command["name"]
    wanted = host_command.wanted(name, command["program"], command["config"])
    found = host_command.find(library_of(name), program_of(name))
    gone = [f"{path} is missing" for path in wanted if path not in found]
    other = [
        f"{path} is not as it was installed"
        for path, file in wanted.items()
        if path in found and found[path] != (file.content, file.mode)
    ]
    return [
        *sorted(gone),
        *sorted(other),
        *(f"{path} does not belong there" for path in sorted(set(found) - set(wanted))),
    ]


def _altered(packages: Iterable[str]) -> list[dict[str, str]]:
    """Files of packages that are gone or are others, but their settings; and of which package."""
    said = system.run(["dpkg", "--verify", *packages], stdin="", check=False).out.splitlines()
    words = [line.split() for line in said]
    # "missing", or which of its properties are other ones (5: the content); then "c" for settings; then the path.
    paths = [one[-1] for one in words if len(one) == 2 and (one[0] == "missing" or "5" in one[0])]  # noqa: PLR2004
    paths = [path for path in paths if path.startswith(_PLACES)]
    if not paths:
        return []
    owners = system.run(["dpkg-query", "--search", *paths], stdin="", check=False).out.splitlines()
    of = {path: names.split(",")[0].split(":")[0] for names, _colon, path in (one.partition(": ") for one in owners)}
    return [{"path": path, "package": of.get(path, "")} for path in paths]
