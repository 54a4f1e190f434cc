# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of run_lock: who this run is, and whether the one that holds the lock still lives."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._core import runlock
from ..module_utils._io import process

MODULE = "firstbell.stack.run_lock"


class ActionModule(ActionBase):
    """Ask the host for the lock; where this controller can tell that its owner is gone, say so and ask again."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        for name in ("run", "dead"):
            if name in arguments:
                raise AnsibleActionFail(f"run_lock: {name} is for the controller to fill in; remove it from the task")
        if "override" not in arguments and runlock.OVERRIDE in task_vars:
            arguments["override"] = self._templar.template(task_vars[runlock.OVERRIDE])
        arguments["run"] = dataclasses.asdict(process.identity(_main_process(), _playbook()))

        answer = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        if answer.get("ask"):
            holder = runlock.owner(answer["lock"]["owner"])
            if not process.lives(holder):
                arguments["dead"] = answer["lock"]["token"]
                answer = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        result.update(answer)
        result.pop("ask", None)
        refusal = result.pop("refusal", "")
        if refusal:
            result.update(failed=True, msg=f"{task_vars['inventory_hostname']}: {refusal}")
        return result


def _main_process() -> int:
    """ansible-playbook itself: tasks run in workers that it forks, and that live on for a moment when it is killed."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return os.getpid()
    if not parent.is_alive():
        raise AnsibleActionFail(f"run_lock: the run of this task (pid {parent.pid}) was killed")
    return parent.pid


def _playbook() -> str:
    names = [Path(str(name)).name for name in context.CLIARGS.get("args") or ()]
    return ", ".join(names) or "ansible"
