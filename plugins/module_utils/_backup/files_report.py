# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands for files leave behind: a JSON record each, metrics, and words for whoever called."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .._core import file_metrics
from .._core.prometheus import render
from .._io import system
from .files import Files
from .speech import complain


def write(files: Files, name: str, record: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Keep the record, and make the metrics of all records anew."""
    files.host.record(name, {**record, "ended": time.time()})
    records = {other: read(files, other) for other in file_metrics.RECORDS}
    text = render(file_metrics.samples(files.config, files.host.config.stack, records, state, files.free()))
    directory = f"{files.host.config.directory}/monitoring/textfile"
    system.write_text(f"{directory}/{files.host.config.stack}_backup_files.prom", text)


def read(files: Files, name: str) -> Mapping[str, Any]:
    """The last record of that name, empty where there is none."""
    text = system.read_text(f"{files.host.config.backup}/records/{name}.json")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def failed(findings: Sequence[str]) -> None:
    """Say what went wrong."""
    for finding in findings:
        complain(f"FAILED: {finding}")
