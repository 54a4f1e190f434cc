# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the requests of a load test, on Locust's clients, at moments that do not depend on the answers.

A request comes as JSON on standard input, the report goes to standard output as JSON, progress to standard error.
Locust itself waits for an answer before a user's next request, which hides what a stall costs; here a scheduler
starts each scenario at its moment, whatever became of the ones before, and measures from that moment.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import importlib.util  # noqa: E402
import inspect  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import secrets  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter, deque  # noqa: E402
from collections.abc import Iterator, Mapping  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import gevent.pool  # noqa: E402
import gevent.queue  # noqa: E402

# The core of the collection, which the verdict uses as well.
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "plugins" / "module_utils"))

from _core.load import capacity, schedule, verdict, wishes  # noqa: E402
from _core.load.window import probe_path, user_address  # noqa: E402
from wire import BLOCK_BYTES, GeneratorError, Turn, ask, patch_connections, pin, tls  # noqa: E402

WAIT_SECONDS = 30.0
#: Answers that are waited for at the same time; more would need more memory than a controller has.
OUTSTANDING = 5000
SIGN_IN_AT_ONCE = 8
SIGN_IN_FAILURES = 0.01
SETTLE_SECONDS = 3.0
#: A request is made ready that long before its moment, so that nothing but the stack is measured from there on. gevent
#: wakes up to a millisecond late: epoll counts in milliseconds.
AHEAD_SECONDS = 0.01


@dataclass
class Run:
    """What a scenario file finds as ``self.environment.load_test``."""

    password: str
    users: int
    students: int
    numbers: Iterator[int] = field(default_factory=itertools.count)
    cards: Iterator[int] = field(default_factory=lambda: itertools.count(1))


@dataclass
class Seen:
    """What was measured of one scenario."""

    times: list[float] = field(default_factory=list)
    errors: int = 0
    messages: Counter[str] = field(default_factory=Counter)

    def add(self, seconds: float, problem: str) -> None:
        self.times.append(seconds)
        if problem:
            self.errors += 1
            self.messages[problem[:200]] += 1


def load_scenarios(path: str) -> tuple[dict[str, Any], dict[str, type]]:
    """The tasks of a file by name, and the user class of each."""
    from locust import FastHttpUser  # noqa: PLC0415 - it must come after the patch, and its absence is told before

    spec = importlib.util.spec_from_file_location("scenarios", path)
    if spec is None or spec.loader is None:
        raise GeneratorError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tasks: dict[str, Any] = {}
    classes: dict[str, type] = {}
    for _name, kind in inspect.getmembers(module, inspect.isclass):
        if not issubclass(kind, FastHttpUser) or kind.__module__ != "scenarios" or kind.abstract:
            continue
        for one in kind.tasks:
            if one.__name__ in tasks:
                raise GeneratorError(f"{path}: the scenario {one.__name__} is there twice")
            tasks[one.__name__], classes[one.__name__] = one, kind
    if not tasks:
        raise GeneratorError(f"{path}: no class derives from locust.FastHttpUser and has a @task")
    return tasks, classes


