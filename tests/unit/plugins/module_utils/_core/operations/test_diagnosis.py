# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
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

from unit.faulty_stack import FAULTS, Break, burning, container, exhausted, queue
from unit.quiet_stack import GB, NOW, SERVICES, facts, haproxy, pool_row, seen, session

RUNBOOKS = Path(__file__).parents[6] / "docs" / "runbooks"


def named(after: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    return [item.rule for item in diagnose(RULES, facts(after, before))]


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


def test_what_a_finding_explains_is_there() -> None:
    known = {one.name for one in RULES} | {f"silent-{source}" for source in (*diagnosis.SOURCES, *SERVICES)}
    found: list[Finding] = []
    for _rule, fault, _said in FAULTS:
        after = seen()
        fault(after)
        found += diagnose(RULES, facts(after))
    found += [one for source in diagnosis.SOURCES for one in diagnose(RULES, facts({}, errors={source: "silent"}))]
    assert {name for item in found for name in item.explains} <= known
