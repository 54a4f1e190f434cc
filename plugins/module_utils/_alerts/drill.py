# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert drill: put faults in, wait for the notifications, take the faults back, say how long it took."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .._core import records as record_core
from .._core.alert_drill import notices as received
from .._core.alert_drill import plan, verdict
from .._core.alert_drill.catalogue import FAULTS
from .._core.alert_drill.model import WAYS, Config, Fault, Outcome
from .._core.errors import FirstbellError, InputError
from .._io import records, system
from .faults import INJECTORS, Facts, Injector
from .host import Host, say, wait_until
from .receiver import Receiver
from .sessions import DATABASE

NAME = "drill"
HELP = "Break things on purpose, and see that each alert arrives in time."

_ALL: dict[str, Injector] = {**INJECTORS, **DATABASE}
_POLL = 1.0
#: How long a notification is waited for beyond what it is allowed, so that late is told from never.
_GRACE = 45.0
_CALM_PATIENCE = 300.0
_ATTEMPTS, _PAUSE = 3, 5.0
#: After so long the host puts everything back by itself, be the drill alive or not.
_LONGEST = "45min"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--confirm", default="", metavar="STACK", help="name of the stack, since users notice some faults"
    )
    parser.add_argument(
        "--faults", default="", help="names with commas between them, all, or quiet: those that interrupt nothing"
    )


def run(host: Host, options: argparse.Namespace) -> int:
    config = host.config
    faults = plan.choose(FAULTS, options.faults.replace(",", " ").split())
    if options.confirm != config.stack:
        raise InputError(
            f"the alert drill breaks things on {config.stack}, and users notice some of it; "
            f"if that is wanted, add --confirm {config.stack}, or drill_confirm={config.stack} to the playbook"
        )
    with host.lock():
        record = Drill(host).make(faults)
    path = records.write(f"{config.directory}/records", record)
    for item in record.items:
        times = ", ".join(f"{name[: -len('_seconds')]} {value:g} s" for name, value in item.measured.items())
        say(
            f"{'ok     ' if item.passed else 'PROBLEM'} {item.name}: {times or '-'}"
            + (f": {item.finding}" if item.finding else "")
        )
    for finding in record.findings:
        say(f"PROBLEM {finding}")
    slowest = record.measured.get("slowest_after_for_seconds", 0)
    made = f"{record.measured['faults']:g} faults in {record.seconds:.0f} s"
    say(f"{made}; the slowest alert came {slowest:g} s after its time; {path}")
    return 0 if record.passed else 1


def put_back(host: Host) -> list[str]:
    """Take back everything that the journal knows, and let Alertmanager tell the people again; what went wrong."""
    problems = []
    for name, facts in reversed(list(host.journal().items())):
        problem = _taken_back(host, name, facts)
        problems += [f"{problem}; then type {host.config.stack}-alerts clean"] if problem else []
    try:
        Receiver(host).end(plan.drilled(FAULTS))
    except (FirstbellError, OSError) as error:
        problems.append(
            f"Alertmanager still tells the test receiver: {error}; then type {host.config.stack}-alerts clean"
        )
    return problems


def _taken_back(host: Host, name: str, facts: Facts) -> str:
    """Take a fault back, and once more where the host was too busy for it; what went wrong, or nothing."""
    problem = ""
    for _attempt in range(_ATTEMPTS):
        try:
            _ALL[name].take_back(host, facts)
            host.forget(name)
        except (FirstbellError, OSError) as error:
            problem = f"{name} could not be taken back: {error}"
            time.sleep(_PAUSE)
        else:
            return ""
    return problem


