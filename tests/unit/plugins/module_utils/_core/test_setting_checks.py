# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.setting_checks import SETTING_CHECKS


def told(variable: str, settings: Any) -> list[str]:
    return list(SETTING_CHECKS[variable](settings, variable))


@pytest.mark.parametrize(
    ("variable", "settings"),
    [
        ("postgres_settings_extra", {}),
        ("postgres_settings_extra", {"work_mem": "64MB", "shared_buffers": "200 MB", "wal_buffers": -1}),
        ("postgres_settings_extra", {"work_mem": 4096, "maintenance_work_mem": "65536"}),
        (
            "postgres_settings_extra",
            {"jit": False, "TimeZone": "UTC", "random_page_cost": 1.1, "max_connections": "50"},
        ),
        ("postgres_settings_extra", {"ssl_min_protocol_version": "TLSv1.3", "log_line_prefix": "%m "}),
        ("postgres_settings_extra", {"pgaudit.log": "ddl", "my.own_setting": ""}),
        ("postgres_settings_extra", {"log_min_duration_statement": -1, "autovacuum_vacuum_cost_delay": 0.5}),
        ("postgres_settings_extra", {"checkpoint_timeout": "15 min", "deadlock_timeout": "1.5s", "work_mem": "0x1000"}),
        ("pgbouncer_settings_extra", {"server_lifetime": "3600", "query_timeout": 0.5, "so_reuseport": 1}),
        ("postgres_app_role_settings", {"statement_timeout": "30s", "lock_timeout": 10000, "app.tenant": "one"}),
        ("pgbouncer_settings_extra", {"query_wait_timeout": 21, "pool_mode": "Session", "max_db_connections": 0}),
        ("pgbouncer_settings_extra", {"log_connections": True, "server_reset_query": "", "admin_users": "a, b"}),
        ("redis_settings_extra", {"maxmemory": "5mb", "appendfsync": "no", "save": '""', "user": "guest off"}),
        ("redis_settings_extra", {"maxmemory": 1048576, "timeout": 300, "maxmemory-policy": "allkeys-lru"}),
    ],
)
def test_what_the_servers_take_is_taken(variable: str, settings: dict[str, Any]) -> None:
    assert told(variable, settings) == []


@pytest.mark.parametrize(
    ("variable", "settings", "words"),
    [
        ("postgres_settings_extra", {"wrk_mem": "1MB"}, "PostgreSQL has no setting 'wrk_mem'; did you mean work_mem?"),
        ("postgres_settings_extra", {"zzz": 1}, "PostgreSQL has no setting 'zzz'"),
        ("postgres_settings_extra", {7: 1}, "PostgreSQL has no setting 7"),
        ("postgres_settings_extra", {"pgaudit.": 1}, "PostgreSQL has no setting 'pgaudit.'"),
        ("postgres_settings_extra", {"work_mem": "plenty"}, ".work_mem: 'plenty' is no size; write a number with"),
        ("postgres_settings_extra", {"work_mem": "64mb"}, "'64mb' is no size for PostgreSQL; write 64MB"),
        ("postgres_settings_extra", {"shared_buffers": "1G"}, "'1G' is no size for PostgreSQL; write 1GB"),
        ("postgres_settings_extra", {"work_mem": "1kB"}, ".work_mem: '1kB' is out of range"),
        ("postgres_settings_extra", {"work_mem": True}, "is no size; write a number"),
        ("postgres_settings_extra", {"max_connections": "many"}, ".max_connections: 'many' is no number between"),
        ("postgres_settings_extra", {"search_path": ["a", "b"]}, ".search_path: ['a', 'b'] is no value for a setting"),
        ("postgres_settings_extra", {"jit": None}, ".jit: None is no value for a setting"),
        ("postgres_settings_extra", {"log_line_prefix": "a\nfsync = off"}, "write one line of text"),
        ("postgres_settings_extra", "work_mem=64MB", "'work_mem=64MB' is no dictionary of settings"),
        ("postgres_settings_extra", {"checkpoint_timeout": "5m"}, "'5m' is no time for PostgreSQL; write 5min"),
        ("postgres_app_role_settings", {"lock_timeout": "10sec"}, "no time for PostgreSQL; write a number with ms, s,"),
        (
            "pgbouncer_settings_extra",
            {"server_idle_timeout": "10m"},
            "is no number, and units are not taken here; write 600",
        ),
        ("pgbouncer_settings_extra", {"pkt_buf": "4kB"}, "is no number, and units are not taken here; write one such"),
        ("redis_settings_extra", {"timeout": "5m"}, "is no number, and units are not taken here; write 300"),
        ("redis_settings_extra", {"appendonly": "maybe"}, "none of its values; take one of yes, no"),
        ("postgres_app_role_settings", {"statment_timeout": "1s"}, "did you mean statement_timeout?"),
        (
            "pgbouncer_settings_extra",
            {"pol_mode": "session"},
            "PgBouncer has no setting 'pol_mode'; did you mean pool_mode",
        ),
        ("pgbouncer_settings_extra", {"pool_mode": "transactions"}, "none of its values; did you mean transaction?"),
        ("pgbouncer_settings_extra", {"pool_mode": "zzz"}, "take one of session, transaction, statement"),
        ("pgbouncer_settings_extra", {"default_pool_size": -1}, ".default_pool_size: -1 is no number between"),
        ("pgbouncer_settings_extra", {"server_fast_close": True}, 'True is no value here; write "1" or "0"'),
        ("redis_settings_extra", {"maxmemroy": "5mb"}, "Redis has no setting 'maxmemroy'; did you mean maxmemory?"),
        ("redis_settings_extra", {"maxmemory": "plenty"}, ".maxmemory: 'plenty' is no size; write"),
        ("redis_settings_extra", {"maxmemory": "1.5GB"}, "'1.5GB' is no size for Redis; write a whole number"),
        (
            "redis_settings_extra",
            {"appendfsync": False},
            'False is no value here; write "yes" or "no", with the quotes',
        ),
        ("redis_settings_extra", {"save": ""}, ".save: it is empty; write '\"\"' for an empty text"),
    ],
)
def test_what_they_cannot_take_is_named(variable: str, settings: Any, words: str) -> None:
    (line,) = told(variable, settings)
    assert line.startswith(variable)
    assert words in line


def test_every_setting_is_told() -> None:
    assert len(told("redis_settings_extra", {"a1": 1, "b2": 2, "hz": 10})) == 2
