#!/usr/bin/python

# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: checklist
short_description: Run the deployment checklist on a living stack
version_added: 1.0.0
author:
  - firstbell contributors (@firstbell)
description:
  - Looks at what runs on the host and compares it with what the inventory asks for, by the functions that deployed it.
    Every item of the list gets a verdict, what was measured, the target, the evidence, and the command that mends it.
  - Nothing is changed. An item that breaks is a failed one, and the others go on. The module itself fails only for a
    selection that means nothing; the verdicts are for RV(results) to tell.
  - Runs as an action, which looks from the controller at what clients see, after the module has looked from inside.
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  expected:
    description:
      - What the inventory asks for, by role, as the roles' variables C(<role>_expected) have it, and the C(plan).
    type: dict
    required: true
  secrets:
    description: The secrets by name, to look for them where they must not be seen, and to keep them out of the results.
    type: dict
    default: {}
  further_secrets:
    description:
      - Passwords that others have chosen, such as of the mail server, by the names of their variables. They are looked
        for and kept out of the results like O(secrets), and not judged by their strength.
    type: dict
    default: {}
  secret_files:
    description: What files that hold secrets are to say, by path. They are compared here, and nothing of them is told.
    type: dict
    default: {}
  service_secrets:
    description: The secrets of services by name, by the service's without the stack's. Their versions are compared.
    type: dict
    default: {}
  host:
    description: Name of the host in the results.
    type: str
    required: true
  first:
    description: Whether this is the first host, which carries the data. Others are checked for what every host needs.
    type: bool
    default: true
  only:
    description: Rows of the requirements, such as V(S31). Without it, all.
    type: list
    elements: str
    default: []
  topics:
    description: Topics, such as V(backups). Without it, all.
    type: list
    elements: str
    default: []
  address:
    description: Where the action reaches the host's public ports.
    type: str
    default: ""
  take_stock:
    description:
      - With V(true), what is warned of is not held against what was there when stock was taken of the host; RV(facts)
        has what is there, to be kept. Else what is new since then fails.
    type: bool
    default: false
  controller_time:
    description: What the controller's clock says, in seconds since 1970. The controller fills it in.
    type: float
attributes:
  check_mode:
    description: Can run in check mode and does the same there.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
"""

EXAMPLES = r"""
- name: Check the pool and the firewall
  firstbell.stack.checklist:
    stack: "{{ firstbell_stack_name }}"
    host: "{{ inventory_hostname }}"
    expected: "{{ checks_expected }}"
    secrets: "{{ firstbell_secrets }}"
    only: [S31, S107]
"""

RETURN = r"""
results:
  description: One entry for each item.
  type: list
  elements: dict
  returned: success
  sample:
    - id: pool-settings
      rows: [S31]
      topic: pool
      title: The pool of database connections has its planned size and mode
      host: bell1
      verdict: pass
      measured: pool_mode transaction, default_pool_size 20
      target: pool_mode transaction, default_pool_size 20
      reason: ""
      evidence: {command: "docker exec ... psql --command='SHOW CONFIG'", output: "default_pool_size = 20"}
      fix: ""
facts:
  description: What the checks from outside need to know of the host, and what is to be kept of it.
  type: dict
  returned: success
"""

import time
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.checklist.catalogue import CHECKS
from ..module_utils._core.checklist.custody import secret_findings, sought
from ..module_utils._core.checklist.model import Facts, parse_selection, run
from ..module_utils._io import system
from ..module_utils._io.checklist import certificates, stock
from ..module_utils._io.checklist.gather import gather


def work(params: dict[str, Any], _context: _shell.Context) -> dict[str, Any]:
    selection = parse_selection(params["only"], params["topics"], CHECKS)
    chosen = [one for one in CHECKS if selection.takes(one) and not one.outside and (params["first"] or one.everywhere)]
    secrets = sought(params["secrets"], params["further_secrets"])
    expected = {
        **params["expected"],
        "stack": params["stack"],
        "first": params["first"],
        "secret_findings": secret_findings(params["secrets"]),
        "secret_count": len(params["secrets"]),
    }
    expected["stock"] = known = None if params["take_stock"] else stock.read(params["stack"])
    start, told = time.monotonic(), params["controller_time"]
    expected["clock_ahead"] = 0.0 if told is None else time.time() - told
    names = (name for one in chosen for name in one.needs)
    handed = {name: params[name] for name in ("secret_files", "service_secrets")}
    facts, errors = gather(names, {**expected, **handed}, secrets)
    results = run(chosen, Facts(facts, expected), errors, params["host"], secrets.values())
    return {
        "changed": False,
        "results": [one.as_dict() for one in results],
        "facts": {
            "now": time.time(),
            "seconds": round(time.monotonic() - start, 3),
            "listeners": facts.get("host", {}).get("listeners", []),
            "measures": facts.get("records", {}),
            "stock": {one.id: [*one.told] for one in results if one.told},
            "has_stock": known is not None,
            "authority": system.read_text(f"/opt/{params['stack']}/pki/ca.crt") or "",
            "certificate": certificates.of_site(params["stack"]),
        },
    }


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "stack": {"type": "str", "required": True},
                "expected": {"type": "dict", "required": True},
                "secrets": {"type": "dict", "default": {}, "no_log": True},
                "further_secrets": {"type": "dict", "default": {}, "no_log": True},
                "secret_files": {"type": "dict", "default": {}, "no_log": True},
                "service_secrets": {"type": "dict", "default": {}, "no_log": True},
                "host": {"type": "str", "required": True},
                "first": {"type": "bool", "default": True},
                "only": {"type": "list", "elements": "str", "default": []},
                "topics": {"type": "list", "elements": "str", "default": []},
                "address": {"type": "str", "default": ""},
                "take_stock": {"type": "bool", "default": False},
                "controller_time": {"type": "float"},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
