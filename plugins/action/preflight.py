# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of ``preflight``: variables, secrets, the plan and the application's source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ..module_utils._core.app_source import source_findings
from ..module_utils._core.autoscaler.calendar import calendar_findings
from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.findings import Finding, refuse
from ..module_utils._core.host import HostProbe, away_findings, host_findings, twin_findings
from ..module_utils._core.input_checks import input_findings
from ..module_utils._core.secrets import check_foreign_secrets, check_secrets, missing_secrets, misspelt_secrets
from ..module_utils._core.sizing import sizing
from ..module_utils._core.units import parse_size
from ..module_utils._core.variables import type_finding, unknown_variables, value_findings
from ..module_utils._io.image_sources import look_into

ROLES = Path(__file__).resolve().parents[2] / "roles"
DERIVED = {"firstbell_plan", "firstbell_directory"}
OTHER_TOOLS = {"demo", "init", "sandbox"}
"""Roles that are no part of a stack: their inputs do not belong into its inventory."""

SECRETS = "firstbell_secrets"
EXTRA_SECRETS = "app_secrets_extra"
MINIMUM_FREE = "10GB"
PLAN_FILTER = "firstbell.stack.sizing"
PLAN = {
    "profile": "firstbell_profile",
    "memory": "firstbell_host_memory",
    "cpus": "firstbell_host_cpus",
    "replicas": "firstbell_app_replicas",
    "overrides": "firstbell_plan_overrides",
    "monitoring": "firstbell_monitoring",
    "autoscaling": "firstbell_autoscaling",
}
"""The arguments of the plan, and the variables that give them."""
SWITCHES = {"firstbell_autoscaling"}
"""Those that are true or false, also when they were typed with -e and are texts."""
ARGUMENT = re.compile(rf"(?m)^( *)({'|'.join(PLAN)})(?=[.:])")
"""An argument where a line of the plan's message speaks of it."""


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
        try:
            findings = [*self._variable_findings(task_vars), *self._host_findings(probed["probe"], task_vars)]
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
                    if PLAN_FILTER not in str(error):  # a plan that fails is told once, below
                        findings.append(Finding(name, str(error), "Mend the expression."))
            elif option.get("required") and name.startswith("firstbell_"):
                fix = "Set it in the inventory's group_vars."
                if name == SECRETS:
                    fix = "Write them once with playbooks/init.yml, and pass the vault's password."
                findings.append(Finding(name, "it is missing", fix))
        wrong = self._type_findings(values)
        findings += wrong
        # What has the wrong type would only be complained about twice.
        values = {name: value for name, value in values.items() if name not in {finding.name for finding in wrong}}
        findings += value_findings({name: value for name, value in values.items() if isinstance(value, str)})
        findings += input_findings(values) + calendar_findings(values)
        findings += self._secret_findings(values) + self._file_findings(values)
        if not {finding.name for finding in findings} & set(PLAN.values()):
            findings += self._plan_findings(values)
        return findings

    def _type_findings(self, values: Mapping[str, Any]) -> list[Finding]:
        findings = []
        for name, value in values.items():
            option = {key: entry for key, entry in known_options()[name].items() if key != "required"}
            if option.get("no_log"):
                # The validator would print the value.
                if option["type"] == "str" and not isinstance(value, str):
                    findings.append(Finding(name, "it is no text", "Write it in quotes."))
                elif option["type"] == "dict" and not isinstance(value, Mapping):
                    findings.append(Finding(name, "it is not a dictionary", "Write it with playbooks/init.yml."))
                continue
            messages = ArgumentSpecValidator({name: option}).validate({name: value}).error_messages
            if messages:
                findings.append(type_finding(name, value, option, messages))
        return findings

    @staticmethod
    def _secret_findings(values: Mapping[str, Any]) -> list[Finding]:
        own, extra = values.get(SECRETS), values.get(EXTRA_SECRETS)
        own = own if isinstance(own, Mapping) else None
        found = []
        if own is not None:
            found += [(SECRETS, one) for one in (*check_secrets(own), *missing_secrets(own), *misspelt_secrets(own))]
        if isinstance(extra, Mapping):
            found += [(EXTRA_SECRETS, one) for one in check_foreign_secrets(extra, own or {})]
        return [Finding(f"{variable}.{one.name}", one.problem, one.fix) for variable, one in found]

    @staticmethod
    def _file_findings(values: Mapping[str, Any]) -> list[Finding]:
        findings = []
        source, bundle = values.get("firstbell_app_source"), values.get("firstbell_ca_bundle")
        if source and values.get("images_app_template", "nextjs") == "nextjs":
            findings += source_findings(str(source), *look_into(str(source)))
        if bundle and not Path(str(bundle)).is_file():
            fix = "Give a PEM file, or leave it empty."
            findings.append(Finding("firstbell_ca_bundle", f"there is no file {bundle} on the controller", fix))
        return findings

    @staticmethod
    def _plan_findings(values: Mapping[str, Any]) -> list[Finding]:
        try:
            given = {name: boolean(value) if name in SWITCHES else value for name, value in values.items()}
            sizing(**{argument: given[name] for argument, name in PLAN.items() if name in given})
        except FirstbellError as error:
            said = re.sub(ARGUMENT, lambda found: found[1] + PLAN[found[2]], str(error))
            name, _colon, problem = said.partition(": ")
            return [Finding(name, problem, "") if name.startswith("firstbell_") else Finding("the plan", said, "")]
        return []

    def _host_findings(self, probe: Mapping[str, Any], task_vars: Mapping[str, Any]) -> list[Finding]:
        args, host = self._task.args, task_vars["inventory_hostname"]
        findings = []
        try:
            least = parse_size(args.get("minimum_free", MINIMUM_FREE), "preflight_minimum_free")
        except FirstbellError as error:
            name, _colon, problem = str(error).partition(": ")
            findings.append(Finding(name, problem, ""))
            least = parse_size(MINIMUM_FREE)
        return [
            *findings,
            *(away_findings(self._facts(task_vars)) if boolean(args.get("all_hosts", False)) else []),
            *twin_findings(host, self._addresses(task_vars)),
            *host_findings(
                HostProbe.from_dict(probe),
                stack=args["stack"],
                ports=args.get("ports", [80, 443]),
                postgres_major=str(args.get("postgres_major", "17")),
                minimum_free_bytes=least,
            ),
        ]

    @staticmethod
    def _facts(task_vars: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """What is known of each host of the group."""
        hosts = task_vars["groups"]["firstbell"]
        return {host: task_vars["hostvars"][host].get("ansible_facts") or {} for host in hosts}

    @staticmethod
    def _addresses(task_vars: Mapping[str, Any]) -> dict[str, set[str]]:
        """Where each host of the play is reached, and the address it has of its own."""
        addresses = {}
        for host in task_vars.get("ansible_play_hosts_all", [task_vars["inventory_hostname"]]):
            variables = task_vars["hostvars"][host]
            reached = f"{variables.get('ansible_host', host)}:{variables.get('ansible_port', 22)}"
            own = (variables.get("ansible_facts") or {}).get("default_ipv4", {}).get("address", "")
            addresses[host] = {reached, own} - {""}
        return addresses
