# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts as inline SVG, each with the same in a table for who cannot see it.

Colours come from the page's style sheet; what is over its target is also hatched and said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LEFT, _RIGHT = 440, 8, 64
_ROW, _BAR_HEIGHT = 40, 14
_LINE_HEIGHT, _TOP, _FOOT = 130, 22, 22
_FEW, _LONGEST_LABEL = 6, 42
_MINUTE = 60


@dataclass(frozen=True)
class Bar:
    """One thing that was measured; ``target`` is the most that is allowed, 0 for none."""

    label: str
    value: float
    target: float = 0.0

    @property
    def over(self) -> bool:
        return 0 < self.target < self.value


@dataclass(frozen=True)
class Point:
    """One measurement of a history, the oldest first."""

    label: str
    value: float


def seconds(value: float) -> str:
    """A duration as a person says it."""
    if value >= 10 * _MINUTE:
        return f"{value / _MINUTE:.0f} min"
    digits = 2 if value < 1 else (1 if value < 10 else 0)  # noqa: PLR2004
    return f"{value:.{digits}f} s"


def bars(name: str, title: str, rows: Sequence[Bar]) -> Iterator[str]:
    """Horizontal bars of durations, with a mark at each one's target."""
    most = max((max(row.value, min(row.target, 4 * max(row.value, 0.05))) for row in rows), default=0) or 1
    scale = (_WIDTH - 2 * _LEFT) / most
    height = len(rows) * _ROW + 4
    yield from _begin(name, title, height)
    for number, row in enumerate(rows):
        top = number * _ROW
        width = max(1.5, row.value * scale)
        over = f", over {seconds(row.target)}" if row.over else ""
        label = row.label if len(row.label) <= _LONGEST_LABEL else f"{row.label[: _LONGEST_LABEL - 1]}…"
        yield f'<text x="{_LEFT}" y="{top + 14}">{escape(label)}</text>'
        kind = "bar over" if row.over else "bar"
        yield f'<rect class="{kind}" x="{_LEFT}" y="{top + 19}" width="{width:.1f}" height="{_BAR_HEIGHT}"/>'
        end = f'x="{_WIDTH - _LEFT}" y="{top + 14}" text-anchor="end"'
        yield f'<text class="number" {end}>{seconds(row.value)}{over}</text>'
        if row.target and row.target <= most:
            at = _LEFT + row.target * scale
            yield f'<path class="target" d="M{at:.1f} {top + 18}v{_BAR_HEIGHT + 4}"/>'
    yield "</svg>"
    head = ("", "Measured", "At most")
    yield from _end(
        name, head, [(row.label, seconds(row.value), seconds(row.target) if row.target else "-") for row in rows]
    )


def line(name: str, title: str, points: Sequence[Point], target: float = 0.0) -> Iterator[str]:
    """A history of durations, with a line at the target where it is near."""
    highest = max((point.value for point in points), default=0) or 1
    shown = 0 < target <= 4 * highest
    most = max(highest, target if shown else 0) * 1.1
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(points) - 1)

    def place(number: int, value: float) -> tuple[float, float]:
        return _LEFT + 8 + number * step, _TOP + (1 - value / most) * (_LINE_HEIGHT - _TOP - _FOOT)

    yield from _begin(name, title, _LINE_HEIGHT)
    base = _LINE_HEIGHT - _FOOT
    yield f'<path class="axis" d="M{_LEFT} {base}H{_WIDTH - _LEFT}"/>'
    if shown:
        _x, y = place(0, target)
        yield f'<path class="target" d="M{_LEFT} {y:.1f}H{_WIDTH - _LEFT}"/>'
        place_of = f'x="{_WIDTH - _LEFT}" y="{y - 4:.1f}" text-anchor="end"'
        yield f'<text class="number" {place_of}>at most {seconds(target)}</text>'
    places = [place(number, point.value) for number, point in enumerate(points)]
    if len(places) > 1:
        yield f'<path class="line" d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>'
    every = math.ceil(len(points) / _FEW)
    for number, (point, (x, y)) in enumerate(zip(points, places)):
        yield f'<circle class="{"dot over" if 0 < target < point.value else "dot"}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        if (len(points) - 1 - number) % every == 0:
            place_of = f'x="{x - 8:.1f}" text-anchor="start"' if number == 0 else f'x="{x:.1f}" text-anchor="middle"'
            yield f'<text {place_of} y="{_LINE_HEIGHT - 6}">{escape(point.label)}</text>'
    if places:
        x, y = places[-1]
        yield f'<text class="number" x="{x + 8:.1f}" y="{y + 4:.1f}">{seconds(points[-1].value)}</text>'
    yield "</svg>"
    yield from _end(name, ("When", "Measured"), [(point.label, seconds(point.value)) for point in points])


def stacked(name: str, title: str, labels: Sequence[str], layers: Sequence[tuple[str, Sequence[int]]]) -> Iterator[str]:
    """Columns that are made of layers, the first at the bottom; a layer is a class of the style sheet and its numbers.

    The figure stays open for what belongs to it.
    """
    totals = [sum(values[number] for _kind, values in layers) for number in range(len(labels))]
    most, step = max(totals, default=0) or 1, (_WIDTH - 2 * _LEFT) / max(1, len(labels))
    base, room = _LINE_HEIGHT - _FOOT, _LINE_HEIGHT - _TOP - _FOOT + 14
    yield from _begin(name, title, _LINE_HEIGHT)
    for number, label in enumerate(labels):
        left, bottom = _LEFT + number * step, float(base)
        for kind, values in layers:
            height = values[number] / most * room
            bottom -= height
            if height:
                size = f'width="{step * 0.7:.1f}" height="{height:.1f}"'
                yield f'<rect class="part {kind}" x="{left:.1f}" y="{bottom:.1f}" {size}/>'
        if (len(labels) - 1 - number) % math.ceil(len(labels) / _FEW) == 0:
            place_of = f'x="{left + step * 0.35:.1f}" y="{_LINE_HEIGHT - 6}" text-anchor="middle"'
            yield f"<text {place_of}>{escape(label)}</text>"
    yield f'<path class="axis" d="M{_LEFT} {base}H{_WIDTH - _LEFT}"/>'
    yield "</svg>"


def _begin(name: str, title: str, height: int) -> Iterator[str]:
    yield f'<figure aria-labelledby="{name}-caption">\n<figcaption id="{name}-caption">{escape(title)}</figcaption>'
    yield f'<svg role="img" aria-labelledby="{name}-caption" viewBox="0 0 {_WIDTH} {height}">'


def _end(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f'<details><summary>The same as a table</summary>\n<table aria-labelledby="{name}-caption"><thead><tr>'
    yield (
        "".join(f"<th scope=col>{escape(word)}</th>" if word else "<td></td>" for word in head)
        + "</tr></thead>\n<tbody>"
    )
    for first, *others in rows:
        yield f"<tr><th scope=row>{escape(first)}</th>" + "".join(f"<td>{escape(one)}</td>" for one in others) + "</tr>"
    yield "</tbody></table></details>\n</figure>"
