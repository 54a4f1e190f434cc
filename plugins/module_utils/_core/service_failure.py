# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a service has not converged, in words: what its tasks, health checks and logs say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Callable

from .convergence import Observation, Outcome, error_of, failed_tasks, state
from .redact import redact

LOG_LINES = 20
_TASKS = 3
_HEALTH_OUTPUT = 400

#: What to do about it, where that can be said.
_HINTS = {
    "image_missing": "build or load the image on the host first",
    "unschedulable": "lower the reservations, free the port, add a host, or write update.order: stop-first",
    "rejected": "create what the mounts and networks name before the service",
    "rolled_back": "mend the image or the options, and run again",
    "paused": "mend the cause and run again, which resumes the update",
    "rollback_paused": "mend the cause and run again",
}


@dataclass(frozen=True)
class Failure:
    reason: str
    message: str
    tasks: list[dict[str, Any]]
    log: list[str]

    def without(self, secrets: Collection[str]) -> Failure:
        """The same, with the secrets that a container may have printed hidden."""
        tasks = [
            {key: redact(value, secrets) if isinstance(value, str) else value for key, value in task.items()}
            for task in self.tasks
        ]
        log = [redact(line, secrets) for line in self.log]
        return Failure(self.reason, redact(self.message, secrets), tasks, log)


def explain(
    name: str,
    outcome: Outcome,
    container: Callable[[str], Mapping[str, Any] | None],
    task_log: Callable[[str, int], list[str]],
) -> Failure:
    """The failure of a service with the evidence that can be had from here.

    ``container`` inspects a container and returns None for one of another host;
    ``task_log`` returns the last lines of a task's log from any host.
    """
    tasks = _suspects(outcome.seen)
    shown = [_shown_task(task, container) for task in tasks]
    log = task_log(str(tasks[0]["ID"]), LOG_LINES) if tasks else []
    reason = outcome.verdict.reason
    if reason == "crash_looping" and shown and shown[0]["health_output"]:
        reason = "unhealthy"
    lines = [f"{name}: {reason.replace('_', ' ')}: {outcome.verdict.message}"]
    if outcome.timed_out:
        lines[0] += f" after {outcome.waited:.0f} s of waiting"
    if not outcome.seen.wrote:
        lines[0] += "; nothing was changed by this run"
    if reason in _HINTS:
        lines.append(f"To do: {_HINTS[reason]}.")
    for task in shown:
        said = f"; its health check said: {task['health_output']}" if task["health_output"] else ""
        lines.append(f"Task {task['id']} ({task['state']}): {task['error']}{said}")
    if log:
        lines.append("The last lines of its log:\n  " + "\n  ".join(log))
    return Failure(reason, "\n".join(lines), shown, log)


def _suspects(seen: Observation) -> list[Mapping[str, Any]]:
    """The tasks that failed in this run, else those not running yet, else those that failed before."""
    waiting = [task for task in seen.wanted() if state(task) not in ("running", "ready", "new", "allocated")]
    found = seen.failures() or waiting or failed_tasks(seen.tasks)
    different: dict[str, Mapping[str, Any]] = {}
    for task in found:
        different.setdefault(error_of(task), task)
    return list(different.values())[:_TASKS]


def _shown_task(task: Mapping[str, Any], container: Callable[[str], Mapping[str, Any] | None]) -> dict[str, Any]:
    status = task["Status"]
    container_id = (status.get("ContainerStatus") or {}).get("ContainerID") or ""
    inspected = (container(container_id) if container_id else None) or {}
    health = (inspected.get("State") or {}).get("Health") or {}
    checks = health.get("Log") or []
    failing = bool(checks) and bool(checks[-1].get("ExitCode"))
    output = str(checks[-1].get("Output") or "").strip() or "nothing" if failing else ""
    return {
        "id": task["ID"],
        "slot": task.get("Slot") or 0,
        "node": task.get("NodeID") or "",
        "state": state(task),
        "error": error_of(task),
        "exit_code": (status.get("ContainerStatus") or {}).get("ExitCode"),
        "health": health.get("Status") or "",
        "health_output": output[-_HEALTH_OUTPUT:],
    }