@dataclass
class Drill:
    """One run. Faults whose alerts do not hide each other are in place together, each until its alert has come."""

    host: Host
    outcomes: list[Outcome] = field(default_factory=list)
    pages: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def make(self, faults: Sequence[Fault]) -> record_core.Record:
        """All of it, with everything put back at the end, whatever happens."""
        config, began = self.host.config, time.time()
        for problem in put_back(self.host):  # of one that was interrupted
            raise FirstbellError(problem)
        possible = self._possible(faults)
        receiver = Receiver(self.host)
        self._set_alarm()
        try:
            receiver.start(plan.drilled(possible))
            receiver.announce()
            for group in plan.rounds(possible, config.rules):
                self._round(receiver, group)
        finally:
            left = put_back(self.host)
            for problem in left:
                say(f"PROBLEM {problem}")
            self.problems += left
            if not left:
                stop_alarm(self.host)
        failed = self._undelivered(time.time() - began)
        self.problems += failed
        return verdict.judge(config, self.outcomes, self.pages, self.problems, began=began, ended=time.time())

    def _possible(self, faults: Sequence[Fault]) -> list[Fault]:
        """Those that can be put in here; the others are on record as not provoked."""
        firing = self.host.firing()
        found = []
        for fault in faults:
            reason = _lacking(self.host, fault)
            labels = self.host.config.labels(fault)
            if not reason and any(labels.items() <= one.items() for one in firing):
                reason = f"{fault.alert} fires already"
            if reason:
                self.outcomes.append(Outcome(fault, skipped=reason))
            else:
                found.append(fault)
        return found

    def _round(self, receiver: Receiver, group: Sequence[Fault]) -> None:
        config, host = self.host.config, self.host
        say(f"now: {', '.join(fault.name for fault in group)}")
        before, began = host.firing(), time.time()
        open_ones = {}
        for fault in group:
            outcome = self._put(fault)
            if outcome.error:
                self.outcomes.append(outcome)
                self._take_back(fault)
            else:
                open_ones[fault.name] = outcome
        while open_ones:
            time.sleep(_POLL)
            notices = receiver.received()
            for name, outcome in list(open_ones.items()):
                fault = outcome.fault
                times = {way: received.arrival(notices, way, config.labels(fault), began) for way in WAYS}
                arrived = {way: at for way, at in times.items() if at is not None}
                late = time.time() - outcome.placed > config.patience(fault) + verdict.ALLOWED + _GRACE
                if len(arrived) == len(WAYS) or late:
                    del open_ones[name]
                    self.outcomes.append(replace(outcome, arrived=arrived))
                    self._take_back(fault)
        self._calm(receiver, group)
        notices = [one for one in receiver.received() if one.at >= began]
        self.pages += [dict(labels) for labels in verdict.unexpected(config, notices, group, before)]

    def _put(self, fault: Fault) -> Outcome:
        try:
            facts = _ALL[fault.name].facts(self.host)
            self.host.note(fault.name, facts)
            return Outcome(fault, _ALL[fault.name].put(self.host, facts))
        except (FirstbellError, OSError) as error:
            say(f"PROBLEM {fault.name} could not be put in: {error}")
            return Outcome(fault, error=f"it could not be put in: {error}")

    def _take_back(self, fault: Fault) -> None:
        facts = self.host.journal().get(fault.name)
        problem = "" if facts is None else _taken_back(self.host, fault.name, facts)
        self.problems += [problem] if problem else []

    def _calm(self, receiver: Receiver, group: Sequence[Fault]) -> None:
        """Until it was told that what holds back the alerts of the next group is over."""
        arrived = {one.fault.name: max(one.arrived.values()) for one in self.outcomes if one.arrived}
        for fault in (one for one in group if one.hides and one.name in arrived):
            labels, after = self.host.config.labels(fault), arrived[fault.name]
            try:
                wait_until(
                    lambda labels=labels, after=after: received.ended(receiver.received(), labels, after),  # type: ignore[misc]
                    _CALM_PATIENCE,
                    f"{fault.alert}: nobody was told that it is over",
                )
            except FirstbellError as error:
                self.problems.append(str(error))

    def _undelivered(self, seconds: float) -> list[str]:
        """Notifications that did not get through meanwhile, those to the people among them."""
        query = f"sum by (integration) (increase(alertmanager_notifications_failed_total[{int(seconds) + 1}s])) > 0"
        try:
            found = self.host.prometheus().query(query)
        except FirstbellError as error:
            return [f"Prometheus does not answer after the drill: {error}"]
        ways = ", ".join(sorted(labels.get("integration", "?") for labels, _number in found))
        return (
            [f"notifications by {ways} failed: the log of {self.host.service('alertmanager')} says why"]
            if found
            else []
        )

    def _set_alarm(self) -> None:
        stop_alarm(self.host)
        stack = self.host.config.stack
        argv = ["systemd-run", "--quiet", "--unit", f"{stack}-alerts-end", f"--on-active={_LONGEST}"]
        system.run([*argv, f"/usr/local/sbin/{stack}-alerts", "clean", "--end"])


def stop_alarm(host: Host) -> None:
    """Nothing is left that the host would have to put back."""
    system.run(["systemctl", "stop", f"{host.config.stack}-alerts-end.timer"], check=False)


def _lacking(host: Host, fault: Fault) -> str:
    """Why a fault cannot be put in here; empty when it can."""
    config: Config = host.config
    if fault.alert not in config.rules:
        return f"there is no rule {fault.alert}"
    for need in fault.needs:
        kind, _colon, name = need.partition(":")
        if kind == "service" and not host.replicas(name):
            return f"{host.service(name)} does not run"
        unit = f"{config.stack}-{name}.timer"
        if kind == "timer" and system.run(["systemctl", "is-active", unit], check=False).code:
            return f"{unit} does not run"
        if kind == "loop" and not os.path.exists("/dev/loop0"):
            return "this host has no loop devices"
    return ""