class Generator:
    """One run."""

    def __init__(self, wish: Mapping[str, Any]) -> None:
        from locust.env import Environment  # noqa: PLC0415

        self.wish = wish
        self.tasks, self.classes = load_scenarios(wish["scenarios"])
        self.load = wishes.Load(**wish["load"])
        known = {name: rate for name, rate in self.load.rates.items() if name in self.tasks}
        lost = sorted(set(self.tasks) - set(wish["named"]))
        if lost:
            raise GeneratorError(f"load_test_rates: {lost[0]} has no rate; give it one, or 0")
        if not known:
            raise GeneratorError(f"{wish['scenarios']}: no scenario has a rate above 0")
        self.load = wishes.Load(self.load.users, known, self.load.students)
        self.environment = Environment(host=f"https://{wish['domain']}:{wish['port']}".removesuffix(":443"))
        self.environment.load_test = Run(wish["password"], wish["users"], self.load.students)
        self.environment.events.request.add_listener(self._heard)
        patch_connections()
        context = tls(wish["authority"])
        for kind in set(self.classes.values()):
            kind.host = self.environment.host
            kind.insecure, kind.ssl_context_factory = False, staticmethod(lambda **_options: context)
            kind.network_timeout, kind.connection_timeout, kind.concurrency = WAIT_SECONDS, WAIT_SECONDS, 1
        self.seen: dict[str, Seen] = {}
        self.failed: Counter[str] = Counter()
        self.idle: dict[type, gevent.queue.Queue] = {}
        self.users: deque[Any] = deque()
        self.parent = os.getppid()

    # ---- users ----

    def _user(self, kind: type) -> Any:
        user = kind(self.environment)
        user.number = next(self.environment.load_test.numbers)
        user.client.client.clientpool.client_args["block_size"] = BLOCK_BYTES
        if self.wish["header"]:
            user.client.client.default_headers[self.wish["header"]] = user_address(user.number)
        return user

    def sign_in(self, users: int) -> dict[str, Any]:
        """Have that many users of each class that lives longer than one scenario."""
        began = time.monotonic()
        lasting = {
            kind for name, kind in self.classes.items() if name in self.load.rates and not getattr(kind, "once", False)
        }
        pool = gevent.pool.Pool(SIGN_IN_AT_ONCE)
        self.failed.clear()
        new = 0

        def start(kind: type) -> None:
            try:
                user = self._user(kind)
                self.users.append(user)
                user.on_start()
            except Exception as error:  # noqa: BLE001 - a scenario is somebody else's code
                self.failed[f"{type(error).__name__}: {error}"] += 1
            else:
                self.idle[kind].put(user)

        for kind in sorted(lasting, key=lambda one: one.__name__):
            self.idle.setdefault(kind, gevent.queue.Queue())
            for _number in range(users - sum(isinstance(user, kind) for user in self.users)):
                new += 1
                pool.spawn(start, kind)
        pool.join()
        failed = sum(self.failed.values())
        if failed > SIGN_IN_FAILURES * max(new, 1):
            raise GeneratorError(f"{failed} of {new} users could not sign in: {self.failed.most_common(1)[0][0]}")
        return {"users": new, "failed": failed, "seconds": round(time.monotonic() - began, 1)}

    def sign_out(self) -> None:
        """End all sessions, so that nobody counts them."""
        pool = gevent.pool.Pool(2 * SIGN_IN_AT_ONCE)

        def stop(user: Any) -> None:
            with contextlib.suppress(Exception):
                user.on_stop()

        with gevent.Timeout(90, False):
            pool.map(stop, list(self.users))
        self.users.clear()

    # ---- one measurement ----

    def step(self, users: int, seconds: float, warm: float) -> dict[str, Any]:
        """Send for ``warm + seconds`` seconds; what came in the first ones is not counted."""
        load = wishes.scaled(self.load, users, seconds)
        self.seen = {name: Seen() for name in load.rates}
        pool = gevent.pool.Group()
        late: list[float] = []
        sent, skew, used = 0, time.time() - time.perf_counter(), 0.0
        begin = time.perf_counter() + 0.2
        for offset, name in schedule.arrivals(load.rates, warm + seconds):
            turn = Turn(begin + offset, late if offset >= warm else None)
            # Gives way when the moment has passed, too: the answers must be read meanwhile.
            gevent.sleep(max(0.0, turn.moment - AHEAD_SECONDS - time.perf_counter()))
            if turn.counted:
                used = used or time.process_time()
            if len(pool) >= OUTSTANDING:
                if turn.counted:
                    self.seen[name].add(WAIT_SECONDS, f"not sent: {OUTSTANDING} others were waiting for their answers")
                continue
            sent += turn.counted
            pool.spawn(self._arrive, name, turn)
            if sent % 100 == 0:
                self._alive()
        ended = time.perf_counter()
        cpu = (time.process_time() - used) / max(ended - begin - warm, 0.001)
        pool.join(timeout=WAIT_SECONDS + 5)
        pool.kill(block=False)
        planned = Counter(name for moment, name in schedule.arrivals(load.rates, warm + seconds) if moment >= warm)
        times = [one for seen in self.seen.values() for one in seen.times]
        offset = skew + self.wish["clock"]
        return {
            "users": users,
            "start": round(begin + warm + offset, 3),
            "end": round(begin + warm + seconds + offset, 3),
            "planned": dict(planned),
            "sent": sent,
            "late_p99_seconds": round(schedule.percentile(late, 0.99), 4),
            "cpu": round(cpu, 3),
            "all": schedule.spread(times),
            "scenarios": {
                name: {
                    "requests": len(seen.times),
                    "errors": seen.errors,
                    "messages": dict(seen.messages.most_common(5)),
                    **schedule.spread(seen.times),
                }
                for name, seen in self.seen.items()
            },
        }

    def _arrive(self, name: str, turn: Turn) -> None:
        kind = self.classes[name]
        current = gevent.getcurrent()
        current.scenario = name
        once = getattr(kind, "once", False)
        turn.has_waited = not once and self.idle[kind].empty()
        try:
            user = self._user(kind) if once else self.idle[kind].get(timeout=WAIT_SECONDS)
        except gevent.queue.Empty:
            if turn.counted:
                self.seen[name].add(WAIT_SECONDS, f"no user was free for {WAIT_SECONDS:.0f} s")
            return
        current.turn = turn
        try:
            self.tasks[name](user)
        except Exception as error:  # noqa: BLE001
            if turn.counted:
                self.seen[name].add(time.perf_counter() - turn.moment, f"{type(error).__name__}: {error}")
        finally:
            current.scenario, current.turn = "", None
            if once:
                with contextlib.suppress(Exception):
                    user.on_stop()
                user.client.client.close()
            else:
                self.idle[kind].put(user)

    def _heard(self, name: str, exception: Any, response: Any = None, **_other: Any) -> None:
        """Called by Locust for each request, in the greenlet that made it."""
        problem = ""
        if exception is not None:
            said, status = str(exception), getattr(response, "status_code", 0)
            problem = f"{name}: {said}" if not status or str(status) in said else f"{name}: HTTP {status}: {said}"
        current = gevent.getcurrent()
        scenario, turn = getattr(current, "scenario", None), getattr(current, "turn", None)
        if scenario is None:
            self.failed.update([problem] if problem else [])
        elif turn:
            seconds = turn.took()
            if turn.counted:
                self.seen[scenario].add(seconds, problem)

    def _alive(self) -> None:
        if os.getppid() != self.parent:
            raise GeneratorError("the playbook that started this has gone")


