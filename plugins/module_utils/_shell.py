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
    """What a function may know of the run that calls it."""

    check_mode: bool
    diff_mode: bool
    warn: Callable[[str], None]


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
    module = AnsibleModule(**arguments)
    context = Context(check_mode=module.check_mode, diff_mode=module._diff, warn=module.warn)
    try:
        result = function(module.params, context)
    except FirstbellError as error:
        partial = dict(getattr(error, "result", None) or {})
        module.fail_json(msg=str(error), **partial)
    else:
        module.exit_json(**result)
