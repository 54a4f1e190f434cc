# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and answers: what is read from them, also when they are broken."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import prometheus
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler import config, exchange
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.policy import (
    Decision,
    History,
    Order,
    Reading,
)

from unit.school import school


def vector(*values: str) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": [{"value": [7, text]} for text in values]}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (vector("1.5"), Reading(1.5, 7)),
        (vector("1", "3", "2"), Reading(3, 7)),
        (vector("+Inf"), Reading(math.inf, 7)),
        ({"data": {"resultType": "scalar", "result": [7, "2"]}}, Reading(2, 7)),
        (vector(), None),
        (vector("x"), None),
        (None, None),
        ({"status": "error"}, None),
        ([], None),
        ({"data": {"resultType": "vector", "result": [{}]}}, None),
    ],
)
def test_an_answer_of_prometheus_is_a_reading_or_none(answer: object, expected: Reading | None) -> None:
    assert exchange.reading(answer) == expected


def test_nan_among_series_is_not_hidden() -> None:
    found = exchange.reading(vector("1", "NaN", "2"))
    assert found is not None
    assert math.isnan(found.value)


@pytest.mark.parametrize("asked", [Order(), Order(paused=True), Order(replicas=2, until=5.0)])
def test_an_order_is_read_as_it_was_written(asked: Order) -> None:
    assert exchange.order(exchange.written(asked)) == asked


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", '{"until": "x"}', '{"replicas": "many"}'])
def test_an_order_that_cannot_be_read_asks_for_nothing(text: str | None) -> None:
    assert exchange.order(text) == Order()


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"moves": 3}', '{"moves": [[1]]}'])
def test_a_broken_state_is_no_history(text: str | None) -> None:
    assert exchange.history(text) == History()


def test_moves_outlive_the_process() -> None:
    assert exchange.history('{"moves": [[1.0, 1], [2.5, -1]]}').moves == ((1.0, 1), (2.5, -1))


def test_a_decision_becomes_a_line_and_metrics() -> None:
    decision = Decision(3, 2, 3, 1, 4, "school", "requests", ("requests 130 at 50 a replica: 3",))
    metrics = {"requests": Reading(130.0, 9), "p95": Reading(math.nan, 9)}
    line = exchange.record(9.0, decision, 2, metrics)
    assert json.loads(json.dumps(line, allow_nan=False))["metrics"] == {"requests": 130.0, "p95": "nan"}
    data = {
        "calendar": school(),
        "caps": {"autoscaler_maximum": 6},
        "prometheus": "http://p",
        "triggers": {"requests": 50},
        "queries": {"requests": "x"},
    }
    samples = exchange.samples(config.parse(data), line, {("requests", "up"): 1}, 4)
    text = prometheus.render(samples)
    for expected in (
        'autoscaler_replicas{kind="ordered"} 3',
        'autoscaler_replicas{kind="running"} 2',
        'autoscaler_trigger_value{trigger="requests"} 130',
        'autoscaler_trigger_target{trigger="requests"} 50',
        "# TYPE autoscaler_decisions_total counter",
        'autoscaler_decisions_total{direction="up",source="requests"} 1',
        "autoscaler_failures_total 4",
        "autoscaler_paused 0",
        "autoscaler_last_decision_timestamp_seconds 9",
    ):
        assert expected in text.splitlines()
    assert 'autoscaler_trigger_value{trigger="p95"} nan' in text.splitlines()
