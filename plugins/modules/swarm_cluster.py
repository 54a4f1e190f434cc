#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_cluster
short_description: Assure a host's place in the stack's swarm, the swarm's settings and its networks
version_added: 1.0.0
description:
  - Makes a swarm on the first host, or joins a host to it, and keeps settings and overlay networks as they should be.
  - The swarm carries the name of the stack as a label. A host that is in any other swarm is refused, not changed.
  - Before a host enters the swarm, its C(docker_gwbridge) can be made with subnets of IPv4 and IPv6. Ports that are
    published in host mode then see the addresses of IPv6 clients as well.
author:
  - firstbell contributors (@firstbell)
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  advertise_address:
    description: Address at which the other hosts reach this one. It cannot change while the host is in the swarm.
    type: str
    required: true
  listen_address:
    description: Address on which the swarm's port 2377 is opened. Omitted, it is O(advertise_address).
    type: str
  address_pool:
    description: Where the subnets of overlay networks are taken from, when the swarm is made.
    type: str
    default: 10.202.0.0/16
  subnet_bits:
    description: Length of the prefix of each overlay network.
    type: int
    default: 24
  gateway_subnets:
    description: Subnets of C(docker_gwbridge), one of IPv4 and one of IPv6. Empty leaves it to the engine.
    type: list
    elements: str
    default: []
  task_history_limit:
    description: How many ended tasks are remembered for each replica.
    type: int
    default: 5
  dispatcher_heartbeat:
    description: How often hosts report to a manager, such as V(5s). After three missing reports a host is lost.
    type: str
    default: 5s
  certificate_expiry:
    description: How long the certificate of a host is valid. It is renewed by itself.
    type: str
    default: 90d
  networks:
    description: Overlay networks that must exist. They are made by the host that makes the swarm.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the network.
        type: str
        required: true
      internal:
        description: Whether it has no way to the outside.
        type: bool
        default: false
      attachable:
        description: Whether containers that are not a service may use it.
        type: bool
        default: true
      encrypted:
        description: Whether traffic between hosts is encrypted by IPsec.
        type: bool
        default: false
      labels:
        description: Labels, set when it is made.
        type: dict
        default: {}
  adopt:
    description: Whether a swarm without a label, led by this host, may be taken over.
    type: bool
    default: false
  join:
    description: Given, the host joins a swarm and does not make one. See M(firstbell.stack.swarm_members).
    type: dict
    suboptions:
      token:
        description: Token of a manager or worker. It may be empty for a host that already is a member.
        type: str
        required: true
      addresses:
        description: Addresses of managers, with their port.
        type: list
        elements: str
        required: true
      members:
        description: Ids of the nodes of the swarm.
        type: list
        elements: str
        required: true
attributes:
  check_mode:
    description: Says what would be changed and changes nothing. Works on a host without an engine.
    support: full
  diff_mode:
    description: Shows membership, settings and networks.
    support: full
"""

EXAMPLES = r"""
- name: Have a swarm of one
  firstbell.stack.swarm_cluster:
    stack: academy
    advertise_address: 192.0.2.10
    gateway_subnets: [10.201.255.0/24, "fd1b:e110:5::/64"]
    networks:
      - name: academy_edge
      - name: academy_data
        internal: true
"""

RETURN = r"""
node_id:
  description: Id of this host in the swarm. Empty in check mode when it is not a member yet.
  type: str
  returned: success
changes:
  description: The steps that were taken, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [init swarm, network academy_edge]
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.swarm_cluster import (
    Change,
    Found,
    Settings,
    Wanted,
    parse_network,
    parse_subnet,
    plan,
    shortcomings,
)
from ..module_utils._core.units import parse_duration
from ..module_utils._io import engine_api, swarm_api


def parse(params: Mapping[str, Any]) -> Wanted:
    join = params["join"]
    return Wanted(
        settings=Settings(
            stack=params["stack"],
            task_history=params["task_history_limit"],
            heartbeat=parse_duration(params["dispatcher_heartbeat"], "dispatcher_heartbeat"),
            certificate_expiry=parse_duration(params["certificate_expiry"], "certificate_expiry"),
        ),
        networks=tuple(parse_network(options) for options in params["networks"]),
        gateway_subnets=tuple(parse_subnet(subnet) for subnet in params["gateway_subnets"]),
        joins=join is not None,
        join_addresses=tuple(join["addresses"]) if join else (),
        members=tuple(join["members"]) if join else (),
        adopt=params["adopt"],
    )


def apply(change: Change, wanted: Wanted, params: Mapping[str, Any]) -> None:
    advertise = params["advertise_address"]
    listen = params["listen_address"] or advertise
    if change.what == "bridge":
        swarm_api.make_bridge(wanted.gateway_subnets)
    elif change.what == "init":
        pool = parse_subnet(params["address_pool"])
        swarm_api.make_swarm(wanted.settings, advertise, listen, pool, params["subnet_bits"])
    elif change.what == "join":
        if not wanted.join_addresses:
            raise FirstbellError("there is no swarm to join: the first host of swarm_hosts is not a manager")
        swarm_api.join_swarm(params["join"]["token"], wanted.join_addresses, advertise, listen)
    elif change.what == "settings":
        swarm_api.update_settings(wanted.settings)
    else:
        swarm_api.make_network(change)


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    wanted = parse(params)
    bare = context.check_mode and not engine_api.answers()
    found = Found("inactive") if bare else swarm_api.find()
    changes = plan(wanted, found)
    for warning in shortcomings(wanted, found):
        context.warn(warning)
    if changes and not context.check_mode:
        for change in changes:
            apply(change, wanted, params)
        found = swarm_api.find()
        left = plan(replace(wanted, members=(*wanted.members, found.node)), found)
        if left:
            raise FirstbellError("the swarm did not take: " + ", ".join(f"{c.what} {c.name}" for c in left))
    return {
        "changed": bool(changes),
        "changes": [f"{change.what} {change.name}" for change in changes],
        "node_id": found.node,
        "diff": {
            "before": "".join(f"{change.name}: {change.before}\n" for change in changes),
            "after": "".join(f"{change.name}: {change.after}\n" for change in changes),
        },
    }


def main() -> None:
    network = {
        "name": {"type": "str", "required": True},
        "internal": {"type": "bool", "default": False},
        "attachable": {"type": "bool", "default": True},
        "encrypted": {"type": "bool", "default": False},
        "labels": {"type": "dict", "default": {}},
    }
    join = {
        "token": {"type": "str", "required": True, "no_log": True},
        "addresses": {"type": "list", "elements": "str", "required": True},
        "members": {"type": "list", "elements": "str", "required": True},
    }
    _shell.run(
        {
            "argument_spec": {
                "stack": {"type": "str", "required": True},
                "advertise_address": {"type": "str", "required": True},
                "listen_address": {"type": "str"},
                "address_pool": {"type": "str", "default": "10.202.0.0/16"},
                "subnet_bits": {"type": "int", "default": 24},
                "gateway_subnets": {"type": "list", "elements": "str", "default": []},
                "task_history_limit": {"type": "int", "default": 5},
                "dispatcher_heartbeat": {"type": "str", "default": "5s"},
                "certificate_expiry": {"type": "str", "default": "90d"},
                "networks": {"type": "list", "elements": "dict", "default": [], "options": network},
                "adopt": {"type": "bool", "default": False},
                "join": {"type": "dict", "options": join},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
