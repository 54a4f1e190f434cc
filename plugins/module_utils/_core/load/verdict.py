# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load test found: the record that is kept.

A measurement that the generator could not make as planned is *invalid*: it says nothing about the stack, and so it
does not pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..records import Item, Record
from . import usage
from .capacity import Tried, broken, carried

Step = Mapping[str, Any]
LOAD_TEST, CAPACITY = "load_test", "capacity"
#: Of the planned arrivals, this share must really have been sent.
SENT = 0.99
#: Of the planned scans, this share must have been answered: the last ones are still on their way at the end.
SCANNED = 0.98
#: A generator that uses more than this of its CPU measures itself.
GENERATOR_CPU = 0.9
_MESSAGES = 3
_SPREAD = ("p50_seconds", "p95_seconds", "p99_seconds")


@dataclass(frozen=True)
class Targets:
    """``p95_seconds`` of every scenario (S96), errors in all, and how late the generator itself may be."""

    p95_seconds: float = 1.0
    errors: int = 0
    late_p99_seconds: float = 0.1


@dataclass(frozen=True)
class View:
    """A step together with what the host measured during it.

    ``budget``: what the plan allows, as ``usage.uses`` takes it.
    """

    step: Step
    during: Sequence[usage.Sample]
    budget: Mapping[str, float]
    targets: Targets

    @property
    def uses(self) -> list[usage.Use]:
        return usage.uses(self.during, self.budget, {"cpu": self.step["cpu"]})

    @property
    def limit(self) -> usage.Use | None:
        return usage.limit_of(self.uses)

    @property
    def seconds(self) -> float:
        return max(float(self.step["end"] - self.step["start"]), 0.001)


@dataclass(frozen=True)
class Judged:
    """The record, and the step that it is about."""

    record: Record
    view: View


def invalid(step: Step, targets: Targets) -> str:
    """Why the measurement says nothing about the stack; "" where it does."""
    planned, sent, late = sum(step["planned"].values()), step["sent"], step["late_p99_seconds"]
    if sent < SENT * planned:
        return f"invalid: the generator sent {sent} of {planned} requests that were planned"
    if late > targets.late_p99_seconds:
        return f"invalid: the generator was {late:.2f} s late itself (p99), {targets.late_p99_seconds:g} s are allowed"
    if step["cpu"] > GENERATOR_CPU:
        return f"invalid: the generator used {step['cpu']:.0%} of its CPU and measured itself"
    return ""


def problems(step: Step, targets: Targets) -> Iterator[tuple[str, str]]:
    """Scenario and what is wrong with it."""
    errors = _errors(step)
    for name, one in sorted(step["scenarios"].items()):
        if one["errors"] and errors > targets.errors:
            said = "; ".join(f"{count} times {text}" for text, count in _often(one["messages"]))
            yield name, f"{name}: {one['errors']} of {one['requests']} failed: {said}"
        if one["p95_seconds"] > targets.p95_seconds:
            yield name, f"{name}: p95 {one['p95_seconds']:.2f} s, the target is {targets.p95_seconds:g} s"
    planned = step["planned"].get("scan", 0)
    if planned and scans(step) < SCANNED * planned:
        yield "scan", f"scan: {scans(step)} of {planned} scans were answered in time"


def holds(step: Step, targets: Targets) -> bool:
    """Whether a step passes, as far as the generator can tell."""
    return not invalid(step, targets) and not any(problems(step, targets))


def scans(step: Step) -> int:
    """Scans that were answered."""
    one = step["scenarios"].get("scan")
    return int(one["requests"] - one["errors"]) if one else 0


def judge(
    report: Mapping[str, Any], samples: Sequence[usage.Sample], budget: Mapping[str, float], targets: Targets
) -> Judged:
    """What a run found. A search is about the step with the most users that held."""
    views = [
        View(step, usage.between(samples, step["start"], step["end"]), budget, targets) for step in report["steps"]
    ]
    if report["mode"] != CAPACITY:
        return Judged(_load_test(report, views[-1]), views[-1])
    tried = [Tried(view.step["users"], holds(view.step, targets)) for view in views]
    shown = next((view for view in views if view.step["users"] == carried(tried)), views[0])
    return Judged(_capacity(report, views, tried, shown), shown)


def _errors(step: Step) -> int:
    return sum(one["errors"] for one in step["scenarios"].values())


