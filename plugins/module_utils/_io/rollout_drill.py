# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rolls a running service out again and again under load, good and bad, and leaves it as it was."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .._core import rollout_drill as drill
from .._core.convergence import Observation, Outcome, Waiter, has_ended, nanoseconds, state
from .._core.errors import FirstbellError
from .._core.records import Record
from .._core.service_engine import ConflictError, Engine
from . import steady_load, system

_CONFLICTS = 5


@dataclass(frozen=True)
class Wishes:
    """What the user wants: ``most`` replicas there is room for; the rest in seconds.

    ``before``: how long the load runs before the first roll-out. ``crash_after``: how long a container of
    the version that crashes serves. ``patience`` of one step.
    """

    service: str
    rollouts: int
    most: int
    targets: drill.Targets
    before: float = 30.0
    crash_after: float = 3.0
    patience: float = 300.0
    after: float = 5.0
    autoscaler: str = ""


@dataclass
class _Drill:
    engine: Engine
    wishes: Wishes
    load: steady_load.Load
    original: Mapping[str, Any]
    steps: list[drill.Step] = field(default_factory=list)
    killed: set[str] = field(default_factory=set)

    def run(self) -> None:
        """All steps; whatever happens, the service is as it was afterwards."""
        replicas = int(self.original["Mode"]["Replicated"]["Replicas"])
        count = replicas
        try:
            for number, name in enumerate(drill.agenda(self.wishes.rollouts, replicas, self.wishes.most), 1):
                count += {drill.UP: 1, drill.DOWN: -1}.get(name, 0)
                base = self.current() if name in (drill.UP, drill.DOWN) else self.original
                spec = base if name in (drill.UP, drill.DOWN, drill.AS_BEFORE) else drill.varied(base, name, number)
                self.step(name, drill.with_replicas(spec, count))
        finally:
            if self.current() != self.original:
                self.put(self.original)

    def step(self, name: str, spec: Mapping[str, Any]) -> None:
        """One change, until the engine is through with it."""
        tasks = self.engine.tasks(self.service()["ID"])
        known = frozenset(task["ID"] for task in tasks if has_ended(task))
        began = self.load.now()
        self.put(spec)
        waiter = Waiter(
            observe=lambda: self.observe(known, name == drill.CRASHES),
            clock=time.monotonic,
            sleep=lambda pause: time.sleep(min(pause, 0.5)),
            timeout=self.wishes.patience,
        )
        outcome: Outcome = waiter.wait()
        self.steps.append(
            drill.Step(
                name,
                began,
                self.load.now(),
                outcome.verdict.reason,
                "" if outcome.verdict.converged else outcome.verdict.message,
            )
        )

    def observe(self, known: frozenset[str], crashes: bool) -> Observation:
        """What the engine shows; where the version is to crash, its containers are killed once they serve."""
        service = self.service()
        seen = Observation(
            service=service,
            tasks=tuple(self.engine.tasks(service["ID"])),
            now=time.time(),
            known_tasks=known,
            wrote=True,
        )
        if crashes and drill.of_drill(service["Spec"]) and not seen.update_state.startswith("rollback"):
            for task in seen.wanted():
                served = seen.now - nanoseconds(task["Status"]["Timestamp"]) / 1e9
                container = (task["Status"].get("ContainerStatus") or {}).get("ContainerID", "")
                fresh = seen.is_new(task) and state(task) == "running" and container not in self.killed
                if fresh and served >= self.wishes.crash_after:
                    self.killed.add(container)
                    self.engine.signal(container, "SIGKILL")
        return seen

    def service(self) -> dict[str, Any]:
        service = self.engine.service(self.wishes.service)
        if service is None:
            raise FirstbellError(f"{self.wishes.service}: somebody removed the service during the drill")
        return service

    def current(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.service()["Spec"]
        return spec

    def put(self, spec: Mapping[str, Any]) -> None:
        """Write a spec; the engine itself changes a service's version at the end of a roll-out."""
        for _attempt in range(_CONFLICTS):
            with contextlib.suppress(ConflictError):
                self.engine.update_service(self.service(), spec)
                return
            time.sleep(0.2)
        raise FirstbellError(f"{self.wishes.service}: somebody else changes the service all the time; find out who")


def rehearse(engine: Engine, wishes: Wishes, aim: steady_load.Aim) -> Record:
    """The record of a drill. Raises FirstbellError where there is nothing to drill with."""
    service = engine.service(wishes.service)
    if service is None or "Replicated" not in service["Spec"]["Mode"]:
        raise FirstbellError(f"{wishes.service}: there is no such replicated service; run the playbook site first")
    if drill.of_drill(service["Spec"]):
        raise FirstbellError(
            f"{wishes.service} is as a drill that was interrupted has left it; run the playbook site, then drill again"
        )
    at = time.time()
    with _ends(), _paused(wishes.autoscaler), steady_load.running(aim) as load:
        part = _Drill(engine, wishes, load, service["Spec"])
        time.sleep(wishes.before)
        part.run()
        time.sleep(wishes.after)
    return drill.judged(load.answers, part.steps, wishes.targets, at, aim.rate)


@contextlib.contextmanager
def _paused(command: str) -> Iterator[None]:
    """Leave the replicas to the drill; one that does not decide, or is paused already, is let alone."""
    status = system.run([command, "status", "--json"], check=False) if command else system.Result(1, "", "")
    pauses = status.code == 0 and json.loads(status.out)["source"] != "paused"
    if not pauses:
        yield
        return
    system.run([command, "pause"])
    try:
        yield
    finally:
        system.run([command, "resume"])


@contextlib.contextmanager
def _ends() -> Iterator[None]:
    """SIGTERM and SIGHUP end the drill in order, with the service as it was."""

    def stop(number: int, _frame: object) -> NoReturn:
        raise FirstbellError(f"the drill was ended by signal {number}; the service is as before")

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
