# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rehearsal of failures: what is killed or frozen, how long it was missed, and the verdict.

What counts is what clients see: the longest time without a good answer, and without a row that was committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .errors import InputError
from .names import did_you_mean
from .records import Item, Record

KILLED, FROZEN = "killed", "frozen"
#: In the order of a request's way, what nobody should miss at last.
_ORDER = ("nginx", "haproxy", "app", "pgbouncer", "postgres", "redis")


@dataclass(frozen=True)
class Step:
    """One failure. Those of services that no request passes are made at once."""

    services: tuple[str, ...]
    how: str

    @property
    def name(self) -> str:
        return f"{', '.join(self.services)} {self.how}"


@dataclass(frozen=True)
class Targets:
    """Times in seconds. ``missed``: how long clients may miss a service, by name, or by ``<name>_<killed|frozen>``.

    ``unnoticed``: the same for services that no request passes. ``back``: until all containers of a service are
    healthy again.
    """

    missed: Mapping[str, float]
    unnoticed: float
    back: float

    def of(self, step: Step) -> float:
        named = [f"{step.services[0]}_{step.how}", step.services[0]] if len(step.services) == 1 else []
        return next((self.missed[name] for name in named if name in self.missed), self.unnoticed)


@dataclass(frozen=True)
class Seen:
    """What a step did to clients. Times in seconds, ``back`` by service; None: it did not come back in time."""

    step: Step
    answers: float
    writes: float
    requests: int
    failed: int
    back: Mapping[str, float | None]
    problem: str = ""


@dataclass(frozen=True)
class Kept:
    """What was acknowledged, and what of it is there in the end."""

    acknowledged: int
    missing: Sequence[int] = field(default_factory=tuple)


def agenda(services: Iterable[str], frozen: Iterable[str], only: Iterable[str] = ()) -> list[Step]:
    """The steps in their order; raises InputError for a service that does not run here."""
    running = sorted(set(services), key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    chosen = set(only) or set(running)
    for name in sorted({*frozen, *chosen} - set(running)):
        near = did_you_mean(name, running)
        raise InputError(
            f"no container of {name} runs on this host; " + (f"did you mean {near}?" if near else ", ".join(running))
        )
    way = [name for name in running if name in _ORDER and name in chosen]
    others = tuple(name for name in running if name not in _ORDER and name in chosen)
    steps = [Step((name,), KILLED) for name in way]
    steps += [Step(others, KILLED)] if others else []
    return steps + [Step((name,), FROZEN) for name in running if name in set(frozen) & chosen]


def longest_gap(times: Iterable[float], began: float, ended: float) -> float:
    """The longest time between two of them, from ``began`` to ``ended``, in their unit."""
    points = [began, *sorted(time for time in times if began < time < ended), ended]
    return max(later - earlier for earlier, later in zip(points, points[1:]))


def judge(seen: Seen, targets: Targets) -> Item:
    """One step's item of the record."""
    most, missed = targets.of(seen.step), max(seen.answers, seen.writes)
    problems = [seen.problem] if seen.problem else []
    if seen.answers > most:
        problems.append(f"clients had no answer for {seen.answers:.1f} s, at most {most:g} s may pass")
    if seen.writes > most:
        problems.append(f"nothing could be committed for {seen.writes:.1f} s, at most {most:g} s may pass")
    for name, seconds in sorted(seen.back.items()):
        if seconds is None:
            problems.append(f"{name} was not healthy again within {targets.back:g} s")
    came = [seconds for seconds in seen.back.values() if seconds is not None]
    measured: dict[str, float] = {
        "missed_seconds": round(missed, 3),
        "target_seconds": most,
        "answers_seconds": round(seen.answers, 3),
        "writes_seconds": round(seen.writes, 3),
        "back_seconds": round(max(came, default=0.0), 3),
        "requests": seen.requests,
        "failed_requests": seen.failed,
    }
    return Item(seen.step.name, not problems, measured, "; ".join(problems))


def record(
    seen: Sequence[Seen],
    acknowledged: tuple[Kept, Kept],
    targets: Targets,
    times: tuple[float, float],
    *,
    stopped: str = "",
    left_out: int = 0,
) -> Record:
    """What is kept of the drill, with its begin and end; nothing tried, and nothing acknowledged, prove nothing.

    ``acknowledged``: rows of the database and keys of the cache. ``stopped``: why not all steps were made.
    ``left_out``: how many services were not tried, since only some were asked for.
    """
    (rows, keys), (began, ended) = acknowledged, times
    items = [judge(one, targets) for one in seen]
    findings = [f"{one.name}: {one.finding}. Read: docs/runbooks, docker service ps" for one in items if not one.passed]
    for what, kept, least in (("row", rows, 1), ("key", keys, 0)):
        if kept.missing:
            findings.append(
                f"{len(kept.missing)} of {kept.acknowledged} acknowledged {what}s are gone, the first is number "
                f"{min(kept.missing)}. See fsync and synchronous_commit, appendfsync: make verify ONLY=S25,S35"
            )
        if kept.acknowledged < least:
            findings.append(f"no {what} was acknowledged, so nothing is known of what is lost")
    findings += [stopped] if stopped else []
    if not items and not stopped:
        findings.append("nothing was tried")
    return Record(
        "failover_drill",
        float(int(began)),
        ended - began,
        not findings,
        {
            "longest_missed_seconds": max((one.measured["missed_seconds"] for one in items), default=0),
            "longest_back_seconds": max((one.measured["back_seconds"] for one in items), default=0),
            "steps": len(items),
            "services_left_out": left_out,
            "requests": sum(one.requests for one in seen),
            "failed_requests": sum(one.failed for one in seen),
            "rows_acknowledged": rows.acknowledged,
            "rows_lost": len(rows.missing),
            "keys_acknowledged": keys.acknowledged,
            "keys_lost": len(keys.missing),
        },
        {"rows_lost": 0, "keys_lost": 0, "longest_back_seconds": targets.back},
        tuple(findings),
        tuple(items),
    )


def not_begun(reason: str, targets: Targets, times: tuple[float, float]) -> Record:
    """A drill that could not be made proved nothing: that is a failure, and is on record as one."""
    began, ended = times
    return Record(
        "failover_drill",
        float(int(began)),
        ended - began,
        False,
        findings=(reason,),
        targets={"longest_back_seconds": targets.back},
    )
