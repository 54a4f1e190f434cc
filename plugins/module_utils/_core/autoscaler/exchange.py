# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in files and comes over the wire: orders of people, the last decision, Prometheus' answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..prometheus import Sample
from .config import Config
from .policy import Decision, History, Order, Reading


def reading(answer: object) -> Reading | None:
    """The value in an answer of Prometheus' query interface; None where there is none.

    Of several series the largest counts. Its text may be NaN or infinite: the policy judges that.
    """
    try:
        data: Any = answer["data"]  # type: ignore[index]
        found = data["result"]
        pairs = [found] if data["resultType"] == "scalar" else [series["value"] for series in found]
        values = [(float(value), float(at)) for at, value in pairs]
    except (KeyError, TypeError, ValueError):
        return None
    if not values:
        return None
    value, at = max(values, key=lambda pair: (pair[0] != pair[0], pair[0]))  # NaN before any number
    return Reading(value, at)


def order(text: str | None) -> Order:
    """What people asked for; what cannot be read asks for nothing."""
    try:
        data = json.loads(text or "{}")
        replicas, until = data.get("replicas"), float(data.get("until", 0))
        return Order(bool(data.get("paused", False)), int(replicas) if replicas else None, until)
    except (ValueError, TypeError, AttributeError):
        return Order()


def written(asked: Order) -> str:
    """An order as its file holds it."""
    data = {"paused": asked.paused, "replicas": asked.replicas, "until": asked.until}
    return json.dumps(data, sort_keys=True) + "\n"


def record(
    now: float, decision: Decision, running: int, metrics: Mapping[str, Reading], problem: str = ""
) -> dict[str, Any]:
    """A decision as a line of the log and as the state that ``status`` shows."""
    return {
        "at": now,
        "replicas": decision.replicas,
        "before": decision.before,
        "running": running,
        "wish": decision.wish,
        "minimum": decision.minimum,
        "maximum": decision.maximum,
        "band": decision.band,
        "source": decision.source,
        "reasons": list(decision.reasons),
        "metrics": {
            name: str(value.value) if value.value != value.value else value.value for name, value in metrics.items()
        },
        "problem": problem,
    }


def history(text: str | None) -> History:
    """What a process that starts may know of the one before: when it went up and down."""
    try:
        moves = json.loads(text or "{}").get("moves", [])
        return History(moves=tuple((float(at), 1 if direction > 0 else -1) for at, direction in moves))
    except (ValueError, TypeError, AttributeError):
        return History()


def samples(
    config: Config, line: Mapping[str, Any], decisions: Mapping[tuple[str, str], int], failures: int
) -> list[Sample]:
    """The autoscaler's own metrics. ``decisions`` counts by source and direction."""
    replicas = "Replicas of the application by what they are"
    found = [
        Sample("autoscaler_replicas", line[kind], {"kind": name}, replicas)
        for kind, name in (
            ("replicas", "ordered"),
            ("running", "running"),
            ("wish", "wished"),
            ("minimum", "minimum"),
            ("maximum", "maximum"),
        )
    ]
    found += [
        Sample("autoscaler_trigger_value", float(value), {"trigger": name}, "Last reading of a trigger")
        for name, value in line["metrics"].items()
    ]
    found += [
        Sample("autoscaler_trigger_target", target, {"trigger": name}, "One replica's part of a trigger")
        for name, target in config.settings.targets.items()
    ]
    found += [
        Sample(
            "autoscaler_decisions_total",
            count,
            {"source": source, "direction": direction},
            "Decisions by what decided and where to",
            "counter",
        )
        for (source, direction), count in sorted(decisions.items())
    ]
    found.append(Sample("autoscaler_failures_total", failures, {}, "Rounds without an answer of the gate", "counter"))
    paused = line["source"] == "paused"
    found.append(Sample("autoscaler_paused", float(paused), {}, "Whether people have paused it"))
    found.append(Sample("autoscaler_last_decision_timestamp_seconds", line["at"], {}, "When it last decided"))
    return found
