# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations import statements, weekly

from unit.quiet_stack import NOW, statement
from unit.reported_stack import DAY, findings, sections, week


def test_statements_of_the_week_are_those_since_the_last_report() -> None:
    facts = week()
    reset = facts["database"]["statements_since"]
    slow = statement(9, calls=120.0, total_seconds=200.5, mean_seconds=1.7, query="SELECT mended")
    facts["database"]["statements"].append(slow)
    assert len(findings(weekly.PARTS, facts)) == 1
    facts["snapshot"] = statements.Snapshot(NOW - 7 * DAY, reset, {slow["id"]: (20.0, 200.0)})
    found = sections(weekly.PARTS, facts)
    assert findings(weekly.PARTS, facts) == []
    assert "counted within 7 days" in found["statements_total"].lines[0]
    assert "; max since " in found["statements_total"].lines[0]
    row = next(line for line in found["statements_total"].lines if "mended" in line)
    assert row.split()[-5:] == ["school_app", "100", "5.0", "50", "0.5"]


@pytest.mark.parametrize(
    ("last", "begin", "due"),
    [
        (None, 0.0, True),
        (statements.Snapshot(900.0, 0.0, {}), 900.0, False),
        (statements.Snapshot(1000.0 - 6 * DAY, 0.0, {}), 1000.0 - 6 * DAY, True),
        (statements.Snapshot(900.0, -50.0, {}), 0.0, True),  # counting has begun anew since
        (statements.Snapshot(2000.0, 0.0, {}), 0.0, True),  # of the future
    ],
)
def test_a_snapshot_serves_while_counting_goes_on(last: statements.Snapshot | None, begin: float, due: bool) -> None:
    database = {"statements": [statement(1)], "statements_since": 0.0}
    assert statements.since(last, database, 1000.0).begin == begin
    assert statements.is_due(last, database, 1000.0) is due


def test_statements_that_were_not_called_or_came_again() -> None:
    rows = [statement(n, calls=10.0, total_seconds=2.0) for n in (1, 2, 3)]
    database = {"statements": rows, "statements_since": 0.0}
    last = statements.Snapshot(5.0, 0.0, {rows[0]["id"]: (10.0, 2.0), rows[1]["id"]: (50.0, 9.0)})
    found = statements.since(last, database, 9.0).rows
    assert [(one["query_id"], one["calls"], one["mean_seconds"]) for one in found] == [
        ("2", 10.0, 0.2),
        ("3", 10.0, 0.2),
    ]


def test_a_snapshot_is_read_as_it_was_written() -> None:
    taken = statements.take({"statements": [statement(1)], "statements_since": 5.0}, 9.0)
    assert statements.parse(taken.dump()) == taken
    assert taken.counted == {"1 school_app t": (1000.0, 1.0)}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"at": 1, "reset": 2, "counted": {"a": [1]}}', '{"at": NaN, "reset": 1, "counted": {}}']
)
def test_a_damaged_snapshot_is_none(text: str) -> None:
    assert statements.parse(text) is None
