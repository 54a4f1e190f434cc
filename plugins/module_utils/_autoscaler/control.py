# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people type: status, pause, resume, scale-up, scale-down (S52)."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

from .._core.autoscaler import exchange
from .._core.autoscaler.config import Config
from .._core.autoscaler.policy import Order
from .._core.errors import FirstbellError, InputError
from .._io import system
from .places import Places


def say(text: str) -> None:
    """What was asked for, to who typed it."""
    sys.stdout.write(f"{text}\n")


#: Intervals after which the last decision is too old to be of a service that lives.
_OLD = 6


def last(config: Config, places: Places) -> dict[str, Any]:
    """The last decision; FirstbellError where there is none, or only an old one."""
    text = system.read_text(places.state)
    service = f"{config.stack}_autoscaler"
    hint = f"look at docker service ps --no-trunc {service} and docker service logs {service}"
    if text is None:
        raise FirstbellError(f"the autoscaler has not decided yet; {hint}")
    try:
        line: dict[str, Any] = json.loads(text)
        age = time.time() - float(line["at"])
    except (ValueError, TypeError, KeyError):
        raise FirstbellError(f"{places.state} cannot be read; {hint}") from None
    if age > _OLD * config.interval:
        raise FirstbellError(f"the autoscaler has not decided for {age:.0f} s; {hint}")
    return line


def asked(places: Places) -> Order:
    """What people ask for now."""
    return exchange.order(system.read_text(places.order))


def lines(config: Config, line: dict[str, Any], order: Order) -> list[str]:
    """The state in words."""
    when = datetime.fromtimestamp(line["at"], config.calendar.zone)
    said = [
        f"{config.service}: {line['replicas']} replicas ordered, {line['running']} running",
        f"decided at {when:%Y-%m-%d %H:%M:%S %Z} by {line['source']}",
        f"band {line['band']}: {line['minimum']} to {line['maximum']}",
        *(f"  {reason}" for reason in line["reasons"]),
    ]
    if line["problem"]:
        said.append(f"not carried out: {line['problem']}")
    if order.paused:
        said.append(f"paused; go on with: {config.command} resume")
    return said


def put(config: Config, places: Places, order: Order) -> dict[str, Any]:
    """Write an order and wait for the decision that follows it."""
    given_at = time.time()
    system.write_text(places.order, exchange.written(order))
    end = time.monotonic() + 3 * config.interval + 30
    while time.monotonic() < end:
        time.sleep(0.5)
        line = last(config, places)
        if line["at"] > given_at and line["source"] != "roll-out":
            return line
    raise FirstbellError(
        "the order is written down, but no decision followed it: a roll-out may be under way; see status"
    )


class Status:
    NAME = "status"
    HELP = "show the last decision and its reasons; fails when there is no recent one"

    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="as JSON")

    @staticmethod
    def run(config: Config, places: Places, options: argparse.Namespace) -> int:
        line = last(config, places)
        say(json.dumps(line, indent=2) if options.json else "\n".join(lines(config, line, asked(places))))
        return 0


class Pause:
    NAME = "pause"
    HELP = "leave the replicas as they are until resume"

    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        """None."""

    @staticmethod
    def run(config: Config, places: Places, _options: argparse.Namespace) -> int:
        order = Order(paused=True)
        say("\n".join(lines(config, put(config, places, order), order)))
        return 0


class Resume:
    NAME = "resume"
    HELP = "decide again: ends a pause, and what scale-up or scale-down asked for"

    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        """None."""

    @staticmethod
    def run(config: Config, places: Places, _options: argparse.Namespace) -> int:
        say("\n".join(lines(config, put(config, places, Order()), Order())))
        return 0


class _Scale:
    NAME, HELP, STEP = "", "", 0

    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--by", type=int, default=1, help="replicas more or less (1)")
        parser.add_argument("--minutes", type=float, default=60, help="for how long (60)")

    @classmethod
    def run(cls, config: Config, places: Places, options: argparse.Namespace) -> int:
        if options.by < 1 or not 0 < options.minutes <= 24 * 60:
            raise InputError("--by is a number from 1, --minutes one up to 1440")
        line, order = last(config, places), asked(places)
        if order.paused:
            raise InputError(f"the autoscaler is paused; first: {config.command} resume")
        wanted = line["replicas"] + cls.STEP * options.by
        cap, name = config.settings.cap()
        if wanted > cap:
            raise InputError(f"{wanted} replicas are more than {name} allows, {cap}")
        if wanted < line["minimum"]:
            raise InputError(f"{wanted} replicas are less than the band {line['band']} has at least, {line['minimum']}")
        order = replace(order, replicas=wanted, until=time.time() + 60 * options.minutes)
        say("\n".join(lines(config, put(config, places, order), order)))
        return 0


class ScaleUp(_Scale):
    NAME, STEP = "scale-up", 1
    HELP = "run more replicas than load and calendar ask for, for a while"


class ScaleDown(_Scale):
    NAME, STEP = "scale-down", -1
    HELP = "run fewer replicas for a while, but never fewer than the calendar's minimum"
