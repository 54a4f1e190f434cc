# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision how many replicas run: a pure function of time, calendar, metrics, state and history.

The rules are those of Kubernetes' horizontal autoscaler where it has one: the largest wish wins,
within a tolerance nothing happens, up at once, down to the highest wish of the last 300 s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .calendar import Calendar

#: Load that replicas share: half of it needs half of them. ``target`` is one replica's part.
LOAD = ("sessions", "requests", "cpu")
#: Signs that there are too few replicas. Below the target they say nothing, for a short queue does
#: not tell how many could go.
PRESSURE = ("p95", "queue")
TRIGGERS = (*LOAD, *PRESSURE)

#: A sign that is twice its target or more asks for twice the replicas, not for more.
MOST_PRESSURE = 2.0
HOUR = 3600.0
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Settings:
    """What the user decided. Times in seconds.

    ``targets`` by trigger; ``caps`` by the name of what limits the replicas. ``fallback``: replicas
    without metrics, None for the band's maximum. ``stand_before``: how long before its begin a
    band's minimum stands; ``start``: how long replicas take to start.
    """

    targets: Mapping[str, float]
    caps: Mapping[str, int]
    tolerance: float = 0.1
    down_window: float = 300.0
    settle: float = 60.0
    max_age: float = 60.0
    hold: float = 300.0
    fallback: int | None = None
    stand_before: float = 60.0
    start: float = 120.0

    @property
    def lead(self) -> float:
        """How long before a band its replicas are ordered."""
        return self.stand_before + self.start

    def cap(self) -> tuple[int, str]:
        """The tightest cap and its name."""
        count, name = min((count, name) for name, count in self.caps.items())
        return max(count, 1), name


@dataclass(frozen=True)
class Reading:
    """A trigger's value and when it was measured. Requests per second, seconds, CPUs, sessions."""

    value: float
    at: float


@dataclass(frozen=True)
class State:
    """The service: replicas ordered, and whether a roll-out of it is under way."""

    replicas: int
    busy: bool = False


@dataclass(frozen=True)
class Order:
    """What a person asked for: nothing to change, or a number of replicas until a moment."""

    paused: bool = False
    replicas: int | None = None
    until: float = 0.0


@dataclass(frozen=True)
class History:
    """What the next decision has to know. ``seen`` is the last time with any usable metric."""

    wishes: tuple[tuple[float, int], ...] = ()
    moves: tuple[tuple[float, int], ...] = ()
    since: float | None = None
    last: float | None = None
    seen: float | None = None


@dataclass(frozen=True)
class Decision:
    """``wish`` is what metrics ask for by themselves; ``source`` names what decided."""

    replicas: int
    before: int
    wish: int
    minimum: int
    maximum: int
    band: str
    source: str
    reasons: tuple[str, ...] = field(default=())

    @property
    def direction(self) -> int:
        return (self.replicas > self.before) - (self.replicas < self.before)


@dataclass(frozen=True)
class _Scene:
    """All that a decision looks at; ``low`` to ``high`` is what the calendar and the caps allow."""

    now: float
    metrics: Mapping[str, Reading]
    current: int
    history: History
    settings: Settings
    low: int
    high: int


def decide(
    now: float,
    calendar: Calendar,
    metrics: Mapping[str, Reading],
    state: State,
    history: History,
    *,
    settings: Settings,
    order: Order | None = None,
) -> tuple[Decision, History]:
    """How many replicas there should be, why, and the history for the next call.

    The history takes for granted that the decision is carried out; keep the old one if it was not.
    """
    order = order or Order()
    window = calendar.ahead(now, settings.lead)
    cap, cap_name = settings.cap()
    high = min(window.maximum, cap)
    scene = _Scene(
        now, metrics, state.replicas, _continued(history, now, settings), settings, min(window.minimum, high), high
    )
    reasons = [f"calendar: {scene.low} to {high} ({window.why})"]
    if window.maximum > cap:
        reasons.append(f"capped at {cap} by {cap_name}")

    wish, source, said, seen = _wish(scene)
    history = replace(scene.history, wishes=(*scene.history.wishes, (now, wish)), last=now, seen=seen)
    scene = replace(scene, history=history)
    target, why = _wanted(scene, wish)
    reasons += [*said, *why]
    if not scene.low <= target <= high:
        source = "calendar" if target < scene.low or high == window.maximum else cap_name
        target = min(max(target, scene.low), high)
    if order.replicas is not None and now < order.until:
        target, source = min(max(order.replicas, scene.low), cap), "manual"
        reasons.append(f"manual: {order.replicas} for {_duration(order.until - now)} more")
    else:
        target, why = _steadied(scene, target)
        reasons += why
    if order.paused or state.busy:
        source = "paused" if order.paused else "roll-out"
        target = state.replicas
        reasons.append("held: paused by hand" if order.paused else "held: a roll-out is under way")
    source = _named(source, target - state.replicas)
    decision = Decision(target, state.replicas, wish, scene.low, high, window.band, source, tuple(reasons))
    if decision.direction:
        history = replace(history, moves=(*history.moves, (now, decision.direction)))
    return decision, history


def _named(source: str, change: int) -> str:
    """The name of what decided; a trigger that changes nothing is none."""
    if source in ("paused", "roll-out", "manual", "hold", "fallback"):
        return source
    if change == 0:
        return "steady"
    return "less load" if change < 0 and source == "steady" else source


