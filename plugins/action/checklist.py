# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Goes through the checklist: the module looks from inside the host, this from where the clients are."""

from __future__ import annotations

import time
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils._core.checklist.catalogue import CHECKS
from ..module_utils._core.checklist.custody import sought
from ..module_utils._core.checklist.model import Check, Facts, parse_selection, run
from ..module_utils._core.errors import FirstbellError
from ..module_utils._io.checklist.outside import gather


class ActionModule(ActionBase):
    """A host that cannot be looked at has no results, and the run goes on to the report."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        args, start = self._task.args, time.monotonic()
        try:
            selection = parse_selection(args.get("only") or [], args.get("topics") or [], CHECKS)
        except FirstbellError as error:
            raise AnsibleError(str(error)) from None
        looked = self._execute_module(module_args={**args, "controller_time": time.time()}, task_vars=task_vars)
        result.update(looked)
        if result.get("unreachable"):
            return result
        if result.get("failed"):
            # It is told in the report as well, and fails the run there.
            result.update(failed=False, results=[], broke=True)
            return result
        if args.get("first", True):
            outside = [one for one in CHECKS if one.outside and selection.takes(one)]
            known = (task_vars or {}).get("ansible_facts", {})
            own = self._address(known.get("default_ipv6", {}))
            address = str(args.get("address") or args["host"])
            inventory = str((task_vars or {}).get("inventory_dir") or "")
            facts = {
                **result.get("facts", {}),
                "inventory": inventory,
                "password_file": self._password_file(),
                "own_addresses": [*known.get("all_ipv4_addresses", []), *known.get("all_ipv6_addresses", [])],
            }
            result["results"] += self._from_outside(outside, [address, str(own)], facts)
        result["facts"] = {**result.get("facts", {}), "seconds": round(time.monotonic() - start, 1)}
        return result

    def _from_outside(self, checks: list[Check], addresses: list[str], facts: dict[str, Any]) -> list[dict[str, Any]]:
        args = self._task.args
        expected = {**args["expected"], "stack": args["stack"]}
        secrets = sought(args.get("secrets") or {}, args.get("further_secrets") or {})
        names = (name for one in checks for name in one.needs)
        seen, errors = gather(names, addresses, expected, {**facts, "secrets": secrets})
        return [one.as_dict() for one in run(checks, Facts(seen, expected), errors, args["host"], secrets.values())]

    @staticmethod
    def _address(fact: dict[str, Any]) -> str:
        """That of the host; where it has none of its own, the fact is of a bridge of the engine."""
        of_engine = str(fact.get("interface", "")).startswith(("docker", "br-", "veth"))
        return "" if of_engine else str(fact.get("address", ""))

    @staticmethod
    def _password_file() -> str:
        return str(constants.config.get_config_value("DEFAULT_VAULT_PASSWORD_FILE") or "")
