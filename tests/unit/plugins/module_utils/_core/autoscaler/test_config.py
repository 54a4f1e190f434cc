# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is accepted as a configuration, and what is refused with its place and fix."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler import config

from unit.errors import error_of
from unit.school import school


def data(**changes: Any) -> dict[str, Any]:
    return {
        "stack": "school",
        "service": "school_app",
        "prometheus": "http://prometheus:9090/",
        "calendar": school(),
        "triggers": {"requests": 80, "p95": 0},
        "queries": {"requests": "sum(rate(x[1m]))", "p95": "y"},
        "caps": {"autoscaler_maximum": 6, "the plan": 3},
        "settings": {"fallback": 0, "start": 90},
        **changes,
    }


def test_a_configuration_is_read_from_its_file() -> None:
    read = config.parse_file(json.dumps(data()), "autoscaler.json")
    assert read.settings.targets == {"requests": 80.0}
    assert read.queries == {"requests": "sum(rate(x[1m]))"}
    assert read.settings.cap() == (3, "the plan")
    assert (read.settings.fallback, read.settings.lead) == (None, 150)
    assert (read.prometheus, read.command) == ("http://prometheus:9090", "school-autoscaler")


def test_without_prometheus_there_are_no_triggers() -> None:
    assert not config.parse(data(prometheus="")).settings.targets


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prometheus": "prometheus:9090"}, "autoscaler_prometheus_url: 'prometheus:9090' is no address"),
        ({"triggers": {"request": 80}}, "triggers.request: there is no such trigger; did you mean requests?"),
        ({"triggers": {"requests": "80"}}, "autoscaler_triggers.requests: '80' is no number"),
        ({"triggers": {"requests": -1}}, "autoscaler_triggers.requests: -1 is out of range"),
        ({"triggers": {"cpu": 0.6}}, "nothing says how to measure it; write a query in autoscaler_queries.cpu"),
        ({"caps": {}}, "autoscaler_maximum: it is missing"),
        ({"caps": {"autoscaler_maximum": 0}}, "autoscaler_maximum: 0 is no number of replicas"),
        ({"caps": {"the plan": 1}}, "bands.school.minimum: 2 replicas are more than the plan allows, 1"),
        ({"settings": {"fallback": -1}}, "autoscaler_fallback: -1 is no number of replicas"),
        ({"settings": {"tolerance": 0.9}}, "autoscaler_tolerance: 0.9 is out of range"),
        ({"settings": {"start": float("inf")}}, "autoscaler_start_seconds: inf is no number"),
        ({"settings": {"max_age": 15}}, "autoscaler_max_age_seconds: 15 is less than two intervals of 10 s; write 20"),
        ({"settings": {"speed": 1}}, "autoscaler_speed: there is no such setting"),
        ({"interval": 0}, "autoscaler_interval_seconds: 0 is out of range"),
        ({"calendar": None}, "autoscaler_calendar: None has no entries"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    assert message in str(error_of(config.parse, data(**changes)))


def test_a_file_that_is_none_names_its_path() -> None:
    for text in ("{", "[]"):
        assert "autoscaler.json" in str(error_of(config.parse_file, text, "autoscaler.json"))
