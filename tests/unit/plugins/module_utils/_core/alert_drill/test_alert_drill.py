# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert drill: what is put in together, what counts as arrived, and when it has failed."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.alert_drill import notices, plan, verdict
from ansible_collections.firstbell.stack.plugins.module_utils._core.alert_drill.catalogue import FAULTS
from ansible_collections.firstbell.stack.plugins.module_utils._core.alert_drill.model import (
    OVER,
    Config,
    Fault,
    Notice,
    Outcome,
    Rule,
    is_over,
    parse,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError

COMPONENTS = {
    "ContainerMemoryHigh": "containers",
    "ContainerOutOfMemoryKill": "containers",
    "ContainerRestartLoop": "containers",
    "ServiceTasksMissing": "containers",
    "HostDiskSpaceLow": "host",
    "BackupUnhealthy": "backup",
    "CertificateExpiresVerySoon": "edge",
    "SiteSlow": "edge",
    "SiteErrorRate": "edge",
    "SiteDown": "edge",
    "EdgeDown": "edge",
    "TargetDown": "monitoring",
    "DatabaseConnectionsHigh": "database",
    "DatabaseTransactionIdle": "database",
    "DatabaseTransactionLong": "database",
    "DatabaseLocksWaiting": "database",
    "DatabaseDeadlocks": "database",
    "DatabaseDown": "database",
    "PoolClientsWaiting": "pool",
    "PoolDown": "pool",
    "PoolPaused": "pool",
    "CacheDown": "cache",
    "AppDown": "app",
}
RULES = {name: Rule(60.0, "page", component) for name, component in COMPONENTS.items()}
CONFIG = Config(
    stack="school",
    directory="/opt/school",
    host="one",
    image="receiver:1",
    database="school",
    prometheus="http://localhost:9090/prometheus",
    alertmanager="http://alertmanager:9093/alertmanager",
    user="admin",
    rules=RULES,
    thresholds={"idle_transaction_seconds": 30.0, "transaction_seconds": 300.0},
)
BY_NAME = {fault.name: fault for fault in FAULTS}
CACHE, MEMORY = BY_NAME["redis-stopped"], BY_NAME["memory-filled"]


def webhook(at: float, alertname: str, status: str = "firing", **labels: str) -> str:
    alert = {"status": status, "labels": {"alertname": alertname, **labels}}
    return json.dumps({"at": at, "way": "webhook", "alerts": [alert]}) + "\n"


def mail(at: float, subject: str, **more: Any) -> str:
    return (
        json.dumps({"at": at, "way": "mail", "subject": subject, "tls": True, "user": "drill", "text": "", **more})
        + "\n"
    )


def test_every_fault_has_a_rule_and_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(FAULTS)
    assert {fault.alert for fault in FAULTS} == set(COMPONENTS)


def test_what_nobody_notices_comes_first() -> None:
    assert [fault.interrupts for fault in FAULTS] == sorted(fault.interrupts for fault in FAULTS)
    assert not any(fault.interrupts for fault in plan.choose(FAULTS, ["quiet"]))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_labels_are_those_of_the_stack(fault: Fault) -> None:
    assert "{" not in "".join(CONFIG.labels(fault).values())
    assert CONFIG.labels(fault)["alertname"] == fault.alert


def test_a_threshold_that_takes_its_time_is_waited_for() -> None:
    assert CONFIG.patience(BY_NAME["transaction-idle"]) == 90.0
    assert CONFIG.patience(CACHE) == 60.0


@pytest.mark.parametrize(
    ("wanted", "count"), [([], len(FAULTS)), (["all"], len(FAULTS)), (["redis-stopped"], 1), ([""], len(FAULTS))]
)
def test_faults_are_chosen_by_name(wanted: list[str], count: int) -> None:
    assert len(plan.choose(FAULTS, wanted)) == count


def test_a_misspelt_fault_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean redis-stopped"):
        plan.choose(FAULTS, ["redis-stoped"])


def test_all_faults_are_put_in_once_and_those_of_a_round_do_not_hide_each_other() -> None:
    groups = plan.rounds(FAULTS, RULES)
    assert sorted(fault.name for group in groups for fault in group) == sorted(BY_NAME)
    for group in groups:
        for one, other in combinations(group, 2):
            assert RULES[other.alert].component not in one.hides
            assert RULES[one.alert].component not in other.hides
    assert {fault.name for fault in groups[0]} >= {fault.name for fault in FAULTS if not fault.interrupts}
    # The database and the cache can be missed at the same time, the pool behind the database cannot.
    assert not plan.together(BY_NAME["postgres-stopped"], BY_NAME["pgbouncer-stopped"], RULES)
    assert plan.together(BY_NAME["postgres-stopped"], CACHE, RULES)
    # Nothing that a paused pool holds back is waited for beside it, and the edge itself needs none.
    assert not plan.together(BY_NAME["pool-paused"], BY_NAME["nginx-stopped"], RULES)
    assert plan.together(BY_NAME["pool-paused"], BY_NAME["haproxy-stopped"], RULES)
    # What measures the host is no part of what is measured elsewhere, but of what the host's alerts stand on.
    assert not plan.together(BY_NAME["node_exporter-stopped"], BY_NAME["disk-filled"], RULES)
    assert plan.together(BY_NAME["node_exporter-stopped"], BY_NAME["target-gone"], RULES)
    assert len(groups) <= 7


def test_alerts_of_one_name_are_put_in_together_only_where_labels_tell_them_apart() -> None:
    assert not plan.together(MEMORY, replace(MEMORY, name="other", labels={}), RULES)
    assert plan.together(MEMORY, replace(MEMORY, name="other", labels={"name": "else"}), RULES)


def test_notices_are_read_from_webhooks_and_mails() -> None:
    text = webhook(5.0, "CacheDown", host="one") + mail(6.0, "[FIRING:2] CacheDown (cache\n one page)")
    text += mail(7.0, "[RESOLVED] CacheDown (x)") + json.dumps({"at": 8, "way": "refused", "user": "x"}) + "\n"
    found = notices.parse(text + '{"at": 9, "way": "webh')
    assert [(one.way, one.at, one.status, one.alert) for one in found] == [
        ("webhook", 5.0, "firing", "CacheDown"),
        ("mail", 6.0, "firing", "CacheDown"),
        ("mail", 7.0, "resolved", "CacheDown"),
    ]


@pytest.mark.parametrize("lack", [{"tls": False}, {"user": ""}, {"subject": "hello"}])
def test_a_mail_counts_only_when_it_came_as_a_mail_server_wants_it(lack: dict[str, Any]) -> None:
    assert notices.parse(mail(6.0, **{"subject": "[FIRING:1] CacheDown", **lack})) == []


@pytest.mark.parametrize(
    ("line", "arrived"),
    [
        (webhook(5.0, "ContainerMemoryHigh", name="school_drill_memory.1", host="one"), 5.0),
        (webhook(5.0, "ContainerMemoryHigh", name="school_app.1"), None),
        (webhook(5.0, "ContainerMemoryHigh", "resolved", name="school_drill_memory.1"), None),
        (webhook(2.0, "ContainerMemoryHigh", name="school_drill_memory.1"), None),
        (webhook(5.0, "CacheDown", name="school_drill_memory.1"), None),
    ],
)
def test_a_webhook_arrives_with_its_labels_after_the_fault(line: str, arrived: float | None) -> None:
    assert notices.arrival(notices.parse(line), "webhook", CONFIG.labels(MEMORY), 3.0) == arrived


@pytest.mark.parametrize(
    ("text", "arrived"), [("name = school_drill_memory.1<br>", 6.0), ("name = school_app.1", None)]
)
def test_a_mail_arrives_when_its_text_has_the_labels(text: str, arrived: float | None) -> None:
    line = mail(6.0, "[FIRING:1] ContainerMemoryHigh (x)", text=text)
    assert notices.arrival(notices.parse(line), "mail", CONFIG.labels(MEMORY), 3.0) == arrived


def test_the_end_of_an_alert_is_told_after_its_beginning() -> None:
    text = webhook(5.0, "CacheDown", "resolved") + webhook(6.0, "CacheDown")
    assert not notices.ended(notices.parse(text), CONFIG.labels(CACHE), 6.0)
    assert not notices.ended(notices.parse(text + webhook(7.0, "PoolDown", "resolved")), CONFIG.labels(CACHE), 6.0)
    assert notices.ended(notices.parse(text + webhook(8.0, "CacheDown", "resolved", x="y")), CONFIG.labels(CACHE), 6.0)


def page(alertname: str, **labels: str) -> Notice:
    return Notice("webhook", 1.0, "firing", alertname, {"alertname": alertname, "severity": "page", **labels})


def test_a_page_that_no_fault_explains_is_found_once() -> None:
    seen = [page("CacheDown"), page("DatabaseDown"), page("DatabaseDown"), page("HostDown"), page("EdgeDown")]
    seen.append(replace(page("SiteDown"), labels={"alertname": "SiteDown", "severity": "warning"}))
    group = [CACHE, replace(MEMORY, also=("EdgeDown",))]
    found = verdict.unexpected(CONFIG, seen, group, [page("HostDown").labels])
    assert [labels["alertname"] for labels in found] == ["DatabaseDown"]


def test_a_page_of_another_container_is_no_consequence() -> None:
    found = verdict.unexpected(CONFIG, [page("ContainerMemoryHigh", name="school_app.1")], [MEMORY], [])
    assert [labels["name"] for labels in found] == ["school_app.1"]


IN_TIME = Outcome(CACHE, 100.0, {"webhook": 180.0, "mail": 219.0})


def test_a_drill_in_which_all_arrives_in_time_has_passed() -> None:
    skipped = Outcome(BY_NAME["app-stopped"], skipped="school_app does not run")
    record = verdict.judge(CONFIG, [IN_TIME, skipped], [], [], began=50.0, ended=300.0)
    assert record.passed
    assert record.measured == {"faults": 1, "not_provoked": 1, "unexpected_pages": 0, "slowest_after_for_seconds": 59.0}
    assert record.items[0].measured == {"allowed_seconds": 120.0, "webhook_seconds": 80.0, "mail_seconds": 119.0}
    assert "not provoked: school_app does not run" in record.items[1].name
    assert (record.at, record.seconds) == (50.0, 250.0)


@pytest.mark.parametrize(
    ("outcomes", "pages", "problems", "finding"),
    [
        ([replace(IN_TIME, arrived={"webhook": 180.0})], [], [], "did not arrive by mail within 120 s"),
        ([replace(IN_TIME, arrived={"webhook": 221.0, "mail": 180.0})], [], [], "by webhook after 121.0 s, and 120 s"),
        ([replace(IN_TIME, arrived={})], [], [], "did not arrive by webhook"),
        ([Outcome(CACHE, error="it could not be put in: no")], [], [], "it could not be put in: no"),
        ([IN_TIME], [page("DatabaseDown").labels], [], "DatabaseDown woke somebody"),
        ([IN_TIME], [], ["redis could not be taken back"], "redis could not be taken back"),
        ([Outcome(CACHE, skipped="it does not run")], [], [], "nothing was proven"),
    ],
)
def test_what_was_not_proven_is_a_finding(
    outcomes: list[Outcome], pages: list[dict[str, str]], problems: list[str], finding: str
) -> None:
    record = verdict.judge(CONFIG, outcomes, pages, problems, began=50.0, ended=300.0)
    assert not record.passed
    assert any(finding in text for text in record.findings), record.findings


def test_the_configuration_is_read() -> None:
    fields = {name: getattr(CONFIG, name) for name in ("stack", "directory", "host", "image", "database", "prometheus")}
    fields |= {"alertmanager": "a", "user": "u", "thresholds": {"restarts": 3}}
    rules = {
        "CacheDown": {"for": "1m", "severity": "page", "component": "cache"},
        "Watchdog": {"severity": "info", "component": "x"},
    }
    config = parse(json.dumps({**fields, "rules": rules}), "drill.json")
    assert config.rules["CacheDown"] == Rule(60.0, "page", "cache")
    assert config.rules["Watchdog"].patience == 0.0
    assert config.drill == "/opt/school/monitoring/drill"
    for wrong in ({**fields}, {**fields, "rules": rules, "more": 1}, {**fields, "rules": {"X": {}}}):
        with pytest.raises(InputError, match="run the playbook site"):
            parse(json.dumps(wrong), "drill.json")
    with pytest.raises(InputError, match="no absolute path"):
        parse(json.dumps({**fields, "rules": rules, "directory": "opt"}), "drill.json")


@pytest.mark.parametrize(
    ("text", "over"),
    [
        (json.dumps([OVER]), True),
        (json.dumps([{"targets": ["10.0.0.1:9"], "labels": {"__drill": "over"}}]), False),
        (json.dumps([OVER, {"targets": ["10.0.0.1:9"]}]), False),
        ("", False),
        ("[", False),
    ],
)
def test_what_a_drill_leaves_is_known_by_its_whole_text(text: str, over: bool) -> None:
    assert is_over(text) is over
