# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``run`` (started by a timer), ``show`` what would be done, ``last`` what was done."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .._core import redis_save
from .._core.errors import FirstbellError
from .._core.night import config as configuration
from .._core.night import plan
from .._core.night.config import Config
from .._core.night.plan import Task, Window
from .._io import docker_cli, system
from .database import Database, StoppedError, opener

#: By hand, --now opens a window of this length.
_BY_HAND = 3600.0


def say(text: str) -> None:
    """To the journal, or to who typed it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Night:
    """One run."""

    def __init__(self, config: Config, until: float) -> None:
        self.config = config
        self.until = until
        self.databases = {name: Database(name, opener(config.socket, name), self.stop) for name in config.databases}

    def stop(self, rate: float) -> str:
        return plan.stop_reason(time.time(), self.until, rate, self.config.rate)

    def redis(self, *commands: str) -> str:
        """What Redis answers its user for backups, who may purge; "" without one. Nobody sees the password."""
        password = (system.read_text(f"{self.config.directory}/redis-password") or "").strip()
        label = f"label=com.docker.swarm.service.name={self.config.stack}_redis"
        found = system.run(["docker", "ps", "--quiet", "--filter", label], check=False).out.split()
        if not password or not found:
            return ""
        argv = ["docker", "exec", "--interactive", found[0], "redis-cli", "-s", "/run/redis/redis.sock"]
        return docker_cli.run(argv, stdin=redis_save.commands(password, *commands), check=False).out

    def tasks(self) -> list[tuple[str, Task]]:
        """All that is to be done, with the database it belongs to."""
        found = [
            (name, task)
            for name, database in self.databases.items()
            for task in database.tasks(self.config.schemas, self.config.rebuild)
        ]
        return found + [("", task) for task in plan.purge(plan.parse_memory(self.redis("INFO memory")))]

    def work(self, name: str, task: Task) -> str:
        """One task; what there is to say of it."""
        if task.kind == "purge":
            before = plan.parse_memory(self.redis("INFO memory"))
            said = self.redis("MEMORY PURGE")
            after = plan.parse_memory(self.redis("INFO memory"))
            if before is None or after is None or "OK" not in said.split()[1:]:
                raise FirstbellError(f"Redis does not purge, it said: {' '.join(said.split())[:200]}")
            return f"{(before.resident - after.resident) // 1024 // 1024} MB given back"
        if task.kind == "rebuild" and not plan.has_room(task, shutil.disk_usage(self.config.socket).free):
            raise FirstbellError(f"{task.sql}: there is no room for a copy; free {2 * task.bytes // 1024 // 1024} MB")
        self.databases[name].work(task)
        return "done"

    def run(self) -> dict[str, Any]:
        """Everything in its order, until there is a reason to stop."""
        done: list[dict[str, Any]] = []
        failed: list[str] = []
        stopped = ""
        for name, database in self.databases.items():
            stopped = stopped or database.quiet()
            if not stopped and self.config.rebuild:
                for left in database.clear(self.config.schemas):
                    say(f"{name}: dropped {left}, which a rebuild had left")
        for name, task in [] if stopped else self.tasks():
            stopped = self.stop(0)
            if stopped:
                break
            began = time.monotonic()
            try:
                said = self.work(name, task)
            except StoppedError as error:
                stopped = f"{error}, while {task.sql}"
                break
            except FirstbellError as error:
                failed.append(str(error))
                say(f"{task.kind} {task.what}: {error}")
                continue
            took = round(time.monotonic() - began, 1)
            done.append({"kind": task.kind, "what": task.what, "why": task.why, "seconds": took, "said": said})
            say(f"{task.kind} {task.what}: {said} in {took} s ({task.why})")
        say(f"stopped: {stopped}" if stopped else f"{len(done)} done, {len(failed)} failed")
        return {"done": done, "failed": failed, "stopped": stopped}


def _state(config: Config) -> str:
    return f"{config.directory}/last.json"


def last(config: Config) -> dict[str, Any]:
    """What the last run has left; empty where there is none."""
    try:
        found: dict[str, Any] = json.loads(system.read_text(_state(config)) or "{}")
    except ValueError:
        return {}
    return found


def run(config: Config, by_hand: bool) -> int:
    """In the band and once a night; by hand at any time. 1 where something failed."""
    now = time.time()
    window = Window(now, now + _BY_HAND) if by_hand else plan.window(config.calendar, config.band, now, config.margin)
    before = last(config)
    if window is None:
        return 0
    if not by_hand and before.get("night") == window.begins and before.get("complete"):
        return 0
    with open(f"{config.directory}/lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FirstbellError("another run is at work; look at the journal") from None
        found = Night(config, window.ends).run()
        earlier = before.get("done", []) if not by_hand and before.get("night") == window.begins else []
        found["done"] = earlier + found["done"]
        state = {"at": now, "night": window.begins, "complete": not found["stopped"], **found}
        system.write_text(_state(config), json.dumps(state, indent=2) + "\n")
    return 1 if found["failed"] else 0


def show(config: Config) -> int:
    """What would be done now."""
    now = time.time()
    window = plan.window(config.calendar, config.band, now, config.margin)
    zone = config.calendar.zone
    if window:
        say(f"the band {config.band} is open until {datetime.fromtimestamp(window.ends, zone):%H:%M}")
    else:
        say(f"it is not the time of the band {config.band}")
    for name, task in Night(config, now + _BY_HAND).tasks():
        say(f"{task.kind} {name + ': ' if name else ''}{task.what}: {task.why}")
    return 0


def parser(config: Config) -> argparse.ArgumentParser:
    """The subcommands."""
    top = argparse.ArgumentParser(
        prog=config.command, description=f"What is done at night for the stack {config.stack}."
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    text = "do what is to be done, if it is the time and nobody is there"
    commands.add_parser("run", help=text, description=text).add_argument(
        "--now", action="store_true", help="at any time of the day, but not under load"
    )
    for name, text in (("show", "what would be done now"), ("last", "what the last run did, as JSON")):
        commands.add_parser(name, help=text, description=text)
    return top


def main(config_path: str, arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand; an error is one message and exit status 1."""
    try:
        with open(config_path, encoding="utf-8") as file:
            config = configuration.parse_file(file.read(), config_path)
        options = parser(config).parse_args(arguments)
        if options.command == "run":
            os.umask(0o022)
            return run(config, options.now)
        if options.command == "show":
            return show(config)
        say(json.dumps(last(config), indent=2))
        return 0
    except (FirstbellError, OSError) as error:
        sys.stderr.write(f"{config_path}: {error}\n" if isinstance(error, OSError) else f"{error}\n")
        return 1
