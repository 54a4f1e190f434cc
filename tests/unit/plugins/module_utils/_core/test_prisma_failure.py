# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept and said of a migration that failed."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.prisma import Migration
from ansible_collections.firstbell.stack.plugins.module_utils._core.prisma_failure import Failure, MigrationFailedError
from ansible_collections.firstbell.stack.plugins.module_utils._core.sql import ServerError

SCRIPT = "CREATE TABLE a (id int);\nALTER ROLE app PASSWORD 'S3cr3t' NONSENSE;\n"
MIGRATION = Migration("2_b", SCRIPT)
SYNTAX = ServerError("ERROR", "42601", 'syntax error at or near "NONSENSE"', position=60)
LOCK = ServerError("ERROR", "55P03", "canceling statement due to lock timeout")


def test_log_and_message_name_the_place_and_no_secret() -> None:
    failure = Failure(MIGRATION, SYNTAX, position=SCRIPT.index("NONSENSE") + 1, kept=0)
    for text in (failure.log(), failure.message()):
        assert "2_b" in text
        assert "42601" in text
        assert "line 2, column 34 of 2_b/migration.sql" in text
        assert ">    2 | ALTER ROLE app PASSWORD '***' NONSENSE;" in text
        assert "S3cr3t" not in text
    assert failure.log().startswith("Migration name: 2_b\nDatabase error code: 42601\nDatabase error:\nERROR")


@pytest.mark.parametrize(
    ("failure", "said", "again"),
    [
        (Failure(MIGRATION, SYNTAX, kept=0), ["took all of it back", "resolve: {rolled_back: [2_b]}"], False),
        (Failure(MIGRATION, SYNTAX, kept=3), ["3 of its statements took effect"], False),
        (Failure(MIGRATION, SYNTAX), ["is not known"], False),
        (Failure(MIGRATION, LOCK, kept=0), ["as rolled back", "run again", "lock_timeout"], True),
        (Failure(MIGRATION, LOCK, kept=1), ["stands as failed"], False),
        (Failure(MIGRATION, LOCK, kept=0, concurrently=True), ["INVALID", "stands as failed"], False),
    ],
)
def test_advice(failure: Failure, said: list[str], again: bool) -> None:
    assert failure.again is again
    for words in said:
        assert words in failure.message()


def test_error_carries_what_was_done() -> None:
    error = MigrationFailedError(Failure(MIGRATION, SYNTAX), applied=["1_a"], pending=["2_b", "3_c"])
    assert "Applied before it: 1_a." in str(error)
    assert error.result == {
        "changed": True,
        "applied": ["1_a"],
        "pending": ["2_b", "3_c"],
        "failed_migration": "2_b",
    }
