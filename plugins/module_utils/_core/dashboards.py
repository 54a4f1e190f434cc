# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards of Grafana, made of short definitions: the same that the overview page without Grafana is made of.

The format is Grafana's dashboard model of schema version 39 (Grafana 10.4 and newer migrate it themselves). Panels are
laid out from left to right: figures six in a row, everything else two, or one that asks for the whole width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import InputError

SCHEMA_VERSION = 39
#: The data source that is provisioned beside them.
SOURCE = {"type": "prometheus", "uid": "prometheus"}
#: Our words for units, and Grafana's.
UNITS = {
    "bytes": "bytes",
    "bytes a second": "Bps",
    "cpus": "short",
    "days": "d",
    "number": "short",
    "percent": "percent",
    "rate": "reqps",
    "seconds": "s",
    "yesno": "bool_yes_no",
}
_WIDTH = 24
_GREEN, _ORANGE, _RED = "green", "orange", "red"
#: Ours and Grafana's; width and height in its grid.
_KINDS = {
    "stat": ("stat", 4, 4),
    "chart": ("timeseries", 12, 8),
    "bars": ("bargauge", 12, 8),
    "table": ("table", 12, 8),
}


def dashboard(definition: Mapping[str, Any], price: float = 0.0) -> dict[str, Any]:
    """One dashboard from its definition: ``uid``, ``title``, ``sections`` of ``title`` and ``panels``.

    A panel has ``kind``, ``title``, ``unit``, and ``query`` or ``queries`` (pairs of legend and query); it may have
    ``label`` (labels that name its series), ``warn`` and ``bad`` (where it turns orange and red; falling ones where bad
    is less), ``note``, ``wide`` and ``full`` (from 0 to 100 %). With ``price``, what is ``priced`` is shown, else not.
    Raises InputError for one that cannot be drawn.
    """
    panels: list[dict[str, Any]] = []
    top = 0
    for section in definition["sections"]:
        panels.append(_row(section["title"], top))
        top += 1
        shown = [panel for panel in section["panels"] if price or not panel.get("priced")]
        top = _lay_out(shown, panels, top)
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "uid": definition["uid"],
        "title": definition["title"],
        "tags": ["firstbell"],
        "timezone": "browser",
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": definition.get("from", "now-6h"), "to": "now"},
        "templating": {"list": []},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "All",
                "tags": ["firstbell"],
                "asDropdown": True,
                "includeVars": False,
                "keepTime": True,
                "targetBlank": False,
                "icon": "external link",
                "tooltip": "",
                "url": "",
            }
        ],
        "panels": panels,
    }


def _lay_out(shown: Sequence[Mapping[str, Any]], panels: list[dict[str, Any]], top: int) -> int:
    """Append the panels below ``top``; the first line below them."""
    left = height = 0
    for definition in shown:
        kind, width, tall = _KINDS.get(definition["kind"], ("", 0, 0))
        if not kind:
            raise InputError(f"{definition['title']}: there is no panel of kind {definition['kind']!r}")
        width = _WIDTH if definition.get("wide") else width
        if left + width > _WIDTH or (height and tall != height):
            top, left = top + height, 0
        panels.append({**_panel(definition, kind), "gridPos": {"x": left, "y": top, "w": width, "h": tall}})
        left, height = left + width, tall
    return top + height


def _row(title: str, top: int) -> dict[str, Any]:
    position = {"x": 0, "y": top, "w": _WIDTH, "h": 1}
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": position}


def _panel(definition: Mapping[str, Any], kind: str) -> dict[str, Any]:
    unit = UNITS.get(definition.get("unit", "number"))
    if unit is None:
        raise InputError(f"{definition['title']}: there is no unit {definition['unit']!r}")
    defaults: dict[str, Any] = {"unit": unit, "thresholds": _thresholds(definition), "mappings": []}
    if definition.get("unit") in ("bytes", "rate", "number", "cpus", "bytes a second") or definition.get("full"):
        defaults["min"] = 0
    if definition.get("full"):
        defaults["max"] = 100
    if kind == "timeseries":
        defaults["color"] = {"mode": "palette-classic"}
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False}
    elif "warn" in definition and not definition.get("plain"):
        defaults["color"] = {"mode": "thresholds"}
    return {
        "type": kind,
        "title": definition["title"],
        "description": definition.get("note", ""),
        "transparent": False,
        "datasource": SOURCE,
        "targets": [
            _target(number, legend, query, definition, kind)
            for number, (legend, query) in enumerate(_queries(definition))
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(kind),
    }


def _queries(definition: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = definition.get("queries") or [["", definition["query"]]]
    return [(str(legend), str(query)) for legend, query in found]


def _target(number: int, legend: str, query: str, definition: Mapping[str, Any], kind: str) -> dict[str, Any]:
    over_time = kind == "timeseries"
    label = " ".join(f"{{{{{name}}}}}" for name in definition.get("label", []))
    return {
        "refId": chr(ord("A") + number),
        "datasource": SOURCE,
        "expr": query.replace("$window", "$__rate_interval"),
        "legendFormat": " ".join(filter(None, (legend, label))) or "__auto",
        "range": over_time,
        "instant": not over_time,
        "format": "table" if kind == "table" else "time_series",
        "editorMode": "code",
    }


def _thresholds(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Steps upwards, as Grafana wants them; where bad is less than warn, red comes first."""
    steps: list[dict[str, Any]] = [{"color": _GREEN, "value": None}]
    if "warn" in definition:
        warn, bad = float(definition["warn"]), float(definition["bad"])
        steps = (
            [{"color": _GREEN, "value": None}, {"color": _ORANGE, "value": warn}, {"color": _RED, "value": bad}]
            if bad >= warn
            else [{"color": _RED, "value": None}, {"color": _ORANGE, "value": bad}, {"color": _GREEN, "value": warn}]
        )
    return {"mode": "absolute", "steps": steps}


def _options(kind: str) -> dict[str, Any]:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if kind == "stat":
        return {"reduceOptions": reduced, "colorMode": "value", "graphMode": "none", "textMode": "auto"}
    if kind == "bargauge":
        return {"reduceOptions": reduced, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True}
    if kind == "timeseries":
        legend = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    return {"showHeader": True}
