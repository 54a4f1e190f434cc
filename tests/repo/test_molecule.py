# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the Molecule scenarios."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted(path.parent for path in (ROOT / "extensions/molecule").glob("*/molecule.yml"))


def platforms(scenario: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((scenario / "molecule.yml").read_text())["platforms"]
    return found


def test_there_are_scenarios() -> None:
    assert SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_a_scenario_does_something_and_checks_it(scenario: Path) -> None:
    for playbook in ("converge.yml", "verify.yml"):
        assert (scenario / playbook).is_file(), f"{scenario.name} has no {playbook}"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_addresses_are_those_of_molecule(scenario: Path) -> None:
    for platform in platforms(scenario):
        address = IPv4Address(platform["address"])
        assert IPv4Address("10.203.0.101") <= address <= IPv4Address("10.203.0.250"), f"{platform['name']}: {address}"


@pytest.mark.parametrize("key", ["name", "address"])
def test_scenarios_can_run_at_the_same_time(key: str) -> None:
    used = Counter(platform[key] for scenario in SCENARIOS for platform in platforms(scenario))
    assert [value for value, times in used.items() if times > 1] == []
