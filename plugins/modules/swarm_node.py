#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_node
short_description: Assure role, availability and labels of a swarm's node
version_added: 1.0.0
description:
  - Corrects a node by its id. Runs on a manager; delegate it there for other hosts.
  - Labels that are not listed stay.
author:
  - firstbell contributors (@firstbell)
options:
  node:
    description: Id of the node, as M(firstbell.stack.swarm_cluster) returns it. Empty is allowed in check mode only.
    type: str
    required: true
  role:
    description: Whether the node is a manager.
    type: str
    choices: [manager, worker]
  availability:
    description: Whether it takes tasks. Omitted, that is left as it is, so that a drained host stays drained.
    type: str
    choices: [active, pause, drain]
  labels:
    description: Labels that the node must have.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Says what would be changed and changes nothing.
    support: full
  diff_mode:
    description: Shows what differs.
    support: full
"""

EXAMPLES = r"""
- name: Say which host has the fast disk
  firstbell.stack.swarm_node:
    node: "{{ __swarm_cluster.node_id }}"
    labels:
      disk: ssd
"""

RETURN = r"""
node_id:
  description: Id of the node.
  type: str
  returned: success
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.errors import InputError
from ..module_utils._core.swarm_cluster import describe_node, node_spec
from ..module_utils._io import swarm_api


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    if not params["node"] and context.check_mode:
        return {"changed": True, "node_id": ""}
    node = swarm_api.find_node(params["node"])
    if node is None:
        raise InputError(f'the swarm has no node "{params["node"]}"; see "docker node ls"')
    before = node["Spec"]
    after = node_spec(before, params["role"], params["availability"], params["labels"])
    if before != after and not context.check_mode:
        swarm_api.update_node(node, after)
    return {
        "changed": before != after,
        "node_id": node["ID"],
        "diff": {"before": describe_node(before), "after": describe_node(after)},
    }


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "node": {"type": "str", "required": True},
                "role": {"type": "str", "choices": ["manager", "worker"]},
                "availability": {"type": "str", "choices": ["active", "pause", "drain"]},
                "labels": {"type": "dict", "default": {}},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
