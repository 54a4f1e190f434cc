# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts as text: statements, places, and secrets that are not shown."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.sql import (
    ServerError,
    excerpt,
    mask,
    place,
    split,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ("", []),
        ("-- This is an empty migration.", []),
        (" ;; /* nothing */ ; ", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 'a;''b'; SELECT 2", ["SELECT 'a;''b'", "SELECT 2"]),
        (r"SELECT E'a\';b'; SELECT 2", [r"SELECT E'a\';b'", "SELECT 2"]),
        (r"SELECT 'a\'; SELECT 2", [r"SELECT 'a\'", "SELECT 2"]),
        ('SELECT "a;""b"; SELECT 2', ['SELECT "a;""b"', "SELECT 2"]),
        ("SELECT $$a;b$$; SELECT 2", ["SELECT $$a;b$$", "SELECT 2"]),
        ("SELECT $x$a;$$;$x$; SELECT 2", ["SELECT $x$a;$$;$x$", "SELECT 2"]),
        ("SELECT a$b;SELECT $1$2", ["SELECT a$b", "SELECT $1$2"]),
        ("-- one;\nSELECT 1; -- two;\nSELECT 2", ["SELECT 1", "SELECT 2"]),
        ("/* a; /* b; */ c; */ SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", 2),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN 1=1 THEN 2 END; END; SELECT 3", 2),
        ("CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT 1; END; SELECT 3", 2),
        ("BEGIN; SELECT 1; END; SELECT 2", 4),
        ("SELECT 'never ends; SELECT 2", 1),
        ("SELECT $$never ends; SELECT 2", 1),
        ("SELECT 1 /* never ends; SELECT 2", 1),
        ("SELECT ')'; SELECT 2)", 2),
        ("SELECT 'é;😀'; SELECT 2", ["SELECT 'é;😀'", "SELECT 2"]),
    ],
)
def test_split(script: str, texts: list[str] | int) -> None:
    statements = split(script)
    assert len(statements) == (texts if isinstance(texts, int) else len(texts))
    if isinstance(texts, list):
        assert [statement.text for statement in statements] == texts
    for statement in statements:
        assert script[statement.offset :].startswith(statement.text)


@given(st.text(alphabet="aA';\"$/*-\\ \n(){}beginatomcEND1é", max_size=60))
def test_split_loses_nothing_but_separators(script: str) -> None:
    end = 0
    for statement in split(script):
        assert statement.offset >= end
        assert script[statement.offset : statement.offset + len(statement.text)] == statement.text
        end = statement.offset + len(statement.text)


@pytest.mark.parametrize(
    ("script", "controls"),
    [
        ("BEGIN", True),
        ("start transaction", True),
        ("COMMIT", True),
        ("END", True),
        ("ROLLBACK TO a", True),
        ("PREPARE TRANSACTION 'x'", True),
        ("PREPARE q AS SELECT 1", False),
        ("SELECT 1", False),
        ("SAVEPOINT a", False),
        ("DO $$ BEGIN END $$", False),
        ("(SELECT 1)", False),
    ],
)
def test_transaction_control(script: str, controls: bool) -> None:
    assert split(script)[0].controls_transaction is controls


@pytest.mark.parametrize(
    ("position", "expected"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 1)), (5, (3, 1)), (6, (3, 2)), (0, (1, 1))]
)
def test_place(position: int, expected: tuple[int, int]) -> None:
    assert place("ab\n\ncd", position) == expected


def test_excerpt_numbers_lines_and_marks_the_one() -> None:
    assert excerpt("a\nb\nc\nd", 4) == "     2 | b\n     3 | c\n>    4 | d"
    assert excerpt("a", 1) == ">    1 | a"


def test_excerpt_shows_no_password_that_spans_lines() -> None:
    assert "geheim" not in excerpt("CREATE ROLE a PASSWORD\n'geheim'", 2)
    assert "geheim" not in excerpt("CREATE ROLE a PASSWORD 'x\ngeheim'", 2)


@pytest.mark.parametrize(
    "text",
    [
        "ALTER ROLE app PASSWORD 'S3cr3t'",
        "alter role app encrypted password E'S3cr3t'",
        "CREATE ROLE app PASSWORD 'S3cr3t''quoted'",
        "CREATE USER MAPPING FOR a SERVER b OPTIONS (user 'u', password 'S3cr3t')",
        "SELECT dblink_connect('host=h password=S3cr3t dbname=d')",
        "CREATE SUBSCRIPTION s CONNECTION 'postgresql://u:S3cr3t@h/d'",
        "ALTER ROLE app PASSWORD 'S3cr3t never ends",
        "token=S3cr3t",
    ],
)
def test_mask(text: str) -> None:
    assert "S3cr3t" not in mask(text)
    assert "***" in mask(text)


def test_mask_leaves_the_rest() -> None:
    text = "CREATE TABLE u (\"password\" TEXT NOT NULL, url TEXT DEFAULT 'https://example.org/a@b')"
    assert mask(text) == text


def test_server_error_text() -> None:
    error = ServerError("ERROR", "23505", "could not create unique index", "Key (a)=(1) is duplicated.", "", "line 3")
    assert error.text() == (
        "ERROR 23505: could not create unique index\nDETAIL: Key (a)=(1) is duplicated.\nCONTEXT: line 3"
    )
    assert ServerError("ERROR", "", "the connection was lost").text() == "the connection was lost"
