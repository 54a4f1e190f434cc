# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills and freezes the stack's containers on this host, under load, and sees what clients miss of them.

The engine brings back what was killed. What was frozen is thawed by a process of its own, also when this one is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from urllib.parse import urlsplit

from .._core.errors import FirstbellError
from .._core.failover import FROZEN, Kept, Seen, Step, Targets, agenda, longest_gap, record
from .._core.records import Record
from . import engine_api, steady_load, system
from .failover_clients import Database, Keys, Rows, containers, writing

_STEADY, _POLL = 2.0, 0.25
#: With appendfsync everysec Redis acknowledges what it has not written while an earlier fsync is under way, and writes
#: it after two seconds of its clock all the same. What is older than that must survive.
_EVERY_SECOND = 3.5
# Waits for the end of whoever started it, then lets go on what is still the same process.
_GUARD = """
import os, select, signal, sys
select.select([sys.stdin], [], [], float(sys.argv[1]))
for pid, start in (one.split(":") for one in sys.argv[2:]):
    try:
        if open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[19] == start:
            os.kill(int(pid), signal.SIGCONT)
    except OSError:
        pass
"""


@dataclass(frozen=True)
class Wanted:
    """What is rehearsed. ``cache_password``: of the application's user."""

    stack: str
    aim: steady_load.Aim
    database: Database
    cache_password: str
    targets: Targets
    frozen: Sequence[str] = ()
    only: Sequence[str] = ()


def rehearse(wanted: Wanted) -> Record:
    """Every step, one after the other; raises FirstbellError where it cannot begin, and puts back what it took."""
    with _alone(wanted.stack):
        failed = _failed_units(wanted.stack)
        running = _healthy(wanted.stack)
        steps = agenda(running, wanted.frozen, wanted.only)
        left_out = len(set(running) - {name for step in steps for name in step.services})
        began, keys = time.time(), Keys(wanted.stack, wanted.cache_password)
        with writing(wanted.stack, wanted.database) as rows:
            seen, stopped = _steps(wanted, steps, rows, keys)
            acknowledged = rows.acknowledged()
            stored = rows.stored()
        _start_again(_failed_units(wanted.stack) - failed)
        kept = Kept(len(acknowledged), tuple(sorted(set(acknowledged) - stored)))
        found, times = (kept, keys.kept()), (began, time.time())
        return record(seen, found, wanted.targets, times, stopped=stopped, left_out=left_out)


def _steps(wanted: Wanted, steps: Sequence[Step], rows: Rows, keys: Keys) -> tuple[list[Seen], str]:
    """What each did; and, where one could not be made, why none was made after it."""
    seen: list[Seen] = []
    for step in steps:
        try:
            seen.append(_step(wanted, step, rows, keys))
        except FirstbellError as error:
            return seen, f"{step.name} could not be tried: {error}"
    return seen, ""


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _alone(stack: str) -> Iterator[None]:
    os.makedirs("/run/firstbell", mode=0o755, exist_ok=True)
    with open(f"/run/firstbell/{stack}-failover.lock", "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FirstbellError("another rehearsal of failures runs on this host; wait for its end") from None
        # So that what was taken is put back.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)
        yield


def _failed_units(stack: str) -> set[str]:
    """Jobs of the stack, such as a backup, that failed."""
    shown = system.run(["systemctl", "--failed", "--plain", "--no-legend", "--full"], stdin="", check=False)
    return {name for line in shown.out.splitlines() if (name := line.split()[0]).startswith(f"{stack}-")}


def _start_again(units: set[str]) -> None:
    """What failed since its service was away is made again."""
    for unit in sorted(units):
        system.run(["systemctl", "start", unit], stdin="", check=False, timeout=600)


def _healthy(stack: str, patience: float = 60) -> dict[str, dict[str, str]]:
    """The containers, once all are healthy; raises FirstbellError where they do not get so in time."""
    deadline = time.monotonic() + patience
    while True:
        found = containers(stack)
        if found and all(set(own.values()) == {"healthy"} for own in found.values()):
            return found
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL)
    ill = sorted(name for name, own in found.items() if set(own.values()) != {"healthy"})
    what = f"{', '.join(ill)} is not healthy" if ill else f"no container of {stack} runs here"
    raise FirstbellError(f"{what}; a rehearsal begins on a healthy stack only. See: make verify")


