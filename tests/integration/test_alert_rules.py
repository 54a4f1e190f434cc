# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alert in a case in which it fires and in one in which it does not, judged by promtool."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration import alerting
from integration.files_stack import build_image

pytestmark = pytest.mark.engine

RULES = {rule.name: rule for rule in alerting.rules()}
#: Prometheus keeps what it measures, unless a case says that it cannot.
PROMETHEUS = 'up{job="prometheus"'
PAGES = sorted(name for name, rule in RULES.items() if rule.labels["severity"] == "page")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The collection's image with promtool."""
    return build_image(tmp_path_factory.mktemp("image"), "prometheus")


def promtool(image: str, directory: Path, *arguments: str) -> None:
    """Run it on files of the directory; what it says is the failure's text."""
    command = ["docker", "run", "--rm", "--network=none", "--user=0", f"--volume={directory}:/rules:ro"]
    command += ["--workdir=/rules", image, "promtool", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def write_rules(directory: Path, topic: str) -> None:
    """The topic's rules without their texts, and of the others what wakes somebody."""
    wanted = [rule for rule in RULES.values() if rule.topic == topic or rule.name in PAGES]
    rules = [{key: value for key, value in rule.definition.items() if key != "annotations"} for rule in wanted]
    content = {"groups": [{"name": "all", "rules": rules}]}
    (directory / "rules.yml").write_text(json.dumps(content), encoding="utf-8")


def expected(name: str, at: str, labels: list[dict[str, str]]) -> dict[str, Any]:
    """That an alert fires with these labels and its own, or does not fire at all."""
    own = RULES[name].labels
    return {"eval_time": at, "alertname": name, "exp_alerts": [{"exp_labels": {**entry, **own}} for entry in labels]}


def cases_of(name: str, case: dict[str, Any], *, fires: bool) -> dict[str, Any]:
    """promtool's own words for a case. Where an alert fires, no other one wakes anybody, unless the case says so."""
    labels = case.get("labels", {})
    alerts = [expected(name, case["after"], ([labels] if isinstance(labels, dict) else labels) if fires else [])]
    if fires:
        others = set(PAGES) - {name} - set(case.get("also", ()))
        alerts += [expected(other, case["after"], []) for other in sorted(others)]
    watched = {} if any(one.startswith(PROMETHEUS) for one in case["series"]) else {PROMETHEUS + "}": "1x6000"}
    series = [{"series": one, "values": str(values)} for one, values in {**case["series"], **watched}.items()]
    title = f"{name} {'fires' if fires else 'is silent'}"
    return {"name": title, "interval": case.get("every", "15s"), "input_series": series, "alert_rule_test": alerts}


def test_promtool_accepts_the_rules(image: str, tmp_path: Path) -> None:
    groups = [group for topic in alerting.TOPICS for group in alerting.groups(topic)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
    promtool(image, tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yml")


@pytest.mark.parametrize("topic", alerting.TOPICS)
def test_alerts_fire_when_they_should(topic: str, image: str, tmp_path: Path) -> None:
    write_rules(tmp_path, topic)
    by_interval: dict[str, list[dict[str, Any]]] = {}
    for name, both in alerting.cases(topic).items():
        for kind, found in both.items():
            for case in found if isinstance(found, list) else [found]:
                by_interval.setdefault(case.get("every", "15s"), []).append(cases_of(name, case, fires=kind == "fires"))
    assert by_interval
    files = []
    for interval, tests in by_interval.items():
        content = {"rule_files": ["rules.yml"], "evaluation_interval": interval, "tests": tests}
        files.append(f"{topic}-{interval}.yml")
        (tmp_path / files[-1]).write_text(json.dumps(content), encoding="utf-8")
    promtool(image, tmp_path, "test", "rules", *files)


def test_promtool_finds_an_alert_that_stays_away(image: str, tmp_path: Path) -> None:
    write_rules(tmp_path, "host")
    case = alerting.cases("host")["HostMemoryHigh"]["silent"]
    tests = [cases_of("HostMemoryHigh", {**case, "labels": {}}, fires=True)]
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests}
    (tmp_path / "wrong.yml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(AssertionError, match="HostMemoryHigh"):
        promtool(image, tmp_path, "test", "rules", "wrong.yml")
