# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations import diagnosis
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations.diagnosis import (
    Finding,
    diagnose,
    render,
)
from ansible_collections.firstbell.stack.plugins.module_utils._operations.diagnose import RULES

from unit.quiet_stack import GB, MB, NOW, facts, haproxy, pool_row, seen, session, statement, table

Break = Callable[[dict[str, Any]], None]
RUNBOOKS = Path(__file__).parents[6] / "docs" / "runbooks"


def named(after: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    return [item.rule for item in diagnose(RULES, facts(after, before))]


def container(after: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in after["engine"]["containers"] if one["service"] == name)
    return found


def queue(after: dict[str, Any]) -> None:
    """One open transaction, and three that wait for it and for each other."""
    after["database"]["activity"] = [
        session(1, state="idle in transaction", state_seconds=40.0, transaction_seconds=41.0, query="UPDATE books"),
        session(2, state="active", wait="Lock", query_seconds=39.0, blocked_by=[1], query="UPDATE books SET a = 'x'"),
        session(3, state="active", wait="Lock", query_seconds=20.0, blocked_by=[2]),
        session(4, state="active", wait="Lock", query_seconds=10.0, blocked_by=[2, 3]),
    ]


def idle(after: dict[str, Any]) -> None:
    after["database"]["activity"] += [
        session(pid, state="idle in transaction", state_seconds=20.0, transaction_seconds=20.0) for pid in range(20, 32)
    ]
    exhausted(after)


def exhausted(after: dict[str, Any]) -> None:
    after["pool"]["pools"][0] = pool_row(cl_waiting="8", sv_active="12", sv_idle="0", maxwait="6")


def busy_statements(after: dict[str, Any]) -> None:
    exhausted(after)
    after["database"]["activity"] = [
        session(pid, state="active", query_seconds=40.0, transaction_seconds=40.0, query="SELECT pg_sleep(60)")
        for pid in range(20, 32)
    ]


def burning(after: dict[str, Any]) -> None:
    container(after, "app").update(cpu_seconds=104.9, periods=1050, throttled_periods=45)
    after["host"].update(cpu={"user": 109.0, "system": 20.5, "idle": 1000.2, "iowait": 5.0}, load=[9.0, 5.0, 2.0])
    after["app"]["replicas"][0]["metrics"]["nodejs_eventloop_lag_p99_seconds"] = 0.9
    after["app"]["replicas"][0]["seconds"] = 1.4


def disk(after: dict[str, Any]) -> None:
    after["host"]["disks"].append(
        {"mount": "/srv", "total": GB, "free": 10 * MB, "inodes": 1000, "inodes_free": 900, "read_only": False}
    )
    after["engine"]["services"]["postgres"].update(running=0)


def cache_full(after: dict[str, Any]) -> None:
    after["cache"]["info"].update(used_memory=str(128 * MB), errorstat_OOM="count=12")


def evicting(after: dict[str, Any]) -> None:
    after["cache"]["info"].update(used_memory=str(127 * MB), evicted_keys="50")


def update(source: str, **values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        after[source].update(values)

    return change


def use(service: str, **values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        container(after, service).update(values)

    return change


def services(name: str, **values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        after["engine"]["services"][name].update(values)

    return change


def counters(**values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        for name, value in values.items():
            after["database"]["counters"][name] += value

    return change


def backend(**values: str) -> Break:
    def change(after: dict[str, Any]) -> None:
        after["edge"]["rows"][1].update(values)

    return change


def replica(**values: Any) -> Break:
    def change(after: dict[str, Any]) -> None:
        after["app"]["replicas"][0].update(values)

    return change


def metric(name: str, value: float) -> Break:
    def change(after: dict[str, Any]) -> None:
        after["app"]["replicas"][0]["metrics"][name] = value

    return change


FAILED = {"at": NOW - 60, "error": "task: non-zero exit (137)"}
FAULTS: list[tuple[str, Break, str]] = [
    ("lock-queue", queue, "3 sessions wait for a lock that one transaction holds"),
    ("idle-transactions", idle, "12 transactions are left open by a client that does nothing"),
    ("pool-waiting", busy_statements, "The pool is exhausted: 8 clients wait"),
    ("container-cpu", burning, "app uses all the CPU that it may use"),
    ("disk-full", disk, "The disk at /srv is full"),
    ("cache-full", cache_full, "Redis is full: 12 commands refused within 5.0 s"),
    ("cache-full", evicting, "Redis is full and drops valid keys: 50"),
    (
        "cache-full",
        lambda after: after["cache"]["info"].update(used_memory=str(125 * MB)),
        "Redis is nearly full: 98 %",
    ),
    ("cache-clients", lambda after: after["cache"]["info"].update(rejected_connections="3"), "Redis has 10 of 2000"),
    (
        "cache-clients",
        lambda after: after["cache"].update(slow=[{"at": NOW - 5, "seconds": 0.4, "command": "KEYS"}]),
        "1 command kept Redis for itself",
    ),
    ("services-missing", services("nginx", running=0), "nginx has 0 of 1 tasks running"),
    ("services-missing", services("app", wanted=0, running=0), "app is scaled to 0"),
    ("memory-kills", use("app", kills=2), "app had 2 processes killed for lack of memory"),
    ("memory-kills", services("app", failed=[FAILED]), "app was killed 1 time within an hour"),
    (
        "restarts",
        services("app", failed=[{"at": NOW - 30 * n, "error": "task: non-zero exit (1)"} for n in (3, 2, 1)]),
        "app was started again 3 times within an hour",
    ),
    ("unhealthy", use("haproxy", health="unhealthy"), "haproxy does not pass its health check"),
    ("container-memory", use("redis", memory=250 * MB), "redis uses 98 % of its memory"),
    ("container-memory", use("redis", processes=127), "redis has 127 of 128 processes"),
    (
        "long-statements",
        lambda after: after["database"]["activity"].append(
            session(5, state="active", query_seconds=400.0, query="SELECT * FROM logs WHERE name = 'Anna'")
        ),
        "1 statement runs for more than 30 s",
    ),
    (
        "connections",
        lambda after: after["database"].update(activity=[session(pid) for pid in range(36)]),
        "36 of 37 connections of the database are taken",
    ),
    (
        "connections",
        lambda after: after["pool"].update(lists=[{"list": "used_clients", "items": "1990"}]),
        "1990 of 2000 clients of the pool",
    ),
    (
        "statement-load",
        lambda after: after["database"].update(
            statements=[statement(1, total_seconds=9.0, calls=1020.0), statement(2)]
        ),
        "One statement takes most of the database's time",
    ),
    ("cache-hits", counters(hit=1000.0, read=9000.0), "The database reads from the disk: 10 % of its pages"),
    ("cache-hits", counters(temporary_bytes=200.0 * MB), "Statements sort or join on the disk: 200.0 MB"),
    ("cache-hits", counters(deadlocks=1.0), "1 deadlock within 5.0 s"),
    (
        "vacuum-starving",
        lambda after: after["database"].update(tables=[table("logs", dead=50000.0)]),
        "1 table is full of dead rows",
    ),
    ("vacuum-starving", update("database", oldest_transaction=400_000_000), "The oldest transaction id is 400 million"),
    ("checkpoints", counters(requested=3.0), "3 checkpoints within 5.0 s"),
    ("app-silent", replica(error="port 3000 of the container does not answer", seconds=None), "1 of 1 replica"),
    ("app-silent", replica(status=500), "1 of 1 replica of the application does not answer"),
    ("app-loop", metric("nodejs_eventloop_lag_p99_seconds", 0.5), "its event loop comes 0.5 s late"),
    ("app-loop", metric("nodejs_heap_size_used_bytes", 190.0 * MB), "has used 99 % of its heap"),
    ("app-pool", metric('app_database_pool_connections{state="waiting"}', 7.0), "7 requests of school_app.1 wait"),
    ("app-slow", replica(seconds=3.0), "school_app.1 took 3.0 s for its health path"),
    ("edge-down", backend(status="DOWN"), "No replica of the application is ready"),
    (
        "edge-errors",
        lambda after: after["edge"]["rows"][0].update(req_tot="1100", hrsp_5xx="20"),
        "20 of 100 requests were answered with a server error",
    ),
    ("edge-slow", backend(rtime="4000", hrsp_2xx="995"), "An answer of the application takes 4.0 s on average"),
    (
        "host-memory",
        update("host", memory={"MemTotal": 4 * GB, "MemAvailable": 0.1 * GB}),
        "The host is short of memory",
    ),
    ("host-memory", update("host", events={"pswpin": 5000, "oom_kill": 0}), "The host is short of memory"),
    ("host-memory", update("host", events={"pswpin": 0, "oom_kill": 1}), "most likely a container met its limit"),
    (
        "host-cpu",
        update("host", cpu={"user": 109.0, "system": 21.0, "idle": 1000.1, "iowait": 5.0}, load=[9.0, 5.0, 2.0]),
        "All processors of the host are busy",
    ),
    (
        "host-cpu",
        update("host", cpu={"user": 103.0, "system": 20.0, "idle": 1004.0, "iowait": 5.0, "steal": 3.0}),
        "The provider's machine takes 30 %",
    ),
    (
        "host-cpu",
        update("host", cpu={"user": 101.0, "system": 20.0, "idle": 1003.0, "iowait": 11.0, "steal": 0.0}),
        "The host waits for its disks",
    ),
    (
        "disk-full",
        lambda after: after["host"]["disks"][0].update(inodes_free=0),
        "The disk at / can hold hardly any more files",
    ),
    ("disk-full", lambda after: after["host"]["disks"][0].update(read_only=True), "The disk at / is mounted read-only"),
    ("disk-full", lambda after: after["host"]["disks"][0].update(free=4 * GB), "The disk at / is nearly full"),
    (
        "alerts",
        lambda after: after["prometheus"].update(firing=[{"alertname": "SignInsFailing", "component": "business"}]),
        "The alert SignInsFailing fires",
    ),
    (
        "alerts",
        lambda after: after["prometheus"].update(down=[{"job": "node", "instance": "bell1"}]),
        "Prometheus gets no answer from node at bell1",
    ),
]


def test_nothing_is_wrong_with_a_quiet_stack() -> None:
    assert diagnose(RULES, facts(seen())) == []
    assert "Nothing is wrong" in render([], facts(seen()), "docs/runbooks")[0]


def test_a_first_look_alone_tells_nothing_wrong() -> None:
    assert diagnose(RULES, facts(seen(), {})) == []


@pytest.mark.parametrize(
    ("rule", "fault", "said"), FAULTS, ids=[f"{rule}-{n}" for n, (rule, _f, _s) in enumerate(FAULTS)]
)
def test_a_fault_is_named_first(rule: str, fault: Break, said: str) -> None:
    after = seen()
    fault(after)
    found = diagnose(RULES, facts(after))
    assert found[0].rule == rule
    assert said in found[0].what
    assert found[0].evidence
    assert found[0].act
    assert "{stack}" not in found[0].act


@pytest.mark.parametrize(
    ("look", "severity"), [("", diagnosis.SLOW), ("before", diagnosis.BROKEN), ("after", diagnosis.BROKEN)]
)
def test_a_kill_is_the_hosts_where_the_host_was_short(look: str, severity: int) -> None:
    looks = {"before": seen(), "after": seen()}
    if look in looks:
        looks[look]["host"]["memory"] = {"MemTotal": 4 * GB, "MemAvailable": 0.1 * GB}
    looks["after"]["host"]["events"]["oom_kill"] = 1
    found = diagnose(RULES, facts(looks["after"], looks["before"]))
    assert [one.severity for one in found if one.what.startswith("The kernel kills")] == [severity]


def test_every_rule_is_seen_to_fire() -> None:
    assert {one.name for one in RULES} - {rule for rule, _fault, _said in FAULTS} == {"edge-queue"}


def test_a_queue_counts_when_it_lasts() -> None:
    after, before = seen(), seen()
    after["edge"]["rows"][1].update(qcur="7")
    assert named(after) == []
    before["edge"]["rows"] = [haproxy("site", "FRONTEND"), haproxy("app", "BACKEND", qcur="3")]
    assert named(after, before) == ["edge-queue"]


def test_what_follows_stands_behind_its_cause() -> None:
    after = seen()
    queue(after)
    exhausted(after)
    found = diagnose(RULES, facts(after))
    assert [item.rule for item in found] == ["lock-queue", "idle-transactions", "pool-waiting"]
    assert all(item.follows == found[0].what for item in found[1:])
    assert "pid 1" in found[0].evidence
    assert "pg_terminate_backend(1)" in found[0].act
    assert "'x'" not in found[0].evidence


def test_a_burning_app_stands_before_a_busy_host() -> None:
    after = seen()
    burning(after)
    assert named(after)[0] == "container-cpu"
    assert "host-cpu" in named(after)[1:]


@pytest.mark.parametrize(("cpus", "follows"), [(1.0, True), (0.3, False)])
def test_a_small_container_at_its_limit_is_not_why_the_host_is_busy(cpus: float, follows: bool) -> None:
    after = seen()
    burning(after)
    container(after, "app").update(cpus=cpus, cpu_seconds=100 + 4.9 * cpus)
    found = {item.rule: item for item in diagnose(RULES, facts(after))}
    assert bool(found["host-cpu"].follows) is follows


def test_the_monitoring_may_use_up_its_own_cpu() -> None:
    after = seen()
    container(after, "prometheus").update(cpu_seconds=100.35, periods=1050, throttled_periods=40)
    assert named(after) == []


@pytest.mark.parametrize("source", sorted(diagnosis.SOURCES))
def test_a_silent_source_is_told(source: str) -> None:
    after = seen()
    del after[source]
    found = diagnose(RULES, facts(after, errors={source: "no answer within 15 s"}))
    assert [item.rule for item in found] == [f"silent-{source}"]
    assert "no answer within 15 s" in found[0].evidence
    text = "\n".join(render(found, facts(after, errors={source: "no answer"}), "docs/runbooks"))
    assert "Not looked at:" in text
    assert diagnosis.SOURCES[source] in text


def test_a_service_that_was_stopped_explains_its_silence() -> None:
    after = seen()
    del after["cache"]
    after["engine"]["services"]["redis"].update(wanted=0, running=0)
    found = diagnose(RULES, facts(after, errors={"cache": "no container of school_redis runs on this host"}))
    assert [item.rule for item in found] == ["services-missing", "silent-cache"]
    assert found[1].follows == "redis is scaled to 0"


def test_clients_that_waited_and_were_refused_make_idle_transactions_worse() -> None:
    after, before = seen(), seen()
    after["database"]["activity"] = [session(1, state="idle in transaction", state_seconds=12.0)]
    assert diagnose(RULES, facts(after, before))[0].severity == diagnosis.WATCH
    before["pool"]["pools"][0] = pool_row(cl_waiting="5")
    assert diagnose(RULES, facts(after, before))[0].severity == diagnosis.BROKEN


def test_what_is_switched_off_is_no_fault() -> None:
    after = seen()
    del after["prometheus"]
    seen_facts = facts(after, absent={"prometheus": "firstbell_monitoring is false"})
    assert diagnose(RULES, seen_facts) == []
    assert "firstbell_monitoring is false" in "\n".join(render([], seen_facts, "docs/runbooks"))


def test_since_when_comes_from_the_alert_of_the_same_thing() -> None:
    after = seen()
    after["host"]["disks"][0].update(free=4 * GB)
    after["prometheus"]["since"] = [({"alertname": "HostDiskSpaceLow"}, NOW - 600), ({"alertname": "Other"}, NOW - 9)]
    assert diagnose(RULES, facts(after))[0].since == 600


def test_an_alert_of_what_a_rule_has_seen_is_not_told_twice() -> None:
    after = seen()
    after["host"]["disks"][0].update(free=4 * GB)
    after["prometheus"]["firing"] = [{"alertname": "HostDiskSpaceLow", "component": "host"}]
    assert named(after) == ["disk-full"]


def test_a_runbook_has_the_section_that_a_finding_leads_to() -> None:
    found: list[Finding] = []
    for _rule, fault, _said in FAULTS:
        after = seen()
        fault(after)
        found += diagnose(RULES, facts(after))
    for source in diagnosis.SOURCES:
        found += diagnose(RULES, facts({}, errors={source: "silent"}))
    for place in {item.runbook for item in found if item.runbook}:
        page, _, section = place.partition("#")
        headings = re.findall(r"^## (\S+)$", (RUNBOOKS / f"{page}.md").read_text(encoding="utf-8"), re.MULTILINE)
        assert section in [heading.lower() for heading in headings], place
