# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations import config
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations.words import (
    count,
    duration,
    size,
    statement,
)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("SELECT * FROM a WHERE id = $1", "SELECT * FROM a WHERE id = $1"),
        ("SELECT 'Anna', 42, 4.2 FROM t1", "SELECT ?, ?, ? FROM t1"),
        ("SELECT 'it''s', E'a\\'b' ", "SELECT ?, ?"),
        ("ALTER ROLE a PASSWORD 'secret", "ALTER ROLE a PASSWORD ?"),
        ("DO $$ secret $$", "DO ?"),
        ("DO $x$ secret 'y' $x$; SELECT 1", "DO ?; SELECT ?"),
        ("DO $$ cut off", "DO ?"),
        ("SELECT\n  a\t, b", "SELECT a , b"),
        ("SELECT " + "a, " * 60, ("SELECT " + "a, " * 60)[:97] + "..."),
    ],
)
def test_a_statement_is_shown_without_its_constants(given: str, shown: str) -> None:
    assert statement(given) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.34, "0.3 s"), (12.4, "12 s"), (119, "119 s"), (120, "2 minutes"), (7200, "2 hours"), (200000, "2 days")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("given", "shown"), [(5, "5 bytes"), (2048, "2.0 kB"), (3 * 1024**2, "3.0 MB"), (-(1024**3), "-1.0 GB")]
)
def test_sizes(given: float, shown: str) -> None:
    assert size(given) == shown


def test_counts() -> None:
    assert [count(1, "table"), count(2, "table"), count(0, "process", "processes")] == [
        "1 table",
        "2 tables",
        "0 processes",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no configuration of this version|is not a configuration"),
        ('{"stack": "a"}', "is not a configuration of this version"),
        ('{"stack": "a", "directory": "/opt/a", "database": "a", "more": 1}', "is not a configuration"),
        ('{"stack": "a", "directory": "opt a", "database": "a"}', "no absolute path"),
    ],
)
def test_a_configuration_that_cannot_be_used(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        config.parse(text, "/opt/a/operations/operations.json")


def test_a_configuration() -> None:
    found = config.parse('{"stack": "a", "directory": "/opt/a", "database": "b"}', "x")
    assert (found.socket, found.reports, found.prometheus) == ("/opt/a/run/postgres", "/opt/a/operations", "")
