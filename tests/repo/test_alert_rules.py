# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert is complete: who it concerns, what it means, what to do, and two cases that test it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.firstbell.stack.plugins.module_utils._core.alert_drill.catalogue import FAULTS

from integration import alerting

ROOT = Path(__file__).resolve().parents[2]
RULES = alerting.rules()
ROLE = ROOT / "roles" / "monitoring"
ALERTMANAGER = (ROLE / "templates" / "alertmanager.yml.j2").read_text(encoding="utf-8")
PAGES = ROOT / "docs" / "runbooks"
PARTS = ("What it means.", "How to see it.", "What to do.", "When it is over.")


def rule_id(rule: alerting.Rule) -> str:
    return rule.name


def sections(topic: str) -> dict[str, str]:
    text = (PAGES / f"{topic}.md").read_text(encoding="utf-8")
    found = re.split(r"^## (\S+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2]))


def test_there_are_rules() -> None:
    assert len(RULES) > 50


def test_names_are_given_once() -> None:
    names = [rule.name for rule in RULES]
    groups = [group["name"] for topic in alerting.TOPICS for group in alerting.groups(topic)]
    assert len(names) == len(set(names))
    assert len(groups) == len(set(groups))


@pytest.mark.parametrize("rule", RULES, ids=rule_id)
def test_an_alert_says_what_it_is(rule: alerting.Rule) -> None:
    assert rule.labels["severity"] in ("page", "warning", "info")
    assert rule.labels["component"]
    assert set(rule.annotations) == {"summary", "description", "action", "runbook"}
    assert all(rule.annotations.values())
    assert rule.annotations["runbook"] == f"docs/runbooks/{rule.topic}.md#{rule.name.lower()}"


@pytest.mark.parametrize("rule", RULES, ids=rule_id)
def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(rule: alerting.Rule) -> None:
    both = alerting.cases(rule.topic).get(rule.name, {})
    always = rule.definition["expr"] == "vector(1)"
    assert set(both) == ({"fires"} if always else {"fires", "silent"})
    assert all(case["series"] for found in both.values() for case in (found if isinstance(found, list) else [found]))


@pytest.mark.parametrize("rule", RULES, ids=rule_id)
def test_an_alert_has_a_section_that_says_what_to_do(rule: alerting.Rule) -> None:
    section = sections(rule.topic).get(rule.name, "")
    assert all(f"**{part}**" in section for part in PARTS), f"docs/runbooks/{rule.topic}.md, ## {rule.name}: {PARTS}"


@pytest.mark.parametrize("topic", alerting.TOPICS)
def test_no_case_and_no_section_is_left_over(topic: str) -> None:
    names = {rule.name for rule in RULES if rule.topic == topic}
    assert set(alerting.cases(topic)) == names
    assert set(sections(topic)) == names


def test_few_alerts_wake_somebody() -> None:
    pages = [rule.name for rule in RULES if rule.labels["severity"] == "page"]
    assert 0 < len(pages) <= 18


@pytest.mark.parametrize("topic", alerting.TOPICS)
def test_commands_are_such_that_a_shell_takes_them(topic: str) -> None:
    blocks = re.findall(
        r"^```bash\n(.*?)^```", (PAGES / f"{topic}.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert blocks
    done = subprocess.run(["bash", "-n"], input="\n".join(blocks), capture_output=True, text=True, check=False)
    assert not done.stderr


def test_the_drill_provokes_alerts_that_there_are_and_is_asked_for_by_every_page() -> None:
    by_name = {rule.name: rule for rule in RULES}
    for fault in FAULTS:
        assert fault.alert in by_name, fault.name
        assert set(fault.also) <= set(by_name), fault.name
        assert not fault.threshold or fault.threshold in thresholds(), fault.name
    pages = {rule.name for rule in RULES if rule.labels["severity"] == "page"}
    # Not made on purpose: a host without memory or network, a database that comes and goes, a missed recovery point, a
    # cache full of keys that push out sessions, and a disk under Prometheus that is full.
    assert pages - {fault.alert for fault in FAULTS} == {
        "HostDown",
        "HostMemoryHigh",
        "DatabaseConnectionFailures",
        "BackupRecoveryPointMissed",
        "CacheRefusesWrites",
        "PrometheusBlind",
    }


def test_alertmanager_holds_alerts_back_that_there_are() -> None:
    names = {rule.name for rule in RULES}
    found = re.findall(r'alertname[=!~]+"(\w[^"]*)"', ALERTMANAGER)
    assert {name for text in found for name in text.split("|")} - {"DRILLED_ALERTS"} <= names
    for cause in defaults()["__monitoring_causes"].split("|"):
        assert f'source_matchers: [alertname="{cause}"]' in ALERTMANAGER


def test_a_site_elsewhere_is_not_explained_by_what_is_down_here() -> None:
    targets = [line for line in ALERTMANAGER.splitlines() if "target_matchers" in line and "edge|" in line]
    assert [line for line in targets if 'site=""' not in line and "equal" not in line] == [
        line for line in targets if "monitoring" in line
    ]
    assert defaults()["__monitoring_probes_extra"].count("'site': 'elsewhere'") == 1


def test_the_heartbeat_stops_when_people_cannot_be_told_and_else_never_misses_a_call() -> None:
    source, target = re.findall(r"(\w+_matchers): (\[.*receiver_name.*\])\n +(.*)", ALERTMANAGER)[0][1:]
    assert source == '[alertname="AlertmanagerNotificationsFailing", receiver_name="people"]'
    assert target == 'target_matchers: [alertname="Watchdog"]'
    assert "--enable-feature=receiver-name-in-metrics" in yaml.safe_dump(defaults()["__monitoring_services"])
    assert "repeat_interval: 1s" in ALERTMANAGER


def defaults() -> dict[str, Any]:
    return dict(yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8")))


def thresholds() -> set[str]:
    return set(defaults()["__monitoring_thresholds"])
