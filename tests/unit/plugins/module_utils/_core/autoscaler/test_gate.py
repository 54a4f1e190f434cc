# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate takes one kind of request, and changes one number."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.autoscaler.gate import (
    Request,
    described,
    parse_request,
    scaled,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from hypothesis import given
from hypothesis import strategies as st

from unit.errors import error_of

ALLOWED = {"school_app": (1, 3)}
SERVICE: dict[str, Any] = {
    "Spec": {
        "Name": "school_app",
        "Labels": {"firstbell.spec": "x"},
        "Mode": {"Replicated": {"Replicas": 2}},
        "TaskTemplate": {"ContainerSpec": {"Image": "app:1"}},
    },
    "ServiceStatus": {"RunningTasks": 1, "DesiredTasks": 2},
}


def test_a_request_reads_or_changes() -> None:
    assert parse_request(b'{"service": "school_app"}', ALLOWED) == Request("school_app", None)
    assert parse_request(b'{"service": "school_app", "replicas": 3}', ALLOWED) == Request("school_app", 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "one line of JSON"),
        (b"\xc3\xa4", "one line of JSON in ASCII"),
        (b"[]", "service and replicas, and nothing else"),
        (b"{}", "None is no service that may be scaled"),
        (b'{"service": "school_redis"}', "'school_redis' is no service that may be scaled"),
        (b'{"service": ["school_app"]}', "no service that may be scaled"),
        (b'{"service": "school_app", "replicas": 0}', "replicas: 0 is no number from 1 to 3"),
        (b'{"service": "school_app", "replicas": 4}', "replicas: 4 is no number"),
        (b'{"service": "school_app", "replicas": true}', "is no number"),
        (b'{"service": "school_app", "replicas": 2.0}', "is no number"),
        (b'{"service": "school_app", "replicas": null}', "is no number"),
        (b'{"service": "school_app", "replicas": NaN}', "is no number"),
        (b'{"service": "school_app", "image": "x"}', "nothing else"),
        (b'{"service": "school_app", "service": "school_app"}', "one line of JSON"),
        (b"[" * 500, "one line of JSON"),
        (b" " * 513, "at most 512 bytes"),
    ],
)
def test_everything_else_is_refused(line: bytes, message: str) -> None:
    assert message in str(error_of(parse_request, line, ALLOWED))


@given(st.binary(max_size=600))
def test_no_bytes_break_it(line: bytes) -> None:
    try:
        parse_request(line, ALLOWED)
    except InputError:
        return
    assert json.loads(line)["service"] == "school_app"


@pytest.mark.parametrize(
    ("state", "busy"),
    [
        ("", False),
        ("completed", False),
        ("rollback_completed", False),
        ("updating", True),
        ("rollback_started", True),
        ("paused", True),
    ],
)
def test_a_service_is_described(state: str, busy: bool) -> None:
    service = {**SERVICE, "UpdateStatus": {"State": state}}
    assert described(service) == {"replicas": 2, "running": 1, "busy": busy}


def test_a_global_service_has_no_replicas() -> None:
    assert "has no replicas" in str(error_of(described, {"Spec": {"Name": "x", "Mode": {"Global": {}}}}))


def test_nothing_but_the_number_changes() -> None:
    before = copy.deepcopy(SERVICE)
    spec = scaled(SERVICE, 3)
    assert before == SERVICE
    assert spec.pop("Mode") == {"Replicated": {"Replicas": 3}}
    assert spec == {name: value for name, value in SERVICE["Spec"].items() if name != "Mode"}
