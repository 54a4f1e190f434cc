# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that the integration tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration import postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """A PostgreSQL server of the test run's own."""
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="session", params=postgres_server.VERSIONS, ids=lambda major: f"postgresql-{major}")
def every_postgres(request: pytest.FixtureRequest) -> Iterator[postgres_server.Server]:
    """The same of the oldest version that Debian has, of the one that the stack deploys, and of the newest."""
    with postgres_server.running(request.param) as server:
        yield server
