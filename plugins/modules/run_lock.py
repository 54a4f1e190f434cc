#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Lets one run at a time work on a host
version_added: 1.0.0
description:
  - Takes a lock on the host for the run, which is the main process of C(ansible-playbook). A second run is refused and
    told who holds it, since when, and what to type.
  - The lock of a run that is gone, killed or cut off, is taken over at once by the next one of the same controller,
    which looks for the process. Other controllers cannot see it and wait for O(ttl). A lock whose controller was
    started anew since is taken over by that controller as well.
  - A run that has the lock and asks again keeps it and renews its time.
  - Taking and giving back the lock is reported as no change. It lies there for the time of the run only and changes
    nothing that the host does, and a second run that has nothing to do must say so.
author:
  - firstbell contributors (@firstbell)
attributes:
  action:
    support: full
    description: Runs partly on the controller, which knows who the run is and which other runs it still sees.
  check_mode:
    support: full
    description: Refuses as it would otherwise, and writes nothing.
  diff_mode:
    support: none
    description: There is no change to show.
options:
  state:
    description:
      - V(present) takes the lock.
      - V(absent) gives it back. The lock of another run stays.
    type: str
    choices: [present, absent]
    default: present
  ttl:
    description: How long a lock counts for controllers that cannot see whether its run still lives, such as V(2h).
    type: str
    default: 2h
  override:
    description:
      - Takes the lock from whoever has it.
      - Where the option is not given, the variable C(firstbell_lock_override) decides.
    type: bool
    default: false
  path:
    description: The lock's file.
    type: path
    default: /var/lib/firstbell/lock/run.json
  run:
    description: Who the run is. The controller fills it in, and a task does not set it.
    type: dict
    suboptions:
      machine:
        description: Hash of the controller's machine id and name.
        type: str
        default: ''
      boot:
        description: Boot id of the controller's kernel.
        type: str
        default: ''
      namespace:
        description: Namespace of the process id.
        type: str
        default: ''
      pid:
        description: Main process of the run.
        type: int
        required: true
      started:
        description: Start of the process in clock ticks since the boot.
        type: int
        default: 0
      user:
        description: Who started it.
        type: str
        required: true
      host:
        description: Name of the controller.
        type: str
        required: true
      playbook:
        description: Name of the playbook.
        type: str
        default: ''
  dead:
    description: Token of a lock whose run the controller knows to be gone. A task does not set it.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Keep other runs away
  firstbell.stack.run_lock:

- name: Let other runs in
  firstbell.stack.run_lock:
    state: absent
"""

RETURN = r"""
action:
  description:
    - What was done, or would be in check mode. One of V(acquire), V(keep), V(take over), V(refuse), V(release) and
      V(nothing).
  returned: always
  type: str
  sample: acquire
lock:
  description: The lock as it was found, without a lock of this run that was kept.
  returned: when there was one
  type: dict
  sample:
    owner: {host: laptop, pid: 4711, playbook: site.yml, user: alice}
    since: 1767254400.0
    token: 1f0c3a
    ttl: 7200.0
"""

import dataclasses
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core import runlock
from ..module_utils._core.errors import InputError
from ..module_utils._core.units import parse_duration
from ..module_utils._io.lock_file import LockFile

RUN = {
    "machine": {"type": "str", "default": ""},
    "boot": {"type": "str", "default": ""},
    "namespace": {"type": "str", "default": ""},
    "pid": {"type": "int", "required": True},
    "started": {"type": "int", "default": 0},
    "user": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "playbook": {"type": "str", "default": ""},
}
ARGUMENTS = {
    "argument_spec": {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "ttl": {"type": "str", "default": "2h"},
        "override": {"type": "bool", "default": False},
        "path": {"type": "path", "default": "/var/lib/firstbell/lock/run.json"},
        "run": {"type": "dict", "options": RUN},
        "dead": {"type": "str", "default": "", "no_log": False},
    },
    "supports_check_mode": True,
}


def lock(params: dict[str, Any], context: _shell.Context) -> Mapping[str, Any]:
    if not params["run"]:
        raise InputError("run is missing: the controller fills it in, so run_lock works as a task, not by itself")
    me = runlock.owner(params["run"])
    ttl = parse_duration(params["ttl"], "ttl")
    file = LockFile(params["path"])
    with file.exclusively(create=params["state"] == "present" and not context.check_mode):
        record, now = file.read(), time.time()
        if params["state"] == "absent":
            decision = runlock.release(record, me, params["override"])
        else:
            decision = runlock.acquire(record, me, now, params["dead"], params["override"])
        if not context.check_mode:
            _write(file, decision, record, me=me, now=now, ttl=ttl)
    return {"changed": False, "action": decision.action, **_told(params, context, decision, record, now)}


def _write(
    file: LockFile,
    decision: runlock.Decision,
    record: runlock.Record | None,
    *,
    me: runlock.Owner,
    now: float,
    ttl: float,
) -> None:
    if decision.action == "release":
        file.remove()
    elif decision.action in ("acquire", "take over"):
        file.write(runlock.Record(me, uuid.uuid4().hex, now, now, ttl))
    elif decision.action == "keep" and record is not None:
        file.write(dataclasses.replace(record, renewed=now, ttl=ttl))


def _told(
    params: dict[str, Any],
    context: _shell.Context,
    decision: runlock.Decision,
    record: runlock.Record | None,
    now: float,
) -> dict[str, Any]:
    """What the controller, and with it the user, hears of another run's lock."""
    if record is None or decision.action == "keep":
        return {}
    result: dict[str, Any] = {"lock": dataclasses.asdict(record)}
    if decision.action == "refuse":
        result["refusal"] = runlock.refusal(record, decision, now, params["path"])
        result["ask"] = decision.ask
    elif decision.action == "take over":
        context.warn(runlock.takeover(record, decision))
    elif decision.action == "nothing" and not context.check_mode:
        context.warn(f"{params['path']} was left as it is: {decision.reason}")
    return result


def main() -> None:
    _shell.run(ARGUMENTS, lock)


if __name__ == "__main__":
    main()