def search(generator: Generator, targets: verdict.Targets) -> Iterator[dict[str, Any]]:
    """Steps of a search for the capacity."""
    wish, tried = generator.wish, []
    while True:
        users = capacity.next_users(tried, wish["load"]["users"], wish["most_users"])
        if users is None:
            return
        generator.sign_in(users)
        step = generator.step(users, wish["seconds"], wish["warm"])
        tried.append(capacity.Tried(users, verdict.holds(step, targets)))
        say(f"{users} users: p95 {step['all']['p95_seconds']:.3f} s, {'holds' if tried[-1].held else 'does not hold'}")
        yield step
        # What a step that did not hold has left in the queues must not fall to the next.
        gevent.sleep(0 if tried[-1].held else SETTLE_SECONDS)


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def allow_connections() -> None:
    """Each user has a connection, and a process may open 1024 files on most systems unless it asks for more."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(wish: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    allow_connections()
    pin(wish["domain"], wish["address"])
    if wish["mode"] == "probe":
        token = secrets.token_hex(16)
        return {"status": ask(wish, probe_path(token))[0], "probe": token}
    _status, wish["clock"] = ask(wish, "/")
    at = time.time() + wish["clock"]
    targets = verdict.Targets(**wish["targets"])
    generator = Generator(wish)
    steps: list[dict[str, Any]] = []
    problems: list[str] = []
    signed: dict[str, Any] = {}
    try:
        with gevent.Timeout(wish["most_seconds"], GeneratorError(f"not ended after {wish['most_seconds']:.0f} s")):
            if wish["mode"] == verdict.CAPACITY:
                for step in search(generator, targets):
                    steps.append(step)  # noqa: PERF402 - those before an error are kept
            else:
                signed = generator.sign_in(wish["load"]["users"])
                say(f"{signed['users']} users signed in within {signed['seconds']} s")
                steps.append(generator.step(wish["load"]["users"], wish["seconds"], wish["warm"]))
    except GeneratorError as error:
        problems.append(str(error))
    finally:
        generator.sign_out()
    return {
        "mode": wish["mode"],
        "at": at,
        "seconds": round(time.monotonic() - began, 1),
        "signed_in": signed,
        "steps": steps,
        "problems": problems,
    }


def main() -> int:
    try:
        json.dump(run(json.load(sys.stdin)), sys.stdout)
    except GeneratorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
