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
