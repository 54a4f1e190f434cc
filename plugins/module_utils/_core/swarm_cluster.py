# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's place in the stack's swarm, the swarm's settings, and its networks.

Whose a swarm is stands in the swarm itself: its label ``firstbell.stack`` is set by
the request that makes it, so that no interruption leaves a swarm without an owner.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import FirstbellError, InputError
from .units import format_duration

LABEL = "firstbell.stack"
GATEWAY_BRIDGE = "docker_gwbridge"
NANOSECONDS = 1_000_000_000

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


class ForeignSwarmError(FirstbellError):
    """The host is in a swarm that is not this stack's."""


@dataclass(frozen=True)
class Settings:
    """Of the whole swarm. Durations are seconds."""

    stack: str
    task_history: int
    heartbeat: float
    certificate_expiry: float


@dataclass(frozen=True)
class Network:
    """An overlay network."""

    name: str
    internal: bool = False
    attachable: bool = True
    encrypted: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """A host either ``joins`` at the addresses of managers, or makes the swarm.

    ``members`` are the ids of the nodes of the swarm to join.
    """

    settings: Settings
    networks: tuple[Network, ...]
    gateway_subnets: tuple[str, ...]
    joins: bool = False
    join_addresses: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    adopt: bool = False


@dataclass(frozen=True)
class Found:
    """What the engine says: parts of /info, /swarm and /networks (Docker Engine API v1.41)."""

    state: str  # "inactive", "pending", "active", "error" or "locked"
    manager: bool = False
    node: str = ""
    spec: Mapping[str, Any] | None = None
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One step: "bridge", "init", "join", "settings" or "network"."""

    what: str
    name: str
    before: str = ""
    after: str = ""
    network: Network | None = None


def parse_network(options: Mapping[str, Any]) -> Network:
    """A checked network."""
    if not _NAME.fullmatch(options["name"]):
        raise InputError(f'"{options["name"]}" cannot name a network; use a-z, 0-9, "_", "." and "-"')
    return Network(
        name=options["name"],
        internal=bool(options.get("internal")),
        attachable=options.get("attachable", True),
        encrypted=bool(options.get("encrypted")),
        labels={str(name): str(value) for name, value in (options.get("labels") or {}).items()},
    )


def parse_subnet(text: str) -> str:
    """A checked subnet in its usual form."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise InputError(f'"{text}" is no subnet ({error}); write it like "10.202.0.0/16"') from error


