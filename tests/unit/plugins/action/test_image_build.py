# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller's part of image_build asks a host for."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.firstbell.stack.plugins.action.image_build import collect
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError


def arguments(**more: object) -> dict[str, object]:
    return {"images": [], "apps": [], "revision": "", **more}


def test_bases_are_described_and_not_asked_for() -> None:
    wanted = collect(arguments(images=["redis", "nginx"]))
    assert [(name, item.asked) for name, item in wanted.items()] == [
        ("debian", False),
        ("redis", True),
        ("nginx", True),
    ]


def test_a_base_that_is_asked_for_itself_stays_so() -> None:
    for images in (["debian", "redis"], ["redis", "debian"]):
        assert collect(arguments(images=images))["debian"].asked


def test_an_app_brings_its_chain_and_no_value_of_its_environment(tmp_path: Path) -> None:
    app = {
        "name": "app-x",
        "source": str(tmp_path),
        "template": "nextjs",
        "build_args": {"A": 1},
        "build_env": {"TOKEN": "hunter2hunter2"},
    }
    wanted = collect(arguments(apps=[app]))
    assert list(wanted) == ["debian", "node", "app-x"]
    requests = [item.request() for item in wanted.values()]
    assert "hunter2" not in str(requests)
    assert requests[-1]["build_args"]["A"] == "1"
    assert len(requests[-1]["build_args"]["BUILD_ENV_HASH"]) == 12
    assert {request["suite"] for request in requests} == {"trixie"}
    with pytest.raises(InputError, match="app-x is given twice"):
        collect(arguments(apps=[app, app]))
