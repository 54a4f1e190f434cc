# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Prometheus that was just started does not know yet."""

from __future__ import annotations

import time

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import monitoring

WATCHDOG = {"alertname": "Watchdog", "severity": "none"}
OTHER = {"alertname": "BackupDrillMissing", "severity": "warning"}


class Prometheus:
    """Answers as one that was started ``age`` seconds ago and evaluates its rules ``silent`` questions later."""

    def __init__(self, age: float | None, silent: int, *others: dict[str, str]) -> None:
        self.others = [(other, 1.0) for other in others]
        self.started = None if age is None else time.time() - age
        self.silent = silent

    def query(self, query: str) -> list[tuple[dict[str, str], float]]:
        if "process_start_time_seconds" in query:
            return [({}, self.started)] if self.started else []
        self.silent -= 1
        return self.others if self.silent >= 0 else [*self.others, (WATCHDOG, 1.0)]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(monitoring.time, "sleep", taken.append)
    return taken


def test_a_young_one_is_given_time(pauses: list[float]) -> None:
    assert monitoring._firing(Prometheus(10, 4)) == [WATCHDOG]
    assert len(pauses) == 4


def test_one_that_has_evaluated_some_of_its_rules_is_given_time(pauses: list[float]) -> None:
    assert monitoring._firing(Prometheus(10, 3, OTHER)) == [OTHER, WATCHDOG]
    assert len(pauses) == 3


def test_an_old_one_that_fires_nothing_is_not_waited_for(pauses: list[float]) -> None:
    assert monitoring._firing(Prometheus(1000, 4)) == []
    assert not pauses


def test_one_that_never_measures_itself_is_given_up(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 50))
    monkeypatch.setattr(monitoring.time, "monotonic", lambda: next(clock))
    assert monitoring._firing(Prometheus(None, 1000)) == []
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("equal", "expression", "said"),
    [(True, False, 'a="b"'), (True, True, 'a=~"b"'), (False, False, 'a!="b"'), (False, True, 'a!~"b"')],
)
def test_what_a_silence_covers(equal: bool, expression: bool, said: str) -> None:
    assert monitoring._matcher({"name": "a", "value": "b", "isEqual": equal, "isRegex": expression}) == said


@pytest.mark.parametrize(
    ("by", "ends", "matcher", "expected"),
    [
        ("alert drill", "2026-11-30T19:25:00.000Z", {}, True),
        ("eve", "2026-11-30T19:25:00.000Z", {}, False),
        ("alert drill", "2027-11-30T19:25:00.000Z", {}, False),
        ("alert drill", "2026-11-30T19:25:00.000Z", {"isRegex": True, "value": ".+"}, False),
        ("alert drill", "2026-11-30T19:25:00.000Z", {"name": "host"}, False),
    ],
)
def test_silences_that_a_drill_has_left(by: str, ends: str, matcher: dict[str, object], expected: bool) -> None:
    matchers = [{"name": "alertname", "value": "CacheDown", "isRegex": False, "isEqual": True, **matcher}]
    one = {"createdBy": by, "startsAt": "2026-11-30T19:00:00.000Z", "endsAt": ends, "matchers": matchers}
    assert monitoring._left_over(one) is expected


@pytest.mark.parametrize(
    ("has", "age", "fired", "expected"),
    [
        ([WATCHDOG, OTHER], 10, [[WATCHDOG, OTHER]], []),
        ([WATCHDOG, OTHER], 10, [[WATCHDOG], [WATCHDOG], [WATCHDOG, OTHER]], []),
        ([WATCHDOG, OTHER], 1000, [[WATCHDOG]], ["BackupDrillMissing"]),
        ([{"alertname": "AlertDrill"}], 10, [], []),
        (None, 10, [], []),
    ],
)
def test_alerts_from_elsewhere_are_those_that_prometheus_has_not_fired_but_a_young_one_is_given_time(
    monkeypatch: pytest.MonkeyPatch,
    has: list[dict[str, str]] | None,
    age: float,
    fired: list[list[dict[str, str]]],
    expected: list[str],
) -> None:
    class Alertmanager:
        def __init__(self, *_about: str) -> None:
            if has is None:
                raise FirstbellError("no container of school_alertmanager runs on this host")

        def alerts(self) -> list[dict[str, str]]:
            return has or []

    class Firing:
        def query(self, query: str) -> list[tuple[dict[str, str], float]]:
            if "process_start_time_seconds" in query:
                return [({}, time.time() - age)]
            return [(labels, 1.0) for labels in fired.pop(0)]

    monkeypatch.setattr(monitoring, "Alertmanager", Alertmanager)
    about = {"alertmanager_path": "/alertmanager", "user": "admin"}
    assert monitoring._invented("school", about, Firing()) == expected
    assert not fired
