# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Swarm membership, settings, nodes and networks over the engine's interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._core.swarm_cluster import GATEWAY_BRIDGE, Change, Found, Network, Settings, spec
from .engine_api import EngineError, call, settled, wait_until

_JOIN_SECONDS = 60
_NOT_FOUND = 404

NO_MEMBERS: dict[str, Any] = {"tokens": {"manager": "", "worker": ""}, "addresses": [], "members": []}
"""What a host answers that is no manager."""


def find() -> Found:
    """The swarm as this host's engine sees it."""
    wait_until(settled, "an answer of the Docker engine that is settled in its swarm")
    swarm = call("GET", "/info")["Swarm"]
    manager = bool(swarm["ControlAvailable"])
    return Found(
        state=swarm["LocalNodeState"],
        manager=manager,
        node=swarm["NodeID"],
        spec=call("GET", "/swarm")["Spec"] if manager else None,
        networks={network["Name"]: network for network in call("GET", "/networks")},
    )


def members() -> dict[str, Any]:
    """What other hosts need to join: both tokens, the managers' addresses, the ids of the nodes."""
    swarm = call("GET", "/info")["Swarm"]
    if not swarm["ControlAvailable"]:
        return NO_MEMBERS
    tokens = call("GET", "/swarm")["JoinTokens"]
    return {
        "tokens": {"manager": tokens["Manager"], "worker": tokens["Worker"]},
        "addresses": sorted(manager["Addr"] for manager in swarm["RemoteManagers"]),
        "members": sorted(node["ID"] for node in call("GET", "/nodes")),
    }


def make_bridge(subnets: Sequence[str]) -> None:
    """The bridge through which the containers of the swarm reach the outside and are reached."""
    call(
        "POST",
        "/networks/create",
        {
            "Name": GATEWAY_BRIDGE,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "EnableIPv6": any(":" in subnet for subnet in subnets),
            "IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]},
            "Options": {
                "com.docker.network.bridge.name": GATEWAY_BRIDGE,
                "com.docker.network.bridge.enable_icc": "false",
                "com.docker.network.bridge.enable_ip_masquerade": "true",
            },
        },
    )


def make_swarm(settings: Settings, advertise: str, listen: str, pool: str, subnet_bits: int) -> None:
    """Become the first manager."""
    body = {
        "AdvertiseAddr": advertise,
        "ListenAddr": listen,
        "DefaultAddrPool": [pool],
        "SubnetSize": subnet_bits,
        "Spec": spec(settings),
    }
    call("POST", "/swarm/init", body)
    wait_until(settled, "the start of the swarm")


def join_swarm(token: str, addresses: Sequence[str], advertise: str, listen: str) -> None:
    """Become a node of a swarm that exists.

    The engine gives up after 20 s, and goes on trying in the background.
    """
    body = {"JoinToken": token, "RemoteAddrs": list(addresses), "AdvertiseAddr": advertise, "ListenAddr": listen}
    try:
        call("POST", "/swarm/join", body, timeout=_JOIN_SECONDS + 30)
    except EngineError as error:
        if "Timeout was reached" not in str(error):
            raise
    try:
        wait_until(lambda: call("GET", "/info")["Swarm"]["LocalNodeState"] == "active", "joining", _JOIN_SECONDS)
    except EngineError as error:
        raise EngineError(
            f"{error}. See that this host reaches a manager ({', '.join(addresses)}) from the address {advertise}, "
            "which the managers' firewalls admit: 2377/tcp, 7946/tcp, 7946/udp and 4789/udp; then run again. "
            "The engine's own words: journalctl --unit docker"
        ) from None


def update_settings(settings: Settings) -> None:
    """Change the swarm's specification; what others set stays."""
    swarm = call("GET", "/swarm")
    call("POST", "/swarm/update", spec(settings, swarm["Spec"]), version=swarm["Version"]["Index"])


def make_network(change: Change) -> None:
    """An overlay network."""
    network = change.network or Network(change.name)
    call(
        "POST",
        "/networks/create",
        {
            "Name": network.name,
            "Driver": "overlay",
            "CheckDuplicate": True,
            "Internal": network.internal,
            "Attachable": network.attachable,
            "Labels": dict(network.labels),
            "Options": {"encrypted": ""} if network.encrypted else {},
        },
    )


def find_node(node: str) -> Mapping[str, Any] | None:
    """A node of the swarm by its id."""
    try:
        found: Mapping[str, Any] = call("GET", f"/nodes/{node}")
    except EngineError as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    return found


def update_node(node: Mapping[str, Any], node_spec: Mapping[str, Any]) -> None:
    """Change role, availability or labels of a node."""
    call("POST", f"/nodes/{node['ID']}/update", dict(node_spec), version=node["Version"]["Index"])
