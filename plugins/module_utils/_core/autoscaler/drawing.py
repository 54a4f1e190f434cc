# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a simulation as plain text and as a picture that needs nothing else (SVG)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from html import escape
from zoneinfo import ZoneInfo

from .simulation import OBJECTIVE, Point, Result

#: The goal of S97: so much fewer replica-hours than with a fixed number, at a p95 that is no worse.
GOAL = 0.40
#: Two p95 count as equal within this.
EQUAL = 0.10

_TITLES = "          " + "".join(
    title.rjust(width)
    for title, width in (
        ("replica-hours", 15),
        ("fixed", 8),
        ("saved", 8),
        ("p95 ms", 9),
        ("fixed", 8),
        ("worst", 8),
        ("fixed", 8),
        ("late", 9),
        ("fixed", 9),
        ("moves", 7),
        ("turns/h", 9),
    )
)
_STYLE = (
    "<style>.title{font-size:14px;font-weight:bold}.load{fill:#9db7d5}.scaled{fill:none;stroke:#b3261e;stroke-width:1.5}"
    ".fixed{fill:none;stroke:#555;stroke-dasharray:4 3}.axis{stroke:#ccc}.small{fill:#555}</style>"
)
_HOUR = 3600.0
_WIDTH, _PANEL, _LEFT, _GAP = 1100, 120, 60, 46
_LONGEST_LINE = 1000  # points of a line in the picture


def text(results: Mapping[str, Result], where: ZoneInfo, service: float, cpus: float = 0) -> str:
    """Figures of all replays, and the replicas of each hour."""
    fixed = next(iter(results.values())).fixed_replicas
    shared = f"the replicas share {cpus:g} CPUs" if cpus else "1 CPU a replica"
    lines = [
        f"Model: M/M/c, {service * 1000:.1f} ms of CPU a request ({shared}), beside {fixed} all the time.",
        "",
        _TITLES,
    ]
    for name, result in results.items():
        scaled, other = result.scaled, result.fixed
        lines.append(
            f"{name:<10}{scaled.hours:>15.1f}{other.hours:>8.0f}{result.saved:>8.0%}"
            f"{scaled.p95 * 1000:>9.1f}{other.p95 * 1000:>8.1f}{scaled.worst * 1000:>8.0f}{other.worst * 1000:>8.0f}"
            f"{scaled.late:>9.4%}{other.late:>9.4%}{scaled.moves:>7}{scaled.turns:>9}"
        )
    notes = (
        "p95: over all requests. worst: the highest p95 of any 15 seconds. "
        f"late: requests above {OBJECTIVE * 1000:.0f} ms. turns/h: the most changes of direction in an hour."
    )
    lines += ["", notes, *(verdict(name, result) for name, result in results.items())]
    for name, result in results.items():
        lines += ["", f"{name}: the most replicas of each hour", *_hours(result.points, where)]
    return "\n".join(lines) + "\n"


def verdict(name: str, result: Result) -> str:
    """Whether the goal was reached, in both senses of "equal p95"."""
    scaled, other = result.scaled, result.fixed
    saved = "reached" if result.saved >= GOAL else "missed"
    strict = scaled.p95 <= other.p95 * (1 + EQUAL)
    kept = scaled.late <= max(other.late, 0.001)
    return (
        f"{name}: goal of {GOAL:.0%} fewer replica-hours {saved} ({result.saved:.0%}); "
        f"p95 {'equal' if strict else f'{scaled.p95 / other.p95:.1f} times that of the fixed number'}; "
        f"{'within' if kept else 'NOT within'} the objective of {OBJECTIVE * 1000:.0f} ms"
    )


def _hours(points: Iterable[Point], where: ZoneInfo) -> list[str]:
    days: dict[datetime.date, dict[int, int]] = {}
    for point in points:
        local = datetime.datetime.fromtimestamp(point.at, where)
        hours = days.setdefault(local.date(), {})
        hours[local.hour] = max(hours.get(local.hour, 0), point.replicas)
    lines = [" " * 16 + "".join(f"{hour:<6}" for hour in range(0, 24, 6))]
    for date, hours in days.items():
        # A replay may begin or end within a day.
        row = "".join(f"{hours[hour]:x}" if hour in hours else "." for hour in range(24))
        lines.append(f"  {date.strftime('%a')} {date.isoformat()} {row}".rstrip())
    return lines


