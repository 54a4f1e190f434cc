# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a drill or a load: one JSON file each, which `verify` reads back and judges.

A file's name is ``<kind>-<UTC as YYYYmmddTHHMMSSZ>.json``. Times are UTC, durations seconds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .errors import InputError
from .names import did_you_mean
from .prometheus import Sample, render

KINDS = (
    "alert_drill",
    "capacity",
    "failover_drill",
    "load_test",
    "maintenance_daily",
    "maintenance_weekly",
    "maintenance_monthly",
    "rollout_drill",
)
#: How many of a kind are kept.
KEPT = 30

_NAME = re.compile(r"([a-z_]+)-(\d{8}T\d{6}Z)\.json")
_IN_NAME, _IN_RECORD = "%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Item:
    """One thing that was tried: a service that was killed, a scenario of a load."""

    name: str
    passed: bool
    measured: Mapping[str, float] = field(default_factory=dict)
    finding: str = ""


@dataclass(frozen=True)
class Record:
    """A drill or a load that was made.

    ``at``: when it began, in seconds since 1970. ``measured`` and ``targets`` share their names; a name ends with its
    unit (``p95_seconds``). ``findings`` say what is wrong and what to type.
    """

    kind: str
    at: float
    seconds: float
    passed: bool
    measured: Mapping[str, float] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "at": _moment(self.at).strftime(_IN_RECORD),
            "seconds": round(self.seconds, 3),
            "passed": self.passed,
            "measured": dict(self.measured),
            "targets": dict(self.targets),
            "findings": list(self.findings),
            "items": [
                {"name": one.name, "passed": one.passed, "measured": dict(one.measured), "finding": one.finding}
                for one in self.items
            ],
        }


@dataclass(frozen=True)
class Kept:
    """A file of the folder; without ``record`` it cannot be used, and ``problem`` says why."""

    name: str
    kind: str
    at: float
    record: Record | None = None
    problem: str = ""


def file_name(record: Record) -> str:
    return f"{record.kind}-{_moment(record.at).strftime(_IN_NAME)}.json"


def parse_name(name: str) -> tuple[str, float] | None:
    """Kind and time (seconds since 1970) of a record's file; None for a file of something else."""
    found = _NAME.fullmatch(name)
    if not found or found.group(1) not in KINDS:
        return None
    try:
        return found.group(1), _seconds(found.group(2), _IN_NAME)
    except ValueError:
        return None


def dump(record: Record) -> str:
    return json.dumps(record.as_dict(), indent=2) + "\n"


def load(name: str, text: str) -> Kept | None:
    """What the file of that name holds; None where the name is not one of a record."""
    named = parse_name(name)
    if named is None:
        return None
    kind, at = named
    try:
        record = parse(json.loads(text))
    except (InputError, ValueError) as error:
        return Kept(name, kind, at, problem=f"{name} cannot be read: {error}")
    if (record.kind, record.at) != (kind, at):
        return Kept(name, kind, at, problem=f"{name} holds a record of another kind or time")
    return Kept(name, kind, at, record)


def parse(content: object) -> Record:
    """A record from JSON's or a playbook's values; raises InputError that names the field."""
    if not isinstance(content, Mapping):
        raise InputError("a record must be a mapping")
    unknown = sorted(set(content) - {"kind", "at", "seconds", "passed", "measured", "targets", "findings", "items"})
    if unknown:
        raise InputError(f"a record has no field {unknown[0]!r}")
    kind = content.get("kind")
    if kind not in KINDS:
        near = did_you_mean(str(kind), KINDS)
        raise InputError(f"kind {kind!r} is none of {', '.join(KINDS)}" + (f"; did you mean {near}?" if near else ""))
    items = content.get("items", [])
    if not isinstance(items, (list, tuple)):
        raise InputError("items must be a list")
    record = Record(
        str(kind),
        _time(content.get("at")),
        _number("seconds", content.get("seconds")),
        _truth("passed", content.get("passed")),
        _numbers("measured", content.get("measured", {})),
        _numbers("targets", content.get("targets", {})),
        _texts(content.get("findings", [])),
        tuple(_item(number, one) for number, one in enumerate(items)),
    )
    if record.passed and (record.findings or not all(one.passed for one in record.items)):
        raise InputError("passed is true, and yet there is a finding or an item that failed")
    return record


def newest(kept: Iterable[Kept]) -> dict[str, Kept]:
    """The last record of each kind."""
    return {one.kind: one for one in sorted(kept, key=lambda one: one.at)}


def metrics(kept: Iterable[Kept]) -> str:
    """For the node exporter: when the last of each kind was made, and whether it passed. A damaged one has not."""
    samples = []
    for kind, one in sorted(newest(kept).items()):
        passed = one.record is not None and one.record.passed
        labels = {"kind": kind}
        samples += [
            Sample("firstbell_record_timestamp_seconds", one.at, labels, "Begin of the last drill or load of a kind"),
            Sample("firstbell_record_passed", float(passed), labels, "Whether it passed"),
        ]
    return render(samples)


def surplus(names: Iterable[str], kind: str, keep: int = KEPT) -> tuple[str, ...]:
    """The oldest files of the kind that are more than ``keep``."""
    mine = sorted(name for name in names if (parse_name(name) or ("",))[0] == kind)
    return tuple(mine[: max(0, len(mine) - keep)])


def _item(number: int, content: object) -> Item:
    where = f"items[{number}]"
    if not isinstance(content, Mapping) or not content.get("name"):
        raise InputError(f"{where} needs a name")
    return Item(
        str(content["name"]),
        _truth(f"{where}.passed", content.get("passed")),
        _numbers(f"{where}.measured", content.get("measured", {})),
        str(content.get("finding") or ""),
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(int(at), tz=timezone.utc)


def _seconds(text: str, form: str) -> float:
    return datetime.strptime(text, form).replace(tzinfo=timezone.utc).timestamp()


def _time(value: object) -> float:
    try:
        return _seconds(str(value), _IN_RECORD)
    except ValueError:
        raise InputError(f"at {value!r} is no time in UTC; write it like 2026-11-29T05:00:00Z") from None


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{name} must be a number")
    return value


def _numbers(name: str, values: object) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise InputError(f"{name} must be a mapping of numbers")
    return {str(key): _number(f"{name}.{key}", value) for key, value in values.items()}


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(one, str) for one in values):
        raise InputError("findings must be a list of texts")
    return tuple(values)
