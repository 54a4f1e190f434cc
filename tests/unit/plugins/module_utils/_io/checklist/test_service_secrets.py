# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_secrets import secret_version
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import service_secrets


def _service(name: str, *secrets: str) -> dict[str, Any]:
    container = {"Secrets": [{"SecretName": one} for one in secrets]} if secrets else {}
    return {"Spec": {"Name": name, "TaskTemplate": {"ContainerSpec": container}}}


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    services = [
        _service("school_app", f"school_app_env_{secret_version('swarm', b'of the vault')}"),
        _service("school_prometheus"),
        _service("another_app", "another_app_env_0123456789ab"),
    ]
    answers = {"/swarm": {"ID": "swarm"}, "/services": services}
    monkeypatch.setattr(service_secrets.engine_api, "call", lambda _method, path: answers[path])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, []),
        ({"app": {"env": "of the vault"}, "gone": {"x": "y"}}, []),
        ({"app": {"env": "changed in the vault"}}, ["the secret env of school_app"]),
        ({"prometheus": {"password": "x"}}, ["the secret password of school_prometheus"]),
    ],
)
def test_a_service_that_runs_with_another_secret_is_told(wanted: dict[str, dict[str, str]], found: list[str]) -> None:
    assert service_secrets.gather("school", wanted) == found
