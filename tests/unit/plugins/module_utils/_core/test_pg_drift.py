# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of several servers against one another."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.pg_drift import compare


@pytest.mark.parametrize(
    ("one", "two", "ignore", "names"),
    [
        ({"work_mem": "4MB"}, {"work_mem": "4MB"}, [], []),
        ({"work_mem": "4MB"}, {"work_mem": "8MB"}, [], ["work_mem"]),
        ({"work_mem": "4MB"}, {"work_mem": "8MB"}, ["WORK_MEM"], []),
        ({"io_method": "worker"}, {}, [], ["io_method"]),
        ({"cluster_name": "a", "port": "1"}, {"cluster_name": "b", "port": "2"}, [], []),
    ],
)
def test_drift(one: dict[str, str], two: dict[str, str], ignore: list[str], names: list[str]) -> None:
    findings = compare({"one": one, "two": two}, ignore)
    assert [finding.name for finding in findings] == names
    assert all(finding.kind == "drift" for finding in findings)


def test_every_member_is_named() -> None:
    (finding,) = compare({"one": {"a": "1"}, "two": {"a": ""}, "three": {}})
    assert str(finding) == "a: the members differ: one: 1, two: empty, three: absent"
    assert finding.as_dict()["values"] == {"one": "1", "two": "", "three": "absent"}
