# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's packet filter: what may come in, as data, as nftables text, and as an answer.

``render()`` and ``admits()`` read the same policy, so that a rule set which would
cut the connection it is loaded through is refused before it is loaded.

Ports that Docker publishes never pass the input hook: the engine rewrites their
destination and the packets are forwarded. The forward chain therefore asks
conntrack for the port that the client typed (``ct original proto-dst``); a packet
that was not rewritten has the same port there, so that one chain serves both ways.
An accept ends only our own chain (nft(8), verdicts), so the engine's rules still
hold; a drop is final. No table but ours is ever touched.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from .errors import FirstbellError, InputError

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}\*?")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_LAST_PORT = 65535

_HEAD = """\
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname "lo" accept
        icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept
        icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
        icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } accept
        ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
"""
_FORWARD = """\
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        ct state invalid drop
"""


class LockoutError(FirstbellError):
    """The rule set would cut the connection that loads it."""


@dataclass(frozen=True)
class Opening:
    """Ports that may be reached.

    ``source`` is "any", "peers", "containers", or "networks" with ``networks``.
    """

    first: int
    last: int
    protocol: str
    source: str
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True)
class Policy:
    """Everything that decides about a packet."""

    name: str
    openings: tuple[Opening, ...]
    peers: tuple[Network, ...]
    container_interfaces: tuple[str, ...]


def parse_networks(values: Iterable[Any], where: str) -> tuple[Network, ...]:
    """Addresses and networks, sorted and without those that others hold; names are refused."""
    networks = {_parse_network(str(value), where) for value in values}
    collapsed: list[Network] = []
    collapsed += ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    collapsed += ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    return tuple(collapsed)


def _parse_network(text: str, where: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise InputError(
            f'"{text}" in {where} is no address or network ({error}); write it like "192.0.2.7" or "2001:db8::/32"'
        ) from error


def parse_opening(rule: Mapping[str, Any]) -> Opening:
    """An opening from a rule: ``port`` (443 or "8000-8100"), ``proto``, ``source``."""
    text = str(rule["port"])
    match = _RANGE.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= _LAST_PORT:
        raise InputError(f'"{text}" is no port; write a number from 1 to 65535, or a range like "8000-8100"')
    protocol = rule.get("proto") or "tcp"
    if protocol not in ("tcp", "udp"):
        raise InputError(f'the rule for port {text} has the protocol "{protocol}"; write tcp or udp')
    source = rule.get("source") or "any"
    values = [source] if isinstance(source, str) else list(source)
    if values in (["any"], ["peers"], ["containers"]):
        return Opening(first, last, protocol, values[0])
    return Opening(first, last, protocol, "networks", parse_networks(values, f"the source of port {text}"))


def parse_policy(
    name: str, rules: Sequence[Mapping[str, Any]], peers: Sequence[str], container_interfaces: Sequence[str]
) -> Policy:
    """A checked policy. Peers that are given by name are refused: a rule set knows addresses."""
    if not _NAME.fullmatch(name):
        raise InputError(f'"{name}" cannot name a table; use lower-case letters, digits and underscores')
    for interface in container_interfaces:
        if not _INTERFACE.fullmatch(interface):
            raise InputError(f'"{interface}" is no interface name or pattern; write it like "docker*" or "br-*"')
    openings = {parse_opening(rule) for rule in rules}
    ordered = sorted(openings, key=lambda o: (o.source, str(o.networks), o.protocol, o.first, o.last))
    return Policy(name, tuple(ordered), parse_networks(peers, "the peers"), tuple(container_interfaces))


def admits(policy: Policy, source: str, port: int, protocol: str = "tcp") -> bool:
    """Whether a new connection from an outside address to a port of the host is let in."""
    address = ipaddress.ip_address(source.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback:
        return True
    for opening in policy.openings:
        if opening.protocol != protocol or not opening.first <= port <= opening.last:
            continue
        networks = policy.peers if opening.source == "peers" else opening.networks
        if opening.source == "any" or any(address in network for network in networks):
            return True
    return False


def refuse_lockout(policy: Policy, connection: tuple[str, int] | None) -> None:
    """Raise when the connection (client address, port of the host) could not be made again."""
    if connection and not admits(policy, *connection):
        address, port = connection
        raise LockoutError(
            f"the rule set would lock Ansible out: it is connected from {address} to port {port}, "
            "which no rule admits. Set firewall_ssh_port to the port that the SSH server listens on, "
            "and firewall_ssh_sources so that it holds this address (or leave it empty for any)"
        )


def render(policy: Policy) -> str:
    """The table in nftables' own language."""
    inside = [f'iifname "{interface}"' for interface in policy.container_interfaces]
    input_lines = [*(f"{match} jump from_containers" for match in inside), "jump from_outside"]
    forward_lines = [*(f"{match} accept" for match in inside), "ct status dnat jump from_outside"]
    outside = [o for o in policy.openings if o.source != "containers"]
    containers = [o for o in policy.openings if o.source == "containers"]
    return "".join(
        [
            f"table inet {policy.name} {{\n",
            _HEAD + _block(input_lines),
            _FORWARD + _block(forward_lines),
            "    chain from_outside {\n" + _block(_accepts(policy, outside)),
            "    chain from_containers {\n" + _block(_accepts(policy, containers)),
            "}\n",
        ]
    )


def render_file(policy: Policy) -> str:
    """The file that replaces the table in one transaction, also where there is none yet."""
    return (
        "#!/usr/sbin/nft -f\n"
        "# Written by Ansible (firstbell.stack.firewall); changes made here are lost.\n"
        f"table inet {policy.name}\n"
        f"delete table inet {policy.name}\n"
        f"{render(policy)}"
    )


def _block(lines: Iterable[str]) -> str:
    return "".join(f"        {line}\n" for line in lines) + "    }\n"


def _accepts(policy: Policy, openings: Sequence[Opening]) -> list[str]:
    """One line for all openings of the same source and protocol."""
    groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for opening in openings:
        for match in _source_matches(policy, opening):
            groups.setdefault((match, opening.protocol), []).append((opening.first, opening.last))
    return [
        f"{match}meta l4proto {protocol} ct original proto-dst {{ {', '.join(_merged(ports))} }} accept"
        for (match, protocol), ports in groups.items()
    ]


def _merged(ports: Iterable[tuple[int, int]]) -> list[str]:
    """Ports as nftables writes them; it refuses ranges that overlap, so they become one."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ports):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return [str(first) if first == last else f"{first}-{last}" for first, last in merged]


def _source_matches(policy: Policy, opening: Opening) -> list[str]:
    if opening.source in ("any", "containers"):
        return [""]
    networks = policy.peers if opening.source == "peers" else opening.networks
    matches = []
    for version, word in ((4, "ip"), (6, "ip6")):
        addresses = ", ".join(_shown(network) for network in networks if network.version == version)
        if addresses:
            matches.append(f"{word} saddr {{ {addresses} }} ")
    return matches


def _shown(network: Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)
