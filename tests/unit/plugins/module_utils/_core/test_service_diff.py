# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes, and how they are shown."""

from __future__ import annotations

from typing import Any

from ansible_collections.firstbell.stack.plugins.module_utils._core.service_diff import (
    changed_options,
    changes_between,
    shown_diff,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_options import wanted_service


def values(**options: Any) -> dict[str, Any]:
    return wanted_service({"name": "web", "image": "web:1", **options}, "cluster").values


def test_nothing() -> None:
    assert changes_between(values(), values()) == ()
    assert shown_diff(()) == {"before": {}, "after": {}}


def test_only_what_differs_in_the_units_of_people() -> None:
    before = values(env={"A": "1", "B": "2"}, limits={"memory": "1GB", "cpus": 1}, stop_grace_period="90s")
    after = values(env={"A": "1", "C": "3"}, limits={"memory": "1536MB", "cpus": 1.5}, stop_grace_period="500ms")
    changes = changes_between(before, after)
    assert changed_options(changes) == ["env", "limits", "stop_grace_period"]
    assert shown_diff(changes) == {
        "before": {"env": {"B": "2"}, "limits": {"memory": "1GB", "cpus": 1.0}, "stop_grace_period": "1m30s"},
        "after": {"env": {"C": "3"}, "limits": {"memory": "1536MB", "cpus": 1.5}, "stop_grace_period": "500ms"},
    }


def test_new_service_has_no_before() -> None:
    shown = shown_diff(changes_between(None, values()))
    assert shown["before"] == {}
    assert shown["after"]["image"] == "web:1"
    assert "env" not in shown["after"]


def test_option_that_goes_away() -> None:
    shown = shown_diff(changes_between(values(health={"test": ["CMD", "true"]}), values()))
    assert shown["before"]["health"]["interval"] == "10s"
    assert shown["after"] == {}


def test_mounts_show_octal_modes() -> None:
    shown = shown_diff(changes_between(values(), values(mounts=[{"type": "tmpfs", "target": "/t", "size": "1MB"}])))
    (mount,) = shown["after"]["mounts"]
    assert (mount["mode"], mount["size"]) == ("1777", "1MB")


def test_secrets_show_neither_content_nor_version() -> None:
    before = values(secrets=[{"name": "a", "value": "one"}, {"name": "b", "value": "same"}])
    after = values(secrets=[{"name": "a", "value": "two"}, {"name": "b", "value": "same"}])
    shown = shown_diff(changes_between(before, after))
    assert shown["before"]["secrets"] == {
        "a": {"target": "a", "mode": "0400", "owner": "1001:1001", "content": "as it is"}
    }
    assert shown["after"]["secrets"]["a"]["content"] == "new"
    assert before["secrets"][0]["version"] not in str(shown)


def test_moved_secret_keeps_its_content() -> None:
    before = values(secrets=[{"name": "a", "value": "one"}])
    after = values(secrets=[{"name": "a", "value": "one", "mode": "0440"}])
    shown = shown_diff(changes_between(before, after))
    assert shown["after"]["secrets"]["a"] == {
        "target": "a",
        "mode": "0440",
        "owner": "1001:1001",
        "content": "as it is",
    }
