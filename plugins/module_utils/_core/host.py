# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges whether a host can carry a stack, from what was seen on it.

Nothing here touches a host: the module ``preflight`` looks, and hands over a
``HostProbe``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .findings import Finding

LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp (include/net/tcp_states.h)."""

MINIMUM_ENGINE = (20, 10)
"""The oldest Docker engine that the collection is tested with."""

SUPPORTED_RELEASES = {"debian": ("12", "13")}


@dataclass(frozen=True)
class Listener:
    """A TCP port that somebody listens on."""

    port: int
    inode: str


@dataclass(frozen=True)
class HostProbe:
    """What was seen on a host.

    ``listeners`` maps a TCP port to the name of the program that holds it,
    ``published`` maps a port to the container or service that publishes it,
    ``data_entries`` are the names in the database's directory.
    """

    distribution: str
    release: str
    init: str
    user_of_uid: str
    group_of_gid: str
    listeners: Mapping[int, str]
    published: Mapping[int, str]
    data_entries: Sequence[str]
    data_owner: int | None
    data_version: str
    engine: str
    free_bytes: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> HostProbe:
        """Read what the module returned; JSON has turned the ports into strings."""
        fields = dict(data)
        for name in ("listeners", "published"):
            fields[name] = {int(port): owner for port, owner in fields[name].items()}
        return cls(**fields)


def parse_listeners(table: str) -> list[Listener]:
    """Read the listening sockets out of the text of /proc/net/tcp or tcp6.

    Sockets bound to a loopback address are left out: they do not hinder a
    published port.
    """
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3:4] != [LISTEN]:
            continue
        address, port = fields[1].split(":")
        if address.endswith("7F") or address == "00000000000000000000000001000000":
            continue
        found.append(Listener(int(port, 16), fields[9]))
    return found


def twin_findings(host: str, addresses: Mapping[str, Collection[str]]) -> list[Finding]:
    """Name the other hosts of the inventory that share an address with ``host``: they are one machine."""
    findings = []
    for other in sorted(set(addresses) - {host}):
        shared = sorted(set(addresses[host]) & set(addresses[other]))
        if shared:
            problem = f"{host} and {other} are the same host, {shared[0]}"
            findings.append(
                Finding("ansible_host", problem, "Give each its own address, or take one out of the inventory.")
            )
    return findings


def away_findings(facts: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Name the hosts, by name with their facts, of which nothing is known: they were not reached."""
    away = sorted(host for host, known in facts.items() if "default_ipv4" not in known)
    if not away:
        return []
    them = "it" if len(away) == 1 else "them"
    return [
        Finding(
            ", ".join(away),
            "not reached, or left out by --limit",
            f"Start {them}, see that ssh reaches {them}, or take {them} out of the inventory for good; hosts let each "
            "other in by address, so that all are needed here. "
            f"playbooks/deploy.yml, rollback.yml and verify.yml run without {them}.",
        )
    ]


def _engine_version(text: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)", text)
    return tuple(int(part) for part in match.groups()) if match else ()


def host_findings(
    probe: HostProbe,
    *,
    stack: str,
    ports: Sequence[int],
    postgres_major: str,
    uid: int = 1001,
    user: str = "firstbell",
    minimum_free_bytes: int = 0,
) -> list[Finding]:
    """List what keeps the stack from this host, each with the way out."""
    findings = []

    def found(name: str, problem: str, fix: str) -> None:
        findings.append(Finding(name, problem, fix))

    releases = SUPPORTED_RELEASES.get(probe.distribution, ())
    if probe.release not in releases:
        found(
            "operating system",
            f"this is {probe.distribution or 'unknown'} {probe.release}".rstrip(),
            "The collection is tested on Debian 12 and 13; use one of them.",
        )
    if probe.init != "systemd":
        found("init", f"process 1 is {probe.init}, not systemd", "Use a host that systemd runs.")
    for kind, name in (("user", probe.user_of_uid), ("group", probe.group_of_gid)):
        if name not in ("", user):
            found(
                f"{kind} id {uid}",
                f"it belongs to {name}",
                f"Every container runs as {uid}; give {name} another id"
                f" ({kind}mod --{kind[0]}id NEW {name}) or use another host.",
            )
    for port in ports:
        publisher = probe.published.get(port, "")
        holder = publisher or probe.listeners.get(port, "")
        if holder and publisher != f"{stack}_nginx":
            found(
                f"port {port}",
                f"{holder} has it",
                f"Stop and disable {holder}, or use another host: the edge needs this port.",
            )
    findings.extend(_data_findings(probe, stack, postgres_major, uid))
    if probe.engine and _engine_version(probe.engine) < MINIMUM_ENGINE:
        found(
            "Docker engine",
            f"version {probe.engine} is too old",
            "Remove it, so that the role docker installs Debian's, or update it to 20.10 or newer.",
        )
    if probe.free_bytes < minimum_free_bytes:
        found(
            "disk",
            f"{probe.free_bytes // 2**30} GiB are free under /opt and /var/lib",
            f"Images, database and logs need at least {minimum_free_bytes // 2**30} GiB.",
        )
    return findings


def _data_findings(probe: HostProbe, stack: str, major: str, uid: int) -> list[Finding]:
    directory = f"/opt/{stack}/data/postgres"
    way_out = f"Move it away (mv {directory} {directory}.old) or choose another firstbell_stack_name."
    strangers = sorted(set(probe.data_entries) - {major})
    if strangers:
        listed = ", ".join(strangers[:5])
        return [Finding(directory, f"it holds files that are not this stack's: {listed}", way_out)]
    findings = []
    if probe.data_entries and probe.data_owner != uid:
        findings.append(Finding(directory, f"its owner is {probe.data_owner}, not {uid}", way_out))
    if probe.data_version not in ("", major):
        findings.append(Finding(directory, f"it is a cluster of PostgreSQL {probe.data_version}, not {major}", way_out))
    return findings
