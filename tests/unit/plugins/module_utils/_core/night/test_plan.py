# SPDX-License-Identifier: GPL-3.0-or-later
"""When the night work is done, and what of it."""

from __future__ import annotations

import datetime
import math
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler import calendar
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.index_advice import Advice
from ansible_collections.firstbell.stack.plugins.module_utils._core.night import config, plan
from ansible_collections.firstbell.stack.plugins.module_utils._core.night.plan import MB, Memory, Table

BANDS = [
    {"name": "school", "from": "08:00", "minimum": 2, "maximum": 3},
    {"name": "evening", "from": "18:00", "minimum": 1, "maximum": 3},
    {"name": "night", "from": "22:00", "minimum": 1, "maximum": 2},
]
DATA = {"timezone": "Europe/Berlin", "bands": BANDS, "weekdays": {"saturday": 0.5, "sunday": 0.5}}
DAYS = calendar.parse(DATA)
ZONE = ZoneInfo("Europe/Berlin")


def at(text: str) -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


def test_the_band_with_the_fewest_replicas_is_the_default() -> None:
    assert plan.low_band(DAYS) == "night"
    assert plan.low_band(DAYS, "evening") == "evening"
    with pytest.raises(InputError, match=r"night_work_band: .*nigth.*did you mean night\?"):
        plan.low_band(DAYS, "nigth")


@pytest.mark.parametrize(
    ("now", "begins", "ends"),
    [
        ("2027-03-03T22:00", "2027-03-03T22:00", "2027-03-04T07:45"),
        ("2027-03-04T03:30", "2027-03-03T22:00", "2027-03-04T07:45"),
        ("2027-03-04T07:44", "2027-03-03T22:00", "2027-03-04T07:45"),
        ("2027-03-28T04:00", "2027-03-27T22:00", "2027-03-28T07:45"),  # the hour from 2 to 3 is left out
        ("2027-10-31T04:00", "2027-10-30T22:00", "2027-10-31T07:45"),  # and this one is doubled
    ],
)
def test_the_window_is_the_band_without_its_margin(now: str, begins: str, ends: str) -> None:
    found = plan.window(DAYS, "night", at(now), 900)
    assert found == plan.Window(at(begins), at(ends))


@pytest.mark.parametrize("now", ["2027-03-03T21:59", "2027-03-04T07:45", "2027-03-04T08:00", "2027-03-04T12:00"])
def test_there_is_no_window_by_day(now: str) -> None:
    assert plan.window(DAYS, "night", at(now), 900) is None


def test_a_calendar_of_one_band_is_open_for_a_day_at_most() -> None:
    all_day = calendar.parse({"bands": [{"name": "all", "from": "00:00", "minimum": 1, "maximum": 1}]})
    found = plan.window(all_day, "all", 1_800_000_000, 0)
    assert found is not None
    assert found.ends - 1_800_000_000 == pytest.approx(86400, abs=60)


def test_every_night_of_a_year_has_a_window_that_ends_before_school() -> None:
    first = datetime.date(2027, 1, 1)
    for number in range(365):
        day = first + datetime.timedelta(days=number)
        moment = datetime.datetime.combine(day, datetime.time(4), ZONE).timestamp()
        found = plan.window(DAYS, "night", moment, 900)
        assert found is not None, day
        end = datetime.datetime.fromtimestamp(found.ends, ZONE)
        assert (end.date(), end.hour, end.minute) == (day, 7, 45)


@pytest.mark.parametrize(
    ("now", "rate", "reason"),
    [
        (99, 5, ""),
        (99, 20, ""),
        (99, 20.1, "20.1 transactions a second, more than 20"),
        (100, 0, "the band ends"),
        (99, math.nan, "nan transactions a second"),
    ],
)
def test_it_stops_for_others_and_at_the_end(now: float, rate: float, reason: str) -> None:
    said = plan.stop_reason(now, 100, rate, 20)
    assert said.startswith(reason)
    assert bool(said) == bool(reason)