def _steadied(scene: _Scene, target: int) -> tuple[int, list[str]]:
    """The target, or what there is where going down would turn the direction too often.

    Going up is never delayed, so going down may be a turn only if the last one is an hour ago: the
    next way up is then the second turn of that hour. A maximum waits for nobody.
    """
    moves, current = scene.history.moves, scene.current
    if target >= current or current > scene.high or not moves or moves[-1][1] < 0:
        return target, []
    if scene.now - moves[-1][0] >= HOUR:
        return target, []
    left = max((at + HOUR - scene.now for at in turns(moves)), default=0)
    if left <= 0:
        return target, []
    return current, [f"kept at {current}: the direction changed less than an hour ago, {_duration(left)} left"]


def turns(moves: tuple[tuple[float, int], ...]) -> list[float]:
    """When a move went the other way than one less than an hour before it."""
    pairs = zip(moves, moves[1:])
    return [at for (before, former), (at, direction) in pairs if former != direction and at - before < HOUR]


def _continued(history: History, now: float, settings: Settings) -> History:
    """The part of the history that still counts; a gap, or a clock set back, begins the watch anew."""
    broken = history.last is None or not 0 <= now - history.last <= settings.max_age
    since = now if broken or history.since is None else history.since
    first = now - settings.down_window
    wishes = () if broken else tuple(wish for wish in history.wishes if wish[0] >= first)
    seen = history.seen if history.seen is not None and history.seen <= now else now
    # Of the moves before, one is kept that tells whether the next one is a turn.
    moves = tuple(move for move in history.moves if move[0] <= now)
    recent = [n for n, move in enumerate(moves) if move[0] > now - 2 * HOUR]
    keep = max(min(recent, default=len(moves)) - 1, 0)
    return replace(history, wishes=wishes, since=since, seen=seen, moves=moves[keep:])


def usable(now: float, reading: Reading | None, settings: Settings) -> bool:
    """Whether a reading can be decided on: finite, not negative, not old, not of the future."""
    return (
        reading is not None
        and math.isfinite(reading.value)
        and reading.value >= 0
        and abs(now - reading.at) <= settings.max_age
    )


def _wish(scene: _Scene) -> tuple[int, str, list[str], float]:
    """The replicas that metrics ask for, which of them, what to say, and when metrics were last usable."""
    now, settings, current = scene.now, scene.settings, max(scene.current, 1)
    seen = scene.history.seen if scene.history.seen is not None else now
    if not settings.targets:
        return 1, "calendar", ["no triggers: the calendar decides alone"], now
    good = {
        name: scene.metrics[name].value for name in settings.targets if usable(now, scene.metrics.get(name), settings)
    }
    bad = [name for name in settings.targets if name not in good]
    if not good:
        what = f"no usable metric for {_duration(now - seen)}"
        if now - seen <= settings.hold:
            return current, "hold", [f"{what}: held"], seen
        count = scene.high if settings.fallback is None else settings.fallback
        return count, "fallback", [f"{what}: fallback to {count}"], seen
    wish, source, said = 1, "steady", []
    for name, value in good.items():
        asked, text = _pressed(scene, name, value) if name in PRESSURE else _loaded(scene, name, value)
        said.append(text)
        if asked > wish:
            wish, source = asked, name
    if bad:
        said.append(f"unusable: {', '.join(bad)}; no scaling down")
        wish = max(wish, current)
    return wish, source, said, now


def _pressed(scene: _Scene, name: str, value: float) -> tuple[int, str]:
    """What a sign of too few replicas asks for."""
    settings, current = scene.settings, max(scene.current, 1)
    ratio = value / settings.targets[name]
    text = f"{name} {value:.3g} of {settings.targets[name]:g}"
    if ratio <= 1 + settings.tolerance + _ROUNDING:
        return 1, f"{text}: content"
    if any(direction > 0 and scene.now - at < settings.settle for at, direction in scene.history.moves):
        return current, f"{text}: waits for what was just started"
    asked = math.ceil(current * min(ratio, MOST_PRESSURE) - _ROUNDING)
    return asked, f"{text}: {asked}"


def _loaded(scene: _Scene, name: str, value: float) -> tuple[int, str]:
    """What a load asks for that replicas share."""
    settings, current = scene.settings, max(scene.current, 1)
    target, slack = settings.targets[name], settings.tolerance
    exact = min(value / target, 1e6)
    ratio = exact / current
    if abs(ratio - 1) <= slack + _ROUNDING:
        asked = current
    elif ratio > 1:
        asked = math.ceil(exact - _ROUNDING)
    else:  # as many as leave the tolerance free, so that the way back up is not the next step
        asked = max(1, math.ceil(exact / (1 - slack) - _ROUNDING))
    return asked, f"{name} {value:.3g} at {target:g} a replica: {asked}"


def _wanted(scene: _Scene, wish: int) -> tuple[int, list[str]]:
    """Up at once; down to the highest wish of the window, once all of it was watched."""
    now, current, window = scene.now, scene.current, scene.settings.down_window
    if wish >= current:
        return wish, []
    watched = now - (scene.history.since if scene.history.since is not None else now)
    if watched < window:
        return current, [
            f"kept at {current}: watched for {_duration(watched)} only, {_duration(window - watched)} left"
        ]
    highest = min(max(wish[1] for wish in scene.history.wishes), current)
    if highest == current:
        return current, [f"kept at {current}: wished for within the last {_duration(window)}"]
    return highest, [f"down to {highest}, the highest wish of the last {_duration(window)}"]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * 60 else f"{seconds / 60:.0f} min"
