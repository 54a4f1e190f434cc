# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboards of Grafana: rendered as Ansible does, read by Grafana's own library, complete."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.firstbell.stack.plugins.module_utils._core.dashboards import SCHEMA_VERSION, UNITS, dashboard
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

ROLE = Path(__file__).resolve().parents[2] / "roles" / "monitoring"


def _trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _trusted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_trusted(entry) for entry in value]
    return trust_as_template(value) if isinstance(value, str) else value


@lru_cache
def definitions(cost: int) -> tuple[dict[str, Any], ...]:
    """Those of the role, as its defaults have them."""
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    loader = DataLoader()
    loader.set_basedir(str(ROLE))
    more = {"firstbell_plan": {"profile": "small"}, "monitoring_monthly_cost": cost, "role_path": str(ROLE)}
    more["ansible_search_path"] = [str(ROLE)]
    templar = Templar(loader=loader, variables={**_trusted(defaults), **more})
    found: list[dict[str, Any]] = templar.template(trust_as_template("{{ __monitoring_dashboards }}"))
    return tuple(found)


def boards(cost: int = 0) -> list[dict[str, Any]]:
    return [dashboard(definition, cost) for definition in definitions(cost)]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def within(ours: Any, theirs: Any, where: str) -> list[str]:
    """What of ours is not in theirs, as places."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [item for key, value in ours.items() for item in within(value, theirs.get(key), f"{where}.{key}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [item for n, value in enumerate(ours) for item in within(value, theirs[n], f"{where}[{n}]")]
    return [] if ours == theirs or ours in (None, [], {}, False, "") else [f"{where}: {ours!r}, not {theirs!r}"]


def test_the_topics_that_were_asked_for_are_there() -> None:
    assert {board["title"] for board in boards()} == {
        "Overview",
        "Host and containers",
        "PostgreSQL, pool and Redis",
        "Edge and application",
        "School",
        "Backups",
    }
    assert len({board["uid"] for board in boards()}) == len(boards())


@pytest.mark.parametrize("board", boards(cost=40), ids=lambda board: board["uid"])
def test_grafanas_own_library_reads_every_field(board: dict[str, Any]) -> None:
    read = yaml.safe_load(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(board)))
    assert within(board, read, board["uid"]) == []
    assert board["schemaVersion"] == SCHEMA_VERSION >= 39


@pytest.mark.parametrize("board", boards(cost=40), ids=lambda board: board["uid"])
def test_a_panel_is_complete_and_in_its_place(board: dict[str, Any]) -> None:
    places: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not mine & places, f"{panel['title']} lies on another"
        places |= mine
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels(board):
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["expr"].strip()
            assert "$window" not in target["expr"]
            assert target["range"] is (panel["type"] == "timeseries")
            assert target["datasource"] == {"type": "prometheus", "uid": "prometheus"}


def test_what_it_costs_is_shown_where_a_price_is_given() -> None:
    def titles(cost: int) -> set[str]:
        return {panel["title"] for board in boards(cost) for panel in panels(board)}

    assert titles(40) - titles(0) == {"Cost of an active user", "Cost of a month"}
    shown = next(p for b in boards(40) for p in panels(b) if p["title"] == "Cost of an active user")
    assert shown["targets"][0]["expr"].startswith("40 / ")


@pytest.mark.parametrize(
    ("panel", "said"),
    [
        ({"kind": "pie", "title": "Share", "query": "up"}, "no panel of kind 'pie'"),
        ({"kind": "stat", "title": "Share", "query": "up", "unit": "furlongs"}, "no unit 'furlongs'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(panel: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        dashboard({"uid": "x", "title": "X", "sections": [{"title": "A", "panels": [panel]}]})


def test_falling_and_rising_thresholds() -> None:
    def steps(**panel: Any) -> list[tuple[str, Any]]:
        one = {"kind": "stat", "title": "A", "query": "up", **panel}
        made = dashboard({"uid": "x", "title": "X", "sections": [{"title": "A", "panels": [one]}]})
        found = panels(made)[0]["fieldConfig"]["defaults"]["thresholds"]["steps"]
        return [(step["color"], step["value"]) for step in found]

    assert steps(warn=60, bad=80) == [("green", None), ("orange", 60.0), ("red", 80.0)]
    assert steps(warn=21, bad=7) == [("red", None), ("orange", 7.0), ("green", 21.0)]
    assert steps() == [("green", None)]
    assert "number" in UNITS