def table(**given: object) -> Table:
    values: dict[str, object] = {
        "schema": "public",
        "name": "t",
        "rows": 10_000,
        "dead": 0,
        "inserted": 0,
        "changed": 0,
        "age": 5,
    }
    return Table(**{**values, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "sql"),
    [
        ({}, None),
        ({"dead": 199}, None),
        ({"dead": 200}, 'VACUUM (TRUNCATE FALSE, SKIP_LOCKED) "public"."t"'),
        ({"dead": 49, "rows": 10}, None),
        ({"dead": 50, "rows": 10}, 'VACUUM (TRUNCATE FALSE, SKIP_LOCKED) "public"."t"'),
        ({"inserted": 500}, 'VACUUM (TRUNCATE FALSE, SKIP_LOCKED) "public"."t"'),
        ({"changed": 100}, 'ANALYZE "public"."t"'),
        ({"changed": 99}, None),
        ({"dead": 200, "changed": 100}, 'VACUUM (ANALYZE, TRUNCATE FALSE, SKIP_LOCKED) "public"."t"'),
        ({"age": 100_000_000}, 'VACUUM (FREEZE, TRUNCATE FALSE, SKIP_LOCKED) "public"."t"'),
        ({"dead": 200, "name": 'a"b'}, 'VACUUM (TRUNCATE FALSE, SKIP_LOCKED) "public"."a""b"'),
    ],
)
def test_a_table_gets_what_it_needs(given: dict[str, object], sql: str | None) -> None:
    found = plan.vacuums([table(**given)])
    assert [task.sql for task in found] == ([sql] if sql else [])


def test_the_oldest_and_the_dirtiest_come_first() -> None:
    tables = [
        table(name="clean"),
        table(name="stale", changed=5000),
        table(name="dirty", dead=500),
        table(name="dirtier", dead=5000),
        table(name="old", age=200_000_000),
    ]
    assert [task.what.split(".")[1] for task in plan.vacuums(tables)] == ['"old"', '"dirtier"', '"dirty"', '"stale"']


ADVICE = [
    Advice("bloated_index", "public", "t", "small", "takes 9MB", "REINDEX INDEX CONCURRENTLY public.small"),
    Advice("bloated_index", "public", "t", "large", "takes 99MB", "REINDEX INDEX CONCURRENTLY public.large"),
    Advice("unused_index", "public", "t", "unused", "was not used", "DROP INDEX CONCURRENTLY public.unused"),
]
SIZES = {("public", "small"): 9 * MB, ("public", "large"): 99 * MB, ("public", "unused"): MB}


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        (False, []),
        (True, ["large", "small"]),
        (["small"], ["small"]),
        (["public.large", "unused", "elsewhere.small"], ["large"]),
    ],
)
def test_only_bloated_indexes_are_rebuilt_and_only_those_allowed(allowed: bool | list[str], names: list[str]) -> None:
    assert [task.index for task in plan.rebuilds(ADVICE, SIZES, allowed)] == names


def test_a_rebuild_needs_room_for_its_copy() -> None:
    [task] = plan.rebuilds(ADVICE, SIZES, ["large"])
    assert plan.has_room(task, 2 * 99 * MB + 1024 * MB)
    assert not plan.has_room(task, 2 * 99 * MB + 1024 * MB - 1)


@pytest.mark.parametrize(
    ("used", "resident", "purged"),
    [(100, 104, False), (100, 109, False), (100, 110, True), (10, 17, False), (10, 18, True), (100, 90, False)],
)
def test_redis_is_purged_where_it_holds_much_that_it_does_not_use(used: int, resident: int, purged: bool) -> None:
    assert bool(plan.purge(Memory(used * MB, resident * MB))) is purged


def test_the_reply_of_redis_is_read() -> None:
    reply = "OK\n# Memory\r\nallocator_active:1048576\r\nallocator_resident:2097152\r\nused_memory:1\r\n"
    assert plan.parse_memory(reply) == Memory(1048576, 2097152)
    assert plan.parse_memory("NOAUTH Authentication required.") is None
    assert plan.purge(None) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rebuild": "yes"}, "night_work_rebuild_indexes: .*neither a truth nor a list"),
        ({"rebuild": [1]}, "night_work_rebuild_indexes"),
        ({"rate": "many"}, "night_work_transactions_per_second: .*is no number"),
        ({"rate": 0}, "night_work_transactions_per_second: 0 is out of range"),
        ({"margin": 100000}, "night_work_margin_seconds"),
        ({"band": "noon"}, "night_work_band"),
        ({"calendar": {"timezone": "Berlin", "bands": BANDS}}, "firstbell_timezone"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_name(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config.parse({"calendar": DATA, **given})


def test_a_configuration_is_read_as_it_was_written() -> None:
    found = config.parse({"stack": "school", "calendar": DATA, "databases": ["school"], "rebuild": ["a"], "rate": 5})
    assert (found.command, found.band, found.databases, found.rebuild, found.rate) == (
        "school-night", "night", ("school",), ("a",), 5.0,
    )  # fmt: skip
    with pytest.raises(InputError, match="is no JSON"):
        config.parse_file("{", "/x")