def _often(messages: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(messages.items(), key=lambda pair: -pair[1])[:_MESSAGES]


def _measured(view: View) -> dict[str, float]:
    step = view.step
    requests = sum(one["requests"] for one in step["scenarios"].values())
    measured: dict[str, float] = {
        "users": step["users"],
        "requests": requests,
        "requests_per_second": round(requests / view.seconds, 1),
        "errors": _errors(step),
        **{name: step["all"][name] for name in _SPREAD},
        "generator_late_p99_seconds": step["late_p99_seconds"],
        "generator_cpu_share": step["cpu"],
    }
    if step["planned"].get("scan"):
        measured["scans_per_second"] = round(scans(step) / view.seconds, 1)
    pool, database, host = usage.most(view.during, "pool"), usage.most(view.during, "database"), usage.host(view.during)
    if pool:
        measured.update(pool_clients=pool["clients"], pool_at_work=pool["active"], pool_wait_seconds=pool["wait"])
    if database:
        measured["database_connections"] = database["connections"]
    if host:
        measured.update(host_cpu_share=host["cpu"], host_memory_share=host["memory"])
    return measured


def _wanted(view: View, measured: Mapping[str, float]) -> dict[str, float]:
    wanted: dict[str, float] = {"p95_seconds": view.targets.p95_seconds, "errors": view.targets.errors}
    if "scans_per_second" in measured:
        wanted["scans_per_second"] = round(SCANNED * view.step["planned"]["scan"] / view.seconds, 1)
    for name, limit in (("pool_clients", "max_client_conn"), ("database_connections", "max_connections")):
        if name in measured and limit in view.budget:
            wanted[name] = view.budget[limit]
    return wanted


def _load_test(report: Mapping[str, Any], view: View) -> Record:
    measured = _measured(view)
    wanted = _wanted(view, measured)
    items = [*_scenarios(view), *_connections(measured, wanted), *_containers(view.during)]
    findings = [one.finding for one in items if not one.passed] + list(report.get("problems", ()))
    if not usage.containers(view.during):
        findings.append("invalid: the host measured nothing meanwhile; look at journalctl --unit='*-load-test-window'")
    if findings and view.limit:
        findings.append(f"the limit was {view.limit.name}: {view.limit.said}; {view.limit.advice}")
    return Record(
        LOAD_TEST, report["at"], report["seconds"], not findings, measured, wanted, tuple(findings), tuple(items)
    )


def _scenarios(view: View) -> Iterator[Item]:
    step, wrong = view.step, dict[str, list[str]]()
    for name, text in problems(step, view.targets):
        wrong.setdefault(name, []).append(text)
    for name, one in sorted(step["scenarios"].items()):
        numbers = {key: one[key] for key in ("requests", "errors", *_SPREAD, "max_seconds")}
        yield Item(name, name not in wrong, numbers, "; ".join(wrong.get(name, ())))
    reason = invalid(step, view.targets)
    yield Item(
        "generator", not reason, {"late_p99_seconds": step["late_p99_seconds"], "cpu_share": step["cpu"]}, reason
    )


def _connections(measured: Mapping[str, float], wanted: Mapping[str, float]) -> Iterator[Item]:
    for name in ("pool_clients", "database_connections"):
        if name in wanted:
            over = measured[name] > wanted[name]
            said = f"{name}: {measured[name]:.0f} were open, the budget is {wanted[name]:.0f}" if over else ""
            yield Item(name, not over, {name: measured[name]}, said)


def _containers(during: Sequence[usage.Sample]) -> Iterator[Item]:
    for one in usage.containers(during):
        finding = ""
        if one["oom_kills"]:
            finding = f"{one['service']}: the kernel killed {one['oom_kills']} processes for memory"
        elif one["ended"]:
            finding = f"{one['service']}: container {one['id']} ended during the test"
        elif one["began"] and one["service"] != "app":  # the application may be scaled
            finding = f"{one['service']}: container {one['id']} began during the test"
        numbers = {
            "cpus": one["cpus"],
            "cpu_limit": one["cpu_limit"],
            "throttled_share": one["throttled"],
            "memory_bytes": one["memory"],
            "memory_limit_bytes": one["memory_limit"],
        }
        yield Item(f"container {one['service']}", not finding, numbers, finding)


def _capacity(report: Mapping[str, Any], views: Sequence[View], tried: Sequence[Tried], shown: View) -> Record:
    measured = {**_measured(shown), "users": carried(tried)}
    items = []
    for view in views:
        texts = [invalid(view.step, view.targets), *(text for _name, text in problems(view.step, view.targets))]
        numbers = {"users": view.step["users"], "errors": _errors(view.step)}
        numbers.update({name: view.step["all"][name] for name in _SPREAD})
        # A step that does not hold is what a search looks for; it is no failure.
        items.append(Item(f"{view.step['users']} users", True, numbers, "; ".join(text for text in texts if text)))
    findings = list(report.get("problems", ()))
    end = next((view for view in views if view.step["users"] == broken(tried)), None)
    if not carried(tried):
        findings.append(f"not even {views[-1].step['users']} users are carried: {items[-1].finding}")
    if end is not None:
        items += _knee(end)
    wanted = {"p95_seconds": shown.targets.p95_seconds, "errors": shown.targets.errors}
    return Record(
        CAPACITY, report["at"], report["seconds"], not findings, measured, wanted, tuple(findings), tuple(items)
    )


def _knee(end: View) -> Iterator[Item]:
    """What was at its end in the step with the fewest users that did not hold."""
    reason = invalid(end.step, end.targets)
    if reason:
        said = f"the generator was the limit at {end.step['users']} users, the host may carry more: {reason}"
        yield Item("limit", True, {}, said)
    elif end.limit:
        said = f"{end.limit.name}: {end.limit.said}; {end.limit.advice}"
        yield Item("limit", True, {"share": round(end.limit.share, 3)}, said)
    else:
        yield Item(
            "limit", True, {}, "nothing that is measured was near its end; look at the slowest statements and logs"
        )
