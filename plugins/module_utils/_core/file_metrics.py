# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of the backups of files, in the text format that the node exporter reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .file_backup import FilesConfig
from .prometheus import Sample

#: The records that the metrics are made of.
RECORDS = ("files-backup", "files-check", "files-drill")
PREFIX = "firstbell_backup_files"
_RUNS = {
    "ok": ("ok", "Whether the last run of a command found everything well"),
    "ended": ("run_timestamp_seconds", "End of a command's last run, 0 for never"),
    "seconds": ("run_duration_seconds", "Duration of a command's last run"),
}
_COMPONENTS = {
    "files": ("last_files", "Files in the last backup of a component"),
    "size": ("last_size_bytes", "Size of the last backup of a component"),
    "added": ("last_added_bytes", "What the last backup of a component added to the repository"),
}


def samples(
    config: FilesConfig, stack: str, records: Mapping[str, Mapping[str, Any]], state: Mapping[str, Any], free: int
) -> Iterator[Sample]:
    """All values, also of what was never done. Moments and no ages, as those would stand still with their timer."""
    newest, read = (state.get(name, {}) for name in ("newest", "read"))
    stack_label = {"stack": stack}
    for repository in config.repositories:
        labels = {**stack_label, "repository": repository}
        for component in config.components:
            value = float(newest.get(repository, {}).get(component.name, 0))
            text = "When the newest backup of a component was made, 0 where there is none"
            yield Sample(f"{PREFIX}_newest_timestamp_seconds", value, {**labels, "component": component.name}, text)
        oldest = oldest_read(read.get(repository, {}), config.subsets)
        text = "When the part of the data that nobody has read for longest was read, 0 where one never was"
        yield Sample(f"{PREFIX}_oldest_read_timestamp_seconds", oldest, labels, text)
    for command, record in records.items():
        for key, (name, text) in _RUNS.items():
            yield Sample(f"{PREFIX}_{name}", float(record.get(key, 0)), {**stack_label, "command": command}, text)
    for component_name, item in records.get("files-backup", {}).get("components", {}).items():
        for key, (name, text) in _COMPONENTS.items():
            yield Sample(f"{PREFIX}_{name}", float(item[key]), {**stack_label, "component": component_name}, text)
    drill = records.get("files-drill", {})
    yield Sample(f"{PREFIX}_drill_files", float(drill.get("same", 0)), stack_label, "Files that the last drill proved")
    different = float(len(drill.get("different", ())))
    yield Sample(f"{PREFIX}_drill_different_files", different, stack_label, "Files that were not what was backed up")
    yield Sample(f"{PREFIX}_free_bytes", float(free), stack_label, "Free space on the disk of the repository")


def oldest_read(read_at: Mapping[str, float], subsets: int) -> float:
    """When the part that was not read for longest was read."""
    return float(min(read_at.get(str(number), 0) for number in range(1, subsets + 1)))
