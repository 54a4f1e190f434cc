# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules tell apart: what only looks like the fault that they name, and the command for exactly that one."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations import diagnosis
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations.diagnosis import Finding, diagnose
from ansible_collections.firstbell.stack.plugins.module_utils._operations.diagnose import RULES

from unit.faulty_stack import all_paused, backend, container, counters, exhausted, failed, paused, services, starved
from unit.quiet_stack import GB, MB, NOW, facts, pool_row, seen, session, statement, table


def named(after: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    return [item.rule for item in diagnose(RULES, facts(after, before))]


def only(after: dict[str, Any], rule: str, before: dict[str, Any] | None = None) -> list[Finding]:
    return [item for item in diagnose(RULES, facts(after, before)) if item.rule == rule]


def test_a_pool_that_is_paused_is_not_called_exhausted_or_starved() -> None:
    after = seen()
    all_paused(after)
    assert named(after) == ["pool-paused"]
    assert only(after, "pool-paused")[0].act.endswith("-c 'RESUME'")
    paused(paused="1")(after := seen())
    assert only(after, "pool-paused")[0].act.endswith("""-c 'RESUME "school"'""")


def test_connections_of_other_users_exhaust_a_pool_as_well() -> None:
    after = seen()
    starved(after)
    after["pool"]["pools"].append(pool_row(user="school_owner", sv_active="14"))
    assert named(after) == ["pool-waiting"]


@pytest.mark.parametrize(
    ("holder", "act"),
    [
        (session(1, state="active", query_seconds=60.0), "-d school -c 'SELECT pg_cancel_backend(1)'"),
        (session(1, state="idle in transaction"), "-d school -c 'SELECT pg_terminate_backend(1)'"),
        (session(1, state="active", role="school_owner"), "if it is a migration, let it end"),
        (None, "ROLLBACK PREPARED 'its gid'"),
    ],
)
def test_who_holds_a_lock_is_ended_as_mildly_as_can_be(holder: dict[str, Any] | None, act: str) -> None:
    after = seen()
    waiting = session(2, state="active", wait="Lock", lock_seconds=9.0, blocked_by=[1 if holder else 0])
    after["database"]["activity"] = [one for one in (holder, waiting) if one]
    assert act in only(after, "lock-queue")[0].act


def test_a_long_statement_that_has_just_begun_to_wait_is_no_queue() -> None:
    after = seen()
    holder = session(1, state="idle in transaction", state_seconds=2.0)
    waiting = session(2, state="active", wait="Lock", query_seconds=90.0, lock_seconds=0.4, blocked_by=[1])
    after["database"]["activity"] = [holder, waiting]
    assert named(after) == []


def test_a_forgotten_transaction_beside_the_pool_is_not_why_clients_of_the_pool_wait() -> None:
    after = seen()
    after["database"]["activity"].append(session(7, role="postgres", state="idle in transaction", state_seconds=60.0))
    exhausted(after)
    assert named(after) == ["pool-waiting", "idle-transactions"]
    assert not any(item.follows for item in diagnose(RULES, facts(after)))


@pytest.mark.parametrize(
    ("role", "act"),
    [
        (
            "anna's",
            "WHERE pid <> pg_backend_pid() AND usename = 'anna''s' AND application_name = 'psql'",
        ),
        ("school_app", "ORDER BY 4 DESC NULLS LAST"),
    ],
)
def test_sessions_that_come_past_the_pool_are_the_ones_to_end(role: str, act: str) -> None:
    after = seen()
    after["database"]["activity"] += [session(pid, role=role, application="psql") for pid in range(100, 135)]
    (found,) = diagnose(RULES, facts(after))
    assert found.evidence == f"by {role} (psql) 35; school_app (pgbouncer) 2"
    assert shlex.split(found.act)[-1].endswith(act)


def test_one_long_call_that_has_just_ended_is_no_load() -> None:
    after = seen()
    after["database"]["statements"] = [statement(1, total_seconds=26.0, calls=1001.0), statement(2)]
    assert named(after) == []
    after["database"]["statements"] = [statement(1, total_seconds=201.0, calls=1002.0), statement(2)]
    found = only(after, "statement-load")[0]
    assert "about 2 sessions" in found.what
    assert "2 calls that ended within 5.0 s took 3 minutes in all" in found.evidence
    assert "WHERE queryid = 1 LIMIT 1" in found.act
    assert "ANALYZE" not in found.act


def test_names_of_tables_are_quoted() -> None:
    after = seen()
    after["database"]["tables"] = [table("Attendance's", dead=50000.0)]
    found = only(after, "vacuum-starving")[0].act
    assert shlex.split(found)[-1] == """VACUUM (ANALYZE, VERBOSE) "public"."Attendance's\""""
    assert " -d school -c " in found


def test_a_segment_of_the_wal_that_was_given_up_is_no_rush() -> None:
    after = seen()
    counters(wal=30.0 * MB)(after)
    after["database"]["wal_room"] = 100.0 * MB
    assert named(after) == []


def test_pages_from_the_memory_of_the_host_keep_nobody_waiting() -> None:
    after = seen()
    counters(hit=1000.0, read=90000.0, read_seconds=3.0)(after)
    found = only(after, "cache-hits")[0]
    assert (found.severity, found.explains) == (diagnosis.WATCH, ())
    assert "so most were in the memory of the host" in found.evidence


@pytest.mark.parametrize(
    ("error", "kernel"),
    [("task: non-zero exit (137)", True), ("task: non-zero exit (137): dockerexec: unhealthy container", False)],
)
def test_a_kill_is_not_called_one_for_memory_without_proof(error: str, kernel: bool) -> None:
    after = seen()
    services("app", failed=failed(error))(after)
    (found,) = diagnose(RULES, facts(after))
    assert (found.rule, found.severity) == ("restarts", diagnosis.WATCH)
    assert "memory" not in found.what + found.evidence
    assert ("journalctl --dmesg" in found.act) is kernel


@pytest.mark.parametrize(("ago", "severity"), [(0, diagnosis.BROKEN), (1800, diagnosis.WATCH)])
@pytest.mark.parametrize("out_of_memory", [False, True])
def test_a_loop_explains_errors_while_it_goes_on(ago: float, severity: int, out_of_memory: bool) -> None:
    after = seen()
    ended = [{**one, "at": one["at"] - ago} for one in failed("task: non-zero exit (137)", 4)]
    services("postgres", failed=[{**one, "out_of_memory": out_of_memory} for one in ended])(after)
    after["site"]["status"] = 500
    found = {item.rule: item for item in diagnose(RULES, facts(after))}
    loop = found["memory-kills" if out_of_memory else "restarts"]
    assert loop.severity == severity
    assert "at least 4 times" in loop.what
    assert bool(found["site-answer"].follows) is (ago == 0)


@pytest.mark.parametrize(
    ("started", "earlier", "within_an_hour", "severity"),
    [
        (NOW - 30 * 86400, 2, {}, diagnosis.WATCH),
        (NOW - 30 * 86400, 1, {}, diagnosis.SLOW),
        (NOW - 600, 2, {}, diagnosis.SLOW),
        (NOW - 30 * 86400, 2, {"school_app.1": 1.0}, diagnosis.SLOW),
    ],
)
def test_a_kill_of_a_month_ago_keeps_nobody_waiting(
    started: float, earlier: int, within_an_hour: dict[str, float], severity: int
) -> None:
    after, before = seen(), seen()
    container(after, "app").update(kills=2, started=started)
    container(before, "app").update(kills=earlier, started=started)
    after["prometheus"]["kills"] = within_an_hour
    assert [one.severity for one in only(after, "memory-kills", before)] == [severity]


@pytest.mark.parametrize("service", ["prometheus", "node_exporter"])
def test_visitors_do_not_miss_the_monitoring(service: str) -> None:
    for change in ({"wanted": 0, "running": 0}, {"running": 0}, {"failed": failed("task: non-zero exit (1)", 3)}):
        after = seen()
        after["engine"]["services"].setdefault(service, {**after["engine"]["services"]["app"]}).update(change)
        (found,) = diagnose(RULES, facts(after))
        assert found.severity == diagnosis.WATCH
        assert set(found.explains) <= {f"silent-{service}"}


@pytest.mark.parametrize("change", [{"free": MB}, {"inodes_free": 0}, {"free": MB, "read_only": True}])
def test_a_disk_that_holds_nothing_of_the_stack_explains_nothing(change: dict[str, Any]) -> None:
    after = seen()
    after["host"]["disks"].append({**after["host"]["disks"][0], "mount": "/boot", "own": False, **change})
    (found,) = diagnose(RULES, facts(after))
    assert (found.severity, found.explains) == (diagnosis.WATCH, ())


@pytest.mark.parametrize(
    ("mount", "severity", "explains"),
    [
        ("/opt/school/data/prometheus", diagnosis.WATCH, False),
        ("/opt/school/data/redis", diagnosis.BROKEN, False),
        ("/opt/school/data/postgres", diagnosis.BROKEN, True),
        ("/var/lib/docker", diagnosis.BROKEN, True),
    ],
)
def test_a_disk_of_one_service_stops_that_one(mount: str, severity: int, explains: bool) -> None:
    for change in ({"free": 0}, {"read_only": True}):
        after = seen()
        after["host"]["disks"].append({**after["host"]["disks"][0], "mount": mount, **change})
        (found,) = diagnose(RULES, facts(after))
        assert (found.severity, "silent-database" in found.explains) == (severity, explains)


def test_a_disk_that_is_nearly_full_stops_nobody_yet() -> None:
    after = seen()
    after["host"]["disks"][0].update(free=4 * GB)
    after["engine"]["services"]["nginx"].update(running=0)
    assert not any(item.follows for item in diagnose(RULES, facts(after)))


def test_an_average_of_hours_ago_is_not_told() -> None:
    after = seen()
    backend(rtime="4000", hrsp_2xx="993")(after)
    assert named(after) == []


@pytest.mark.parametrize(("severity", "wanted"), [("page", diagnosis.BROKEN), ("warning", diagnosis.WATCH)])
def test_an_alert_that_wakes_somebody_is_no_small_thing(severity: str, wanted: int) -> None:
    after = seen()
    after["prometheus"]["firing"] = [{"alertname": "SiteDown", "component": "edge", "severity": severity}]
    assert [item.severity for item in diagnose(RULES, facts(after))] == [wanted]


def test_what_somebody_is_woken_for_is_as_grave_where_a_rule_tells_of_it() -> None:
    after = seen()
    after["host"]["disks"][0].update(free=4 * GB)
    after["prometheus"]["firing"] = [{"alertname": "HostDiskSpaceLow", "component": "host", "severity": "page"}]
    (found,) = diagnose(RULES, facts(after))
    assert (found.rule, found.severity) == ("disk-full", diagnosis.BROKEN)


def test_one_cause_is_told_once_for_all_its_alerts() -> None:
    after = seen()
    paused(paused="1")(after)
    names = ("PoolPaused", "PoolWaitLong", "PoolClientsWaiting")
    after["prometheus"]["firing"] = [{"alertname": name, "component": "pool"} for name in names]
    assert named(after) == ["pool-paused"]


def test_processes_that_do_nothing_are_not_the_busiest() -> None:
    after = seen()
    after["host"].update(cpu={"user": 109.0, "system": 21.0, "idle": 1000.1, "iowait": 5.0}, load=[9.0, 5.0, 2.0])
    after["host"]["busiest"] = [{"name": "dockerd", "pid": 1, "cpus": 0.01, "container": ""}]
    assert "dockerd" not in only(after, "host-cpu")[0].evidence


def test_a_frozen_nginx_is_told_without_any_monitoring() -> None:
    after = seen()
    del after["site"], after["prometheus"]
    (found,) = diagnose(RULES, facts(after, errors={"site": "nginx does not answer: timed out"}))
    assert (found.rule, found.severity) == ("silent-site", diagnosis.BROKEN)
    assert "school_nginx" in found.act
