# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``preflight``: variables, secrets and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.findings import Finding, refuse
from ..module_utils._core.host import HostProbe, host_findings
from ..module_utils._core.secrets import check_secrets
from ..module_utils._core.units import parse_size
from ..module_utils._core.variables import unknown_variables, value_findings

ROLES = Path(__file__).resolve().parents[2] / "roles"
DERIVED = {"firstbell_plan", "firstbell_directory"}
OTHER_TOOLS = {"demo", "init", "sandbox"}
"""Roles that are no part of a stack: their inputs do not belong into its inventory."""


@cache
def known_options() -> dict[str, dict[str, Any]]:
    """Read the inputs of all roles from their argument specs."""
    options: dict[str, dict[str, Any]] = {}
    for path in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        if path.parents[1].name in OTHER_TOOLS:
            continue
        specs = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        options.update(specs["main"].get("options", {}))
    return options


class ActionModule(ActionBase):
    """Collect every finding, then refuse once."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        probed = self._execute_module(module_name="firstbell.stack.preflight", task_vars=task_vars)
        result.update(probed)
        if result.get("failed"):
            return result
        findings = [*self._variable_findings(task_vars), *self._host_findings(probed["probe"], task_vars)]
        try:
            refuse(findings, f"{task_vars['inventory_hostname']} is left as it is, because:")
        except FirstbellError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _variable_findings(self, task_vars: Mapping[str, Any]) -> list[Finding]:
        options = known_options()
        findings = unknown_variables(task_vars, [*options, *DERIVED])
        values: dict[str, Any] = {}
        for name, option in options.items():
            if name in task_vars:
                try:
                    values[name] = self._templar.template(task_vars[name])
                except AnsibleError as error:
                    findings.append(Finding(name, str(error), "Mend the expression."))
            elif option.get("required") and name.startswith("firstbell_"):
                fix = "Set it in the inventory's group_vars."
                if name == "firstbell_secrets":
                    fix = "Write them once with playbooks/init.yml, and pass the vault's password."
                findings.append(Finding(name, "it is missing", fix))
        findings += self._type_findings(values)
        findings += value_findings({name: str(values[name]) for name in values if name != "firstbell_secrets"})
        if isinstance(values.get("firstbell_secrets"), Mapping):
            findings += check_secrets(values["firstbell_secrets"])
        if not findings:  # with wrong inputs the plan would only repeat the complaint
            try:
                self._templar.template(task_vars["firstbell_plan"])
            except AnsibleError as error:
                findings.append(Finding("the plan", str(error), ""))
        return findings

    def _type_findings(self, values: Mapping[str, Any]) -> list[Finding]:
        findings = []
        for name, value in values.items():
            option = {key: entry for key, entry in known_options()[name].items() if key != "required"}
            if option.get("no_log"):
                if not isinstance(value, Mapping):  # the validator would print the value
                    findings.append(Finding(name, "it is not a dictionary", "Write it with playbooks/init.yml."))
                continue
            validated = ArgumentSpecValidator({name: option}).validate({name: value})
            findings += [Finding(name, message, "") for message in validated.error_messages]
        return findings

    def _host_findings(self, probe: Mapping[str, Any], task_vars: Mapping[str, Any]) -> list[Finding]:
        args = self._task.args
        return host_findings(
            HostProbe.from_dict(probe),
            stack=args["stack"],
            ports=args.get("ports", [80, 443]),
            postgres_major=str(args.get("postgres_major", "17")),
            minimum_free_bytes=parse_size(args.get("minimum_free", "10GB")),
        )
