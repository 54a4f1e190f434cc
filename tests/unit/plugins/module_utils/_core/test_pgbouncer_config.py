# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer's settings against wanted ones."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import pgbouncer_config

CONFIG = pgbouncer_config.items(
    [
        {"key": "pool_mode", "value": "transaction", "default": "session", "changeable": "yes"},
        {"key": "default_pool_size", "value": "20", "default": "20", "changeable": "yes"},
        {"key": "query_wait_timeout", "value": "15", "default": "120", "changeable": "yes"},
        {"key": "log_connections", "value": "1", "default": "1", "changeable": "yes"},
        {
            "key": "ignore_startup_parameters",
            "value": "extra_float_digits, options",
            "default": None,
            "changeable": "yes",
        },
        {"key": "unix_socket_mode", "value": "0777", "default": "0777", "changeable": "no"},
        {"key": "listen_port", "value": "6432", "default": "6432", "changeable": "no"},
        {"key": "auth_query", "value": None, "default": None, "changeable": "yes"},
    ]
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pool_mode", "transaction"),
        ("pool_mode", "Transaction"),
        ("default_pool_size", 20),
        ("default_pool_size", " 20"),
        ("query_wait_timeout", 15.0),
        ("log_connections", True),
        ("log_connections", "on"),
        ("ignore_startup_parameters", ["extra_float_digits", "options"]),
        ("ignore_startup_parameters", "extra_float_digits,options"),
        ("unix_socket_mode", "777"),
        ("auth_query", ""),
    ],
)
def test_equal(name: str, value: Any) -> None:
    assert list(pgbouncer_config.compare({name: value}, CONFIG)) == []
    assert pgbouncer_config.describe({name: value}, CONFIG)[name]["in_force"] is True


@pytest.mark.parametrize(
    ("name", "value", "kind", "said"),
    [
        ("pool_mod", "session", "unknown", "Did you mean pool_mode?"),
        ("pool_mode", "session", "differs", "RELOAD"),
        ("default_pool_size", 21, "differs", "it is 20, and 21 is wanted"),
        ("default_pool_size", "20s", "invalid", "is no number"),
        ("default_pool_size", None, "invalid", "is no value"),
        ("log_connections", False, "differs", "it is 1, and 0 is wanted"),
        ("listen_port", 5432, "pending_restart", "Restart PgBouncer"),
        ("ignore_startup_parameters", ["options"], "differs", ""),
    ],
)
def test_different(name: str, value: Any, kind: str, said: str) -> None:
    (finding,) = pgbouncer_config.compare({name: value}, CONFIG)
    assert finding.kind == kind
    assert said in str(finding)
