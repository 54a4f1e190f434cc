# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host opens for a load test, and for how long.

The edge counts its limits by client address. All requests of a load test come from one address, so for its time the
edge believes that address when it names the address of the user that it plays. The limits stay in force for each of
these users. The names come from 198.18.0.0/15, which RFC 2544 sets aside for benchmarks: no real client has one.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..units import shown
from .wishes import MOST_SECONDS

#: Beside the measurements: signing in, steps of a search, signing out.
MOST_OPEN_SECONDS = 2 * MOST_SECONDS
_TOKEN = re.compile(r"[a-z0-9]{16,64}")
_USERS = ipaddress.ip_network("198.18.0.0/15")


@dataclass(frozen=True)
class Config:
    """Where the stack is. ``role``: as whom test data are written, never as the superuser."""

    stack: str
    directory: str
    database: str
    role: str

    @property
    def command(self) -> str:
        return f"{self.stack}-load-test"

    @property
    def unit(self) -> str:
        return f"{self.command}-window.service"

    @property
    def socket(self) -> str:
        return f"{self.directory}/run/postgres"

    @property
    def trust_file(self) -> str:
        """nginx reads it where it is there; its name is in the edge's nginx.conf."""
        return f"{self.directory}/nginx/conf/load-test.conf"

    @property
    def runtime(self) -> str:
        """Gone with a reboot."""
        return f"/run/{self.command}"


@dataclass(frozen=True)
class Request:
    """``probe``: part of a path that the generator has asked the edge for, so that its address is known."""

    probe: str
    seconds: int
    prepare: str = ""
    clean: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


def parse_config(content: Mapping[str, Any], where: str) -> Config:
    names = ("stack", "directory", "database", "role")
    missing = [name for name in names if not isinstance(content.get(name), str)]
    if missing:
        raise InputError(f"{where}: {missing[0]} is missing; run the playbook again")
    return Config(**{name: content[name] for name in names})


def parse_request(text: str) -> Request:
    """What ``open`` was asked for; raises InputError."""
    try:
        content = json.loads(text)
    except ValueError:
        raise InputError("standard input must be JSON") from None
    probe, seconds = str(content.get("probe", "")), content.get("seconds")
    if not _TOKEN.fullmatch(probe):
        raise InputError("probe must be 16 to 64 small letters and digits")
    if not isinstance(seconds, int) or not 1 <= seconds <= MOST_OPEN_SECONDS:
        raise InputError(f"seconds: {shown(seconds)} must be between 1 and {MOST_OPEN_SECONDS:.0f}")
    variables = {f"load_test.{name}": str(value) for name, value in (content.get("variables") or {}).items()}
    return Request(probe, seconds, content.get("prepare") or "", content.get("clean") or "", variables)


def probe_path(token: str) -> str:
    return f"/firstbell-load-test-{token}"


def probing_client(lines: Iterator[str], token: str) -> str:
    """The client of the access log's line about the probe; "" where there is none."""
    path = probe_path(token)
    for line in lines:
        if path not in line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("path") == path:
            return str(ipaddress.ip_address(entry["client"]))
    return ""


def trust(address: str, until: str) -> str:
    """The file for nginx."""
    ipaddress.ip_address(address)
    return f"# A load test from here, until {until} at the latest; removed by itself.\nset_real_ip_from {address};\n"


def user_address(number: int) -> str:
    """The address of the user of that number, from 0."""
    return str(_USERS[1 + number % (_USERS.num_addresses - 2)])