def _step(wanted: Wanted, step: Step, rows: Rows, keys: Keys) -> Seen:
    """Make the failure, wait until everything is back, and count what was missed meanwhile."""
    before = _healthy(wanted.stack)
    back: dict[str, float | None] = {}
    problem = ""
    with steady_load.running(wanted.aim) as load:
        if "redis" in step.services:
            keys.write()
            time.sleep(_EVERY_SECOND - _STEADY)
        time.sleep(_STEADY)
        since, at = load.now(), time.monotonic()
        hit = {name: set(before[name]) if step.how != FROZEN else {min(before[name])} for name in step.services}
        with _struck(step, [one for own in hit.values() for one in own], wanted.targets.back):
            back = _wait(wanted, before, hit, at)
            if not _serves(wanted, rows, at + wanted.targets.back):
                problem = f"the site did not answer, or nothing could be committed, after {wanted.targets.back:g} s"
        time.sleep(_STEADY)
        until, ended = load.now(), time.monotonic()
    good = [answer.due + answer.seconds for answer in load.answers if answer.good]
    mine = [answer for answer in load.answers if since <= answer.due < until]
    return Seen(
        step,
        longest_gap(good, since, until),
        longest_gap(rows.times(), at, ended),
        len(mine),
        sum(not answer.good for answer in mine),
        back,
        problem,
    )


@contextlib.contextmanager
def _struck(step: Step, containers: Sequence[str], patience: float) -> Iterator[None]:
    if step.how != FROZEN:
        for one in containers:
            with contextlib.suppress(engine_api.EngineError):  # it has just ended by itself
                engine_api.call("POST", f"/containers/{one}/kill", signal="KILL")
        yield
        return
    pids = [f"{pid}:{start}" for one in containers for pid, start in _processes(one)]
    argv = [sys.executable, "-c", _GUARD, str(patience + 60), *pids]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True) as guard:
        try:
            for one in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(one.partition(":")[0]), signal.SIGSTOP)
            yield
        finally:
            if guard.stdin:
                guard.stdin.close()


def _processes(container: str) -> list[tuple[int, str]]:
    """The container's processes, and when each began."""
    shown = engine_api.call("GET", f"/containers/{container}/top")
    column = shown["Titles"].index("PID")
    found = []
    for row in shown["Processes"]:
        stat = system.read_text(f"/proc/{row[column]}/stat")
        if stat:
            found.append((int(row[column]), stat.rpartition(")")[2].split()[19]))
    return found


def _wait(
    wanted: Wanted, before: Mapping[str, Mapping[str, str]], hit: Mapping[str, set[str]], at: float
) -> dict[str, float | None]:
    """Seconds until each service has as many healthy containers as before, and none of those that were hit."""
    back: dict[str, float | None] = dict.fromkeys(hit)
    while None in back.values() and time.monotonic() - at < wanted.targets.back:
        with contextlib.suppress(engine_api.EngineError):
            found = containers(wanted.stack)
            for name in (name for name, seconds in back.items() if seconds is None):
                own = found.get(name, {})
                if not hit[name] & set(own) and list(own.values()).count("healthy") >= len(before[name]):
                    back[name] = time.monotonic() - at
        time.sleep(_POLL)
    return back


def _serves(wanted: Wanted, rows: Rows, deadline: float) -> bool:
    """Whether, in time, the site answers and a row is committed that was begun after everything was back."""
    written = rows.last
    while time.monotonic() < deadline + _STEADY:
        if rows.last > written and _answers(wanted.aim):
            return True
        time.sleep(_POLL)
    return False


def _answers(aim: steady_load.Aim) -> bool:
    site = urlsplit(aim.url)
    context = ssl.create_default_context(cafile=aim.ca_file or None)
    try:
        with (
            socket.create_connection((aim.address, site.port or 443), timeout=3) as plain,
            context.wrap_socket(plain, server_hostname=site.hostname) as secured,
        ):
            connection = http.client.HTTPConnection(site.netloc, timeout=3)
            connection.sock = secured
            connection.request("GET", aim.paths[0], headers={"Host": site.netloc, "Connection": "close"})
            return connection.getresponse().status < 400  # noqa: PLR2004
    except (OSError, http.client.HTTPException):
        return False
