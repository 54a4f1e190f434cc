# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load test as lines of text, for who has started it."""

from __future__ import annotations

from collections.abc import Iterator

from . import usage
from .verdict import CAPACITY, Judged, View

_MB = 2**20
_IDLE = 0.01


def lines(judged: Judged, steps: int) -> Iterator[str]:
    """The verdict first, then what it rests on, then what is wrong."""
    record, view = judged.record, judged.view
    if record.kind == CAPACITY:
        yield f"capacity: {record.measured['users']:.0f} users on this host ({steps} steps, {record.seconds:.0f} s)"
        for item in record.items:
            seen = item.measured
            numbers = f"p95 {seen['p95_seconds']:.3f} s, {seen['errors']:.0f} errors: " if "users" in seen else ""
            yield f"  {item.name}: {numbers}{item.finding or 'holds'}"
    else:
        yield from _load_test(judged)
    if "scans_per_second" in record.measured:
        yield f"  {'scans':14} {record.measured['scans_per_second']:.1f} a second were answered"
    yield from _uses(view)
    yield from (f"  - {text}" for text in record.findings)


def word(judged: Judged) -> str:
    """pass, fail or invalid."""
    if judged.record.passed:
        return "pass"
    return "invalid" if any(text.startswith("invalid") for text in judged.record.findings) else "fail"


def _load_test(judged: Judged) -> Iterator[str]:
    seen, view = judged.record.measured, judged.view
    yield (
        f"load test: {word(judged)}: {seen['users']:.0f} users, {seen['requests']:.0f} requests in "
        f"{view.seconds:.0f} s "
        f"({seen['requests_per_second']:.1f} a second), {seen['errors']:.0f} errors"
    )
    for name, one in sorted(view.step["scenarios"].items()):
        yield (
            f"  {name:14} {one['requests']:6d} requests, p50 {one['p50_seconds']:.4f} s, "
            f"p95 {one['p95_seconds']:.4f} s, p99 {one['p99_seconds']:.4f} s, {one['errors']} errors"
        )


def _uses(view: View) -> Iterator[str]:
    for one in usage.containers(view.during):
        if one["cpus"] < _IDLE:
            continue
        cpus = f"{one['cpus']:.2f}" + (f" of {one['cpu_limit']:g}" if one["cpu_limit"] else "")
        memory = f"{one['memory'] / _MB:.0f} of {one['memory_limit'] / _MB:.0f} MB"
        throttled = f"throttled in {one['throttled']:.0%} of its periods"
        yield f"  {one['service']:18} {cpus} CPUs, {throttled}, {memory}"
    for use in view.uses:
        if use.name in ("clients", "connections", "pool", "host-cpu", "generator"):
            yield f"  {use.name:18} {use.said}"
    limit = view.limit
    yield f"  {'nearest its end' if limit is None else 'limit':18} " + (
        "nothing" if limit is None else f"{limit.name}: {limit.said}"
    )
