#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall
short_description: Assure a host's packet filter, with the ports that Docker publishes
version_added: 1.0.0
description:
  - Keeps one table of nftables for IPv4 and IPv6. Everything that comes in is dropped, except answers, what the
    network itself needs, and O(rules).
  - The rules hold for programs of the host and for ports that Docker publishes alike.
    Nothing else is forwarded into containers; what containers send is not limited.
  - The table is loaded in one transaction. Other tables, such as those of Docker, are never touched.
  - The file is first loaded into an empty network namespace. What the kernel lists there is compared with what it
    lists on the host, so that every change made by hand is seen.
  - A rule set that would not admit the SSH connection Ansible came through is refused.
author:
  - firstbell contributors (@firstbell)
requirements:
  - nftables 1.0.6 or newer and unshare of util-linux, on the host
options:
  name:
    description: Name of the table, and of its file in C(/etc/nftables.d).
    type: str
    default: firstbell
  state:
    description: With V(absent), table and file are removed and the host is open.
    type: str
    choices: [present, absent]
    default: present
  rules:
    description: What may be reached.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: A port such as V(443), or a range such as V(8000-8100).
        type: str
        required: true
      proto:
        description: Transport protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      source:
        description:
          - V(any) for everybody, V(peers) for O(peers), V(containers) for the containers of this host,
            or a list of addresses and networks.
        type: raw
        default: any
  peers:
    description: Addresses of the other hosts of the stack.
    type: list
    elements: str
    default: []
  container_interfaces:
    description: Names or patterns of the bridges that containers are behind.
    type: list
    elements: str
    default: [docker*, br-*]
attributes:
  check_mode:
    description: Says what would be changed. On a host without nftables the rule set is not rehearsed.
    support: full
  diff_mode:
    description: Shows the file, and the table in the kernel where that differs.
    support: full
"""

EXAMPLES = r"""
- name: Let in what the stack serves
  firstbell.stack.firewall:
    rules:
      - port: 22
        source: [192.0.2.0/24, "2001:db8::/32"]
      - port: 443
      - port: 7946
        proto: udp
        source: peers
    peers: [192.0.2.11, 192.0.2.12]
"""

RETURN = r"""
path:
  description: The file that holds the table.
  type: str
  returned: success
  sample: /etc/nftables.d/firstbell.nft
drifted:
  description: Whether the kernel held something else than the file before.
  type: bool
  returned: success
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.firewall import parse_policy, refuse_lockout, render_file
from ..module_utils._io import nftables, system


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    name = params["name"]
    policy = parse_policy(name, params["rules"], params["peers"], params["container_interfaces"])
    path = f"/etc/nftables.d/{name}.nft"
    present = params["state"] == "present"
    found = system.read_text(path) or ""
    content = render_file(policy) if present else ""
    live = expected = ""
    if nftables.installed() or (present and not context.check_mode):
        live = nftables.listing(name)
        expected = nftables.rehearse(content, name) if present else ""
    if present:
        refuse_lockout(policy, nftables.ssh_connection())

    drifted = live != expected
    if not context.check_mode:
        if present and found != content:
            system.write_text(path, content)
        if present and drifted:
            nftables.load(path)
        if not present and live:
            nftables.delete(name)
        if not present:
            system.remove(path)
    diff = [{"before_header": path, "after_header": path, "before": found, "after": content}]
    if drifted:
        header = f"table inet {name} in the kernel"
        diff.append({"before_header": header, "after_header": header, "before": live, "after": expected})
    return {"changed": found != content or drifted, "path": path, "drifted": drifted, "diff": diff}


def main() -> None:
    rule = {
        "port": {"type": "str", "required": True},
        "proto": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        "source": {"type": "raw", "default": "any"},
    }
    _shell.run(
        {
            "argument_spec": {
                "name": {"type": "str", "default": "firstbell"},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                "rules": {"type": "list", "elements": "dict", "default": [], "options": rule},
                "peers": {"type": "list", "elements": "str", "default": []},
                "container_interfaces": {"type": "list", "elements": "str", "default": ["docker*", "br-*"]},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
