# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings: the file that keeps them over a reboot, and the live values."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import FirstbellError, InputError

_NAME = re.compile(r"[a-z][a-zA-Z0-9_-]*([./][a-zA-Z0-9_:-]+)+")
_FILE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")


class SysctlError(FirstbellError):
    """A value that the kernel did not take."""


@dataclass(frozen=True)
class Change:
    """A live value to be written. ``before`` is None when the kernel lacks the name."""

    name: str
    before: str | None
    after: str


def normalise(value: object) -> str:
    """The kernel separates several values by a tab; people write spaces."""
    if isinstance(value, bool):
        return str(int(value))
    return " ".join(str(value).split())


def parse(values: Mapping[str, object]) -> dict[str, str]:
    """Checked names and values, sorted by name."""
    result: dict[str, str] = {}
    for name, value in sorted(values.items()):
        if not _NAME.fullmatch(name) or ".." in name:
            raise InputError(f'"{name}" is no kernel setting; write it like net.core.somaxconn')
        text = normalise(value)
        if not text or isinstance(value, (dict, list)) or "\0" in text:
            raise InputError(f"kernel setting {name} needs a number or a text, not {value!r}")
        result[name] = text
    return result


def parse_file_name(name: str) -> str:
    """The name of a file in /etc/sysctl.d, without its ending."""
    if not _FILE_NAME.fullmatch(name):
        raise InputError(f'"{name}" cannot name a file in /etc/sysctl.d; use letters, digits and hyphens')
    return name


def proc_path(name: str) -> str:
    """Where the kernel shows a setting. As in sysctl.d(5), a name that is
    separated by slashes keeps its dots (``net/ipv4/conf/eth0.10/rp_filter``)."""
    return "/proc/sys/" + (name if "/" in name.partition(".")[0] else name.replace(".", "/"))


def render(values: Mapping[str, str]) -> str:
    """The content of the file in /etc/sysctl.d."""
    lines = ["# Written by Ansible (firstbell.stack.sysctls); changes made here are lost."]
    return "\n".join(lines + [f"{name} = {value}" for name, value in values.items()]) + "\n"


def read(text: str) -> dict[str, str]:
    """What a file of sysctl.d(5) sets, by the path in /proc; patterns are left out, as a name counts more than they."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().lstrip("-").partition("=")
        if equals and not name.startswith(("#", ";")) and "*" not in name:
            found[proc_path(name.strip())] = normalise(value)
    return found


def plan(wanted: Mapping[str, str], live: Mapping[str, str | None]) -> tuple[Change, ...]:
    """The live values that differ."""
    return tuple(
        Change(name, live.get(name), value)
        for name, value in wanted.items()
        if live.get(name) is None or normalise(live[name]) != value
    )


def settle(failed: Mapping[str, str], optional: Iterable[str]) -> tuple[str, ...]:
    """Names the kernel did not take and that may be missing (patterns of fnmatch).

    The first that may not is an error that says how to allow it.
    """
    patterns = tuple(optional)
    for name, reason in failed.items():
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            raise SysctlError(
                f"the kernel does not take {name}: {reason}. In a container this setting may belong to the "
                "machine around it; list the name under optional if the host may go without"
            )
    return tuple(sorted(failed))
