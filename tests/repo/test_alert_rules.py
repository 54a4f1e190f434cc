# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert is complete: who it concerns, what it means, what to do, and two cases that test it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.firstbell.stack.plugins.module_utils._core.alert_drill.catalogue import FAULTS

from integration import alerting

ROOT = Path(__file__).resolve().parents[2]
RULES = alerting.rules()
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
    assert 0 < len(pages) <= 15


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
    # A host without memory, a database that fails now and then, and a missed recovery point are not made on purpose.
    assert pages - {fault.alert for fault in FAULTS} == {
        "HostMemoryHigh",
        "DatabaseConnectionFailures",
        "BackupRecoveryPointMissed",
    }


def thresholds() -> set[str]:
    defaults = yaml.safe_load((ROOT / "roles" / "monitoring" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return set(defaults["__monitoring_thresholds"])
