# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of secrets."""

from __future__ import annotations

import re

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.service_secrets import (
    secret_version,
    split_secret_name,
)


def test_version_tells_contents_and_clusters_apart() -> None:
    versions = {secret_version(cluster, content) for cluster in ("one", "two") for content in (b"a", b"b")}
    assert len(versions) == 4
    assert all(re.fullmatch("[0-9a-f]{12}", version) for version in versions)
    assert secret_version("one", b"a") == secret_version("one", b"a")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("academy_app_env_0123456789ab", ("env", "0123456789ab")),
        ("academy_app_tls_key_0123456789ab", ("tls_key", "0123456789ab")),
        ("other_env_0123456789ab", ("other_env_0123456789ab", "")),
        ("academy_app_env_0123456789AB", ("academy_app_env_0123456789AB", "")),
        ("academy_app_env", ("academy_app_env", "")),
    ],
)
def test_split(name: str, parts: tuple[str, str]) -> None:
    assert split_secret_name("academy_app", name) == parts
