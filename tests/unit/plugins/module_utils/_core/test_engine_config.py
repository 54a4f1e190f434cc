# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.engine_config import (
    Found,
    check_names,
    check_swarm,
    check_version,
    plan,
    render,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError, InputError

CONFIG: dict[str, Any] = {"icc": False, "log-driver": "json-file"}
RUNNING = Found(render(CONFIG), file_time=100, active=True, start_time=200)


def test_an_engine_that_runs_with_the_options_is_left_alone() -> None:
    assert plan(CONFIG, RUNNING).changes == ()


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        ({**CONFIG, "icc": True}, ("write", "restart")),
        ({"icc": False}, ("write", "restart")),
        ({**CONFIG, "debug": True}, ("write", "reload")),
        ({**CONFIG, "debug": True, "mtu": 1400}, ("write", "restart")),
    ],
)
def test_a_restart_happens_only_for_options_that_need_one(wanted: dict[str, Any], changes: tuple[str, ...]) -> None:
    assert plan(wanted, RUNNING).changes == changes


def test_a_host_without_the_file_runs_with_the_defaults() -> None:
    bare = Found(None, 0, True, 200)
    assert plan({"debug": True}, bare).changes == ("write", "reload")
    assert plan(CONFIG, bare).changes == ("write", "restart")
    assert plan(CONFIG, replace(bare, active=False, start_time=0)).changes == ("write", "start")


def test_a_run_that_was_killed_after_writing_is_mended() -> None:
    assert plan(CONFIG, replace(RUNNING, file_time=300)).changes == ("restart",)


def test_a_reload_is_remembered() -> None:
    wanted = {**CONFIG, "debug": True}
    reloaded = Found(render(wanted), 300, True, 200, reloaded=render(wanted), reload_time=301)
    assert plan(wanted, reloaded).changes == ()
    # The note is from before the engine's start and says nothing.
    assert plan(wanted, replace(reloaded, start_time=290, reload_time=250)).changes == ("restart",)


def test_only_the_writing_differs() -> None:
    compact = replace(RUNNING, file='{"log-driver": "json-file", "icc": false}')
    assert plan(CONFIG, compact).changes == ("write",)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_file_that_nobody_can_read_is_replaced(text: str) -> None:
    assert plan(CONFIG, replace(RUNNING, file=text)).changes == ("write", "restart")


def test_a_name_that_no_engine_knows_is_refused_with_the_next_one() -> None:
    check_names(CONFIG)
    with pytest.raises(InputError, match='"log-opt"; did you mean "log-opts"'):
        check_names({"log-opt": {}})


def test_live_restore_is_refused() -> None:
    check_swarm({"live-restore": False})
    with pytest.raises(InputError, match="swarm mode"):
        check_swarm({"live-restore": True})


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "26.1.5+dfsg1", "28.0", "29.0.0-rc.1"])
def test_versions_that_are_new_enough(version: str) -> None:
    check_version(version)


@pytest.mark.parametrize("version", ["19.03.15", "20.9.1", "1.13"])
def test_versions_that_are_too_old(version: str) -> None:
    with pytest.raises(FirstbellError, match=r"20\.10 or newer"):
        check_version(version)
