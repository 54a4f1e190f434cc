#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctls
short_description: Assure many kernel settings at once, in the file and in the running kernel
version_added: 1.0.0
description:
  - Writes one file in C(/etc/sysctl.d) and sets those values that differ in the running kernel.
  - A setting that the kernel does not take is an error, unless it is listed under O(optional).
author:
  - firstbell contributors (@firstbell)
options:
  name:
    description: Name of the file in C(/etc/sysctl.d), without its ending.
    type: str
    required: true
  values:
    description: The settings by name. An empty dictionary removes the file and leaves the running values.
    type: dict
    required: true
  optional:
    description:
      - Names or patterns such as V(net.netfilter.*) of settings that the kernel may lack or keep to itself,
        as happens in a container. They are reported in RV(unavailable).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says what would be changed and changes nothing.
    support: full
  diff_mode:
    description: Shows the file and the running values.
    support: full
"""

EXAMPLES = r"""
- name: Have room for many connections
  firstbell.stack.sysctls:
    name: 99-academy
    values:
      net.core.somaxconn: 65535
      net.ipv4.ip_local_port_range: 10000 65000
      net.core.netdev_max_backlog: 8192
    optional: [net.core.netdev_max_backlog]
"""

RETURN = r"""
unavailable:
  description: Optional settings that the kernel did not take.
  type: list
  elements: str
  returned: success
  sample: [net.core.netdev_max_backlog]
changes:
  description: Settings that were changed in the running kernel, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [net.core.somaxconn]
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core import sysctls
from ..module_utils._io import system


def work(params: Mapping[str, Any], context: _shell.Context) -> dict[str, Any]:
    path = f"/etc/sysctl.d/{sysctls.parse_file_name(params['name'])}.conf"
    wanted = sysctls.parse(params["values"])
    content = sysctls.render(wanted) if wanted else ""
    found = system.read_text(path) or ""
    live = {name: system.read_kernel_value(sysctls.proc_path(name)) for name in wanted}
    changes = sysctls.plan(wanted, live)

    failed = {}
    for change in changes:
        kernel_path = sysctls.proc_path(change.name)
        if change.before is None:
            failed[change.name] = "it has no such setting"
        elif not system.may_write_kernel_value(kernel_path):
            failed[change.name] = "it is read-only here"
    unavailable = sysctls.settle(failed, params["optional"])
    if not context.check_mode:
        if wanted and found != content:
            system.write_text(path, content)
        elif not wanted:
            system.remove(path)
        failed = {
            change.name: reason
            for change in changes
            if change.name not in unavailable
            and (reason := system.write_kernel_value(sysctls.proc_path(change.name), change.after))
        }
        unavailable += sysctls.settle(failed, params["optional"])
    changes = tuple(change for change in changes if change.name not in unavailable)
    return {
        "changed": found != content or bool(changes),
        "changes": [change.name for change in changes],
        "unavailable": sorted(unavailable),
        "diff": [
            {"before_header": path, "after_header": path, "before": found, "after": content},
            {
                "before_header": "running kernel",
                "after_header": "running kernel",
                "before": "".join(f"{change.name} = {change.before}\n" for change in changes),
                "after": "".join(f"{change.name} = {change.after}\n" for change in changes),
            },
        ],
    }


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "name": {"type": "str", "required": True},
                "values": {"type": "dict", "required": True},
                "optional": {"type": "list", "elements": "str", "default": []},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