def spec(settings: Settings, current: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The swarm's specification with our settings in it; what others set stays."""
    result: dict[str, Any] = dict(current or {"Name": "default"})
    result["Labels"] = {**(result.get("Labels") or {}), LABEL: settings.stack}
    result["Orchestration"] = {
        **(result.get("Orchestration") or {}),
        "TaskHistoryRetentionLimit": settings.task_history,
    }
    result["Dispatcher"] = {
        **(result.get("Dispatcher") or {}),
        "HeartbeatPeriod": round(settings.heartbeat * NANOSECONDS),
    }
    result["CAConfig"] = {
        **(result.get("CAConfig") or {}),
        "NodeCertExpiry": round(settings.certificate_expiry * NANOSECONDS),
    }
    return result


def plan(wanted: Wanted, found: Found) -> tuple[Change, ...]:
    """The steps in their order. A foreign, locked or broken swarm raises."""
    if found.state in ("error", "locked"):
        raise FirstbellError(
            f'the swarm on this host is in the state "{found.state}"; see "docker info". '
            'A locked one needs "docker swarm unlock"; its engine\'s journal tells about an error'
        )
    changes: list[Change] = []
    if found.state == "inactive":
        if GATEWAY_BRIDGE not in found.networks and wanted.gateway_subnets:
            # Made before the swarm is, the engine takes it as it is: the only way to give it IPv6.
            changes.append(Change("bridge", GATEWAY_BRIDGE, "absent", ", ".join(wanted.gateway_subnets)))
        if wanted.joins:
            return (*changes, Change("join", "swarm", "not a member", ", ".join(wanted.join_addresses)))
        changes.append(Change("init", "swarm", "not a member", f"made for {wanted.settings.stack}"))
    else:
        _refuse_foreign(wanted, found)
        if wanted.joins:
            return ()
        before, after = differing(found.spec or {}, spec(wanted.settings, found.spec))
        if before != after:
            changes.append(Change("settings", "swarm", before, after))
    return (*changes, *_network_changes(wanted.networks, found.networks))


def shortcomings(wanted: Wanted, found: Found) -> tuple[str, ...]:
    """What cannot be changed while the host is in the swarm, for a warning."""
    bridge = found.networks.get(GATEWAY_BRIDGE)
    if bridge is None or bridge.get("EnableIPv6") or not any(":" in subnet for subnet in wanted.gateway_subnets):
        return ()
    message = (
        f"the network {GATEWAY_BRIDGE} of this host was made without IPv6: all clients that come over IPv6 share one "
        "address in the edge's logs and rate limits. To change that, leave the swarm, remove the network, run again"
    )
    return (message,)


def node_spec(
    current: Mapping[str, Any], role: str | None, availability: str | None, labels: Mapping[str, Any]
) -> dict[str, Any]:
    """A node's specification with our wishes in it; what others set stays."""
    result = dict(current)
    if role:
        result["Role"] = role
    if availability:
        result["Availability"] = availability
    result["Labels"] = {**(current.get("Labels") or {}), **{str(k): str(v) for k, v in labels.items()}}
    return result


def describe_node(node: Mapping[str, Any]) -> str:
    """A node's specification as lines, for a diff."""
    labels = "".join(f"label {name}={value}\n" for name, value in sorted((node.get("Labels") or {}).items()))
    return f"role {node.get('Role')}\navailability {node.get('Availability')}\n{labels}"


def _refuse_foreign(wanted: Wanted, found: Found) -> None:
    way_out = (
        'Take the host out of it with "docker swarm leave --force", if nothing there is needed any more, '
        "or use another host"
    )
    if wanted.joins:
        # Without the list of members (a dry run before the swarm exists) nothing can be told.
        if wanted.members and found.node not in wanted.members:
            raise ForeignSwarmError(
                f"this host is already in another swarm than that of {', '.join(wanted.join_addresses)}. {way_out}"
            )
        return
    if not found.manager:
        raise ForeignSwarmError(f"this host is a worker in a swarm of others, so it cannot lead one. {way_out}")
    owner = ((found.spec or {}).get("Labels") or {}).get(LABEL)
    if owner != wanted.settings.stack and not (owner is None and wanted.adopt):
        whose = f'the swarm of the stack "{owner}"' if owner else "a swarm that this collection did not make"
        also = "" if owner else "; swarm_adopt: true takes it over as it is"
        raise ForeignSwarmError(f"this host is already in {whose}. {way_out}{also}")


def differing(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, str]:
    """Where a swarm's specification is not the wanted one, as it is and as it should be."""
    before, after = [], []
    for section in ("Labels", "Orchestration", "Dispatcher", "CAConfig"):
        old, new = current.get(section) or {}, wanted[section]
        for key in sorted(new):
            if old.get(key) != new[key]:
                before.append(f"{section}.{key}: {_readable(key, old.get(key))}")
                after.append(f"{section}.{key}: {_readable(key, new[key])}")
    return "; ".join(before), "; ".join(after)


def _readable(key: str, value: Any) -> Any:
    """The engine's times are nanoseconds."""
    return format_duration(value / NANOSECONDS) if key in ("HeartbeatPeriod", "NodeCertExpiry") and value else value


def _network_changes(wanted: Sequence[Network], found: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    changes = []
    for network in wanted:
        actual = found.get(network.name)
        if actual is None:
            changes.append(Change("network", network.name, "absent", _shown(network), network))
            continue
        seen = _seen(actual)
        if seen != _shown(network):
            raise FirstbellError(
                f"the network {network.name} is {seen} but should be {_shown(network)}, which cannot be changed while "
                f'it exists. Stop the services on it, "docker network rm {network.name}", and run again'
            )
    return changes


def _shown(network: Network) -> str:
    return _words("overlay", network.internal, network.attachable, network.encrypted)


def _seen(actual: Mapping[str, Any]) -> str:
    encrypted = "encrypted" in (actual.get("Options") or {})
    return _words(str(actual.get("Driver")), bool(actual.get("Internal")), bool(actual.get("Attachable")), encrypted)


def _words(driver: str, internal: bool, attachable: bool, encrypted: bool) -> str:
    flags = (("internal", internal), ("attachable", attachable), ("encrypted", encrypted))
    return " ".join([driver, *(word for word, on in flags if on)])
