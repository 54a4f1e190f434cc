# SPDX-License-Identifier: GPL-3.0-or-later
"""The message of a service that has not converged."""

from __future__ import annotations

from typing import Any

from ansible_collections.firstbell.stack.plugins.module_utils._core.convergence import Observation, Outcome, Verdict
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_failure import LOG_LINES, explain


def task(number: int, state: str, error: str, container: str = "") -> dict[str, Any]:
    status: dict[str, Any] = {"State": state, "Err": error, "Timestamp": f"2027-01-01T00:00:{number:02}Z"}
    if container:
        status["ContainerStatus"] = {"ContainerID": container, "ExitCode": 1}
    return {"ID": f"t{number}", "Slot": 1, "NodeID": "n1", "Status": status, "DesiredState": "running", "Spec": {}}


def outcome(reason: str, *tasks: dict[str, Any], wrote: bool = True, timed_out: bool = False) -> Outcome:
    service = {"ID": "s", "Spec": {"TaskTemplate": {}, "Mode": {"Replicated": {"Replicas": 1}}}}
    seen = Observation(service=service, tasks=tasks, now=0, wrote=wrote)
    return Outcome(Verdict(reason, "so it is"), seen, 12.3, timed_out)


def sick(_id: str) -> dict[str, Any]:
    return {"State": {"Health": {"Status": "unhealthy", "Log": [{"ExitCode": 1, "Output": "no database\n"}]}}}


def gone(_id: str) -> None:
    return None


def test_everything_that_is_known() -> None:
    asked = []

    def log(task_id: str, lines: int) -> list[str]:
        asked.append((task_id, lines))
        return ["one", "two"]

    failure = explain("web", outcome("crash_looping", task(1, "failed", "exit (1)", "c1")), sick, log)
    assert failure.reason == "unhealthy"
    assert asked == [("t1", LOG_LINES)]
    assert failure.log == ["one", "two"]
    assert failure.tasks[0]["health_output"] == "no database"
    assert failure.message.splitlines() == [
        "web: unhealthy: so it is",
        "Task t1 (failed): exit (1); its health check said: no database",
        "The last lines of its log:",
        "  one",
        "  two",
    ]


def test_latest_first_and_each_error_once() -> None:
    tasks = [task(number, "failed", f"error {number // 2}") for number in range(8)]
    failure = explain("web", outcome("crash_looping", *tasks), gone, lambda _id, _lines: [])
    assert [item["id"] for item in failure.tasks] == ["t7", "t5", "t3"]


def test_hint_and_time() -> None:
    failure = explain(
        "web",
        outcome("unschedulable", task(1, "pending", "no suitable node"), wrote=False, timed_out=True),
        gone,
        lambda _id, _lines: [],
    )
    first, second, *_ = failure.message.splitlines()
    assert first == "web: unschedulable: so it is after 12 s of waiting; nothing was changed by this run"
    assert second.startswith("To do: lower the reservations")


def test_nothing_is_known() -> None:
    failure = explain("web", outcome("starting"), gone, lambda _id, _lines: ["never asked"])
    assert failure.message == "web: starting: so it is"
    assert (failure.tasks, failure.log) == ([], [])
