# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command of a host is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.backup_config import Limits, parse
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError

GOOD: dict[str, Any] = {
    "stack": "school",
    "directory": "/opt/school",
    "postgres": {
        "image": "firstbell/postgres:1",
        "major": 17,
        "database": "school",
        "limits": {"cpus": 1.0, "memory": 2**29, "pids": 128},
        "rehearsal": {"cpus": 2.0, "memory": 2**30, "pids": 128},
        "repositories": [1, 2],
        "schedule": ["school-backup-full.timer"],
    },
    "files": {"paths": []},
}


def test_it_is_read() -> None:
    config = parse(json.dumps(GOOD), "/x")
    assert config.postgres.repositories == (1, 2)
    assert config.postgres.limits.memory == 2**29
    assert config.postgres.rehearsal.cpus == 2.0
    assert config.sections == {"files": {"paths": []}}
    assert (config.backup, config.command) == ("/opt/school/backup", "school-backup")


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {**GOOD, "directory": "opt"},
        {**GOOD, "postgres": {**GOOD["postgres"], "unknown": 1}},
        {**GOOD, "postgres": {"image": "x"}},
    ],
)
def test_what_is_no_configuration_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="/x"):
        parse(json.dumps(bad), "/x")


@pytest.mark.parametrize(
    ("cpus", "period", "quota"),
    [(0.25, 10_000, 2_500), (4, 10_000, 40_000), (0.1, 10_000, 1_000), (0.05, 20_000, 1_000)],
)
def test_a_share_of_a_cpu_comes_in_short_turns(cpus: float, period: int, quota: int) -> None:
    words = " ".join(Limits(cpus, 2**29).options())
    assert f"--cpu-period {period} --cpu-quota {quota} " in words
    assert quota / period == cpus