def svg(results: Mapping[str, Result], where: ZoneInfo) -> str:
    """One column of panels for each replay: requests, replicas, p95."""
    parts: list[str] = []
    top = 40
    for name, result in results.items():
        parts.append(f'<text x="{_LEFT}" y="{top}" class="title">{escape(verdict(name, result))}</text>')
        top += 24
        for panel in (_requests, _replicas, _p95):
            parts.append(f'<g transform="translate({_LEFT},{top})">{panel(result)}{_days(result.points, where)}</g>')
            top += _PANEL + _GAP
        top += 10
    width = _WIDTH + 2 * _LEFT
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" font-family="sans-serif" font-size="12">'
    )
    ground = f'<rect width="{width}" height="{top}" fill="#fff"/>'
    return "\n".join([head, _STYLE, ground, *parts, "</svg>"]) + "\n"


def _thinned(points: tuple[Point, ...], value: Callable[[Point], float]) -> list[tuple[float, float]]:
    """The largest value of each of at most _LONGEST_LINE slices, by its place from 0 to 1."""
    size = max(1, len(points) // _LONGEST_LINE)
    slices = [points[number : number + size] for number in range(0, len(points), size)]
    return [(number / max(1, len(slices) - 1), max(map(value, part))) for number, part in enumerate(slices)]


def _line(points: tuple[Point, ...], value: Callable[[Point], float], most: float, kind: str) -> str:
    steps = [
        f"{place * _WIDTH:.1f},{_PANEL - min(height / most, 1) * _PANEL:.1f}"
        for place, height in _thinned(points, value)
    ]
    if kind == "load":
        return f'<polygon class="load" points="0,{_PANEL} {" ".join(steps)} {_WIDTH},{_PANEL}"/>'
    return f'<polyline class="{kind}" points="{" ".join(steps)}"/>'


def _frame(what: str, most: str) -> str:
    return (
        f'<line class="axis" x1="0" y1="{_PANEL}" x2="{_WIDTH}" y2="{_PANEL}"/>'
        f'<text x="-8" y="10" text-anchor="end" class="small">{most}</text>'
        f'<text x="-8" y="{_PANEL}" text-anchor="end" class="small">0</text>'
        f'<text x="4" y="-6" class="small">{what}</text>'
    )


def _requests(result: Result) -> str:
    most = max(1.0, *(point.requests for point in result.points))
    return _line(result.points, lambda point: point.requests, most, "load") + _frame("requests a second", f"{most:.0f}")


def _replicas(result: Result) -> str:
    most = max(result.fixed_replicas, *(point.replicas for point in result.points))
    return (
        _line(result.points, lambda _: result.fixed_replicas, most, "fixed")
        + _line(result.points, lambda point: point.replicas, most, "scaled")
        + _frame(f"replicas (dashed: {result.fixed_replicas} all the time)", str(most))
    )


def _p95(result: Result) -> str:
    most = 2 * max(result.scaled.p95, result.fixed.p95)
    return (
        _line(result.points, lambda point: point.fixed_p95, most, "fixed")
        + _line(result.points, lambda point: point.p95, most, "scaled")
        + _frame("p95 in ms, cut off at twice that of all requests", f"{most * 1000:.0f}")
    )


def _days(points: tuple[Point, ...], where: ZoneInfo) -> str:
    first, last = points[0].at, points[-1].at
    marks = []
    date = datetime.datetime.fromtimestamp(first, where).date()
    while (at := datetime.datetime.combine(date, datetime.time(), where).timestamp()) <= last:
        if at >= first - _HOUR:
            x = max(0.0, (at - first) / max(last - first, 1.0)) * _WIDTH
            marks.append(f'<line class="axis" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{_PANEL}"/>')
            marks.append(f'<text x="{x + 3:.1f}" y="{_PANEL + 14}" class="small">{date.strftime("%a %m-%d")}</text>')
        date += datetime.timedelta(days=1)
    return "".join(marks)
