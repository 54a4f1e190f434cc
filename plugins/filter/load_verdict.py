# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Door to the core's verdict on a load test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._core.load import text
from ..module_utils._core.load.verdict import Targets, judge


def load_verdict(
    report: Mapping[str, Any], watched: Mapping[str, Any], budget: Mapping[str, Any], targets: Mapping[str, Any]
) -> dict[str, Any]:
    """The record, and the lines that say it; without a measurement there is none."""
    problems = list(report.get("problems", ()))
    if watched.get("expired"):
        problems.append("the host closed the test before its end: its time was over")
    if not report.get("steps"):
        said = "; ".join(problems) or "nothing was measured"
        return {"record": {}, "summary": [f"load test: invalid: {said}"], "passed": False}
    try:
        numbers = {name: float(value) for name, value in budget.items()}
        judged = judge({**report, "problems": problems}, watched.get("samples", []), numbers, Targets(**targets))
        summary = list(text.lines(judged, len(report["steps"])))
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"load_verdict: {type(error).__name__}: {error}") from error
    return {"record": judged.record.as_dict(), "summary": summary, "passed": judged.record.passed}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"load_verdict": load_verdict}
