# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that speaks to Ansible: arguments in, a result or an error out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from ._core.errors import FirstbellError


@dataclass(frozen=True)
class Context:
    """What a function may know of the run that calls it; ``log`` writes to the target's log."""

    check_mode: bool
    diff_mode: bool
    warn: Callable[[str], None]
    verbosity: int = 0
    log: Callable[[str], None] = lambda _text: None


class _Module(AnsibleModule):  # type: ignore[misc]
    """An AnsibleModule that keeps secrets out of the target's log.

    Ansible logs the options of every module there and cuts the values of ``no_log``
    options out of the finished text. A value inside of a list or dictionary stands in
    that text as Python writes it, so one with a line break or a quote is not found.
    """

    def _log_invocation(self) -> None:
        given = self.params
        self.params = without_secrets(given, self.argument_spec)
        try:
            super()._log_invocation()
        finally:
            self.params = given


def without_secrets(params: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the options with the value of each ``no_log`` suboption, at any depth, replaced."""
    shown: dict[str, Any] = {}
    for name, value in params.items():
        option = spec.get(name) or {}
        inner = option.get("options")
        if option.get("no_log") and value is not None:
            shown[name] = "NOT_LOGGING_PARAMETER"
        elif inner and isinstance(value, Mapping):
            shown[name] = without_secrets(value, inner)
        elif inner and isinstance(value, list):
            shown[name] = [without_secrets(item, inner) if isinstance(item, Mapping) else item for item in value]
        else:
            shown[name] = value
    return shown


def run(
    arguments: Mapping[str, Any],
    function: Callable[[dict[str, Any], Context], Mapping[str, Any]],
) -> None:
    """Call ``function(params, context)`` as an Ansible module and end the process.

    ``arguments`` are the keyword arguments of ``AnsibleModule``. The mapping that
    the function returns is the module's result. A FirstbellError fails the module
    with its message; a mapping in the error's ``result`` attribute goes with it, so
    that a run that changed something before it failed says so.
    """
    module = _Module(**arguments)
    context = Context(
        check_mode=module.check_mode,
        diff_mode=module._diff,
        warn=module.warn,
        verbosity=module._verbosity,
        log=module.log,
    )
    try:
        result = function(module.params, context)
    except FirstbellError as error:
        partial = dict(getattr(error, "result", None) or {})
        module.fail_json(msg=str(error), **partial)
    else:
        module.exit_json(**result)
