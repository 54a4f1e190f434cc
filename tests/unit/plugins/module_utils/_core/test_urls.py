# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.urls import database_url, dotenv, redis_url
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.errors import error_of

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=150)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SOME_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
AWKWARD = "'\"$%\\\n`{{}}#?@:/&=+ 🔑\u2028"


def test_a_database_url() -> None:
    url = database_url(
        user="academy_app",
        password="p@ss/w%rd",
        host="pgbouncer",
        port=6432,
        database="academy",
        parameters={"sslmode": "verify-full", "sslrootcert": "/etc/firstbell/ca.crt", "connection_limit": 50},
    )
    assert url == (
        "postgresql://academy_app:p%40ss%2Fw%25rd@pgbouncer:6432/academy"
        "?sslmode=verify-full&sslrootcert=%2Fetc%2Ffirstbell%2Fca.crt&connection_limit=50"
    )


def test_a_redis_url() -> None:
    assert redis_url(user="app", password="a:b", host="redis") == "redis://app:a%3Ab@redis:6379/0"


@pytest.mark.parametrize(
    ("host", "written"), [("2001:db8::7", "[2001:db8::7]"), ("[::1]", "[::1]"), ("192.0.2.7", "192.0.2.7")]
)
def test_hosts(host: str, written: str) -> None:
    assert database_url(user="u", password="p", host=host, database="d") == f"postgresql://u:p@{written}:5432/d"


@REPEATABLE
@given(TEXT, TEXT, SOME_TEXT, st.dictionaries(SOME_TEXT, SOME_TEXT))
def test_any_text_comes_back_from_a_database_url(
    user: str, password: str, database: str, parameters: dict[str, str]
) -> None:
    url = database_url(user=user, password=password, host="db", port=5432, database=database, parameters=parameters)
    parts = urlsplit(url)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)
    assert (parts.scheme, parts.hostname, parts.port) == ("postgresql", "db", 5432)
    assert unquote(parts.path[1:]) == database
    assert dict(parse_qsl(parts.query, keep_blank_values=True)) == parameters
    assert "+" not in url


@REPEATABLE
@given(TEXT, st.integers(0, 15))
def test_any_text_comes_back_from_a_redis_url(password: str, database: int) -> None:
    parts = urlsplit(redis_url(user="app", password=password, host="redis", database=database))
    assert (unquote(parts.password or ""), parts.path) == (password, f"/{database}")


@pytest.mark.parametrize(
    "change",
    [
        {"port": 0},
        {"port": 65536},
        {"port": "http"},
        {"port": True},
        {"host": ""},
        {"host": "a/b"},
        {"host": None},
        {"database": ""},
        {"database": ["d"]},
        {"password": None},
        {"password": "topsecret\0"},
        {"password": "topsecret\ud800"},
        {"parameters": "sslmode=require"},
        {"parameters": {"a": None}},
    ],
)
def test_what_a_database_url_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        database_url(**{"user": "u", "password": "p", "host": "h", "database": "d", **change})
    assert "topsecret" not in str(error.value)
    assert error.value.__context__ is None


@pytest.mark.parametrize("database", [-1, "x", True, None])
def test_what_a_redis_url_refuses(database: Any) -> None:
    with pytest.raises(InputError, match="database"):
        redis_url(user="u", password="p", host="h", database=database)


def read_dotenv(text: str) -> dict[str, str]:
    """What the app's preload file does with the lines."""
    pairs = (line.split("=", 1) for line in text.splitlines())
    return {key: json.loads(value) for key, value in pairs}


def test_dotenv_lines_are_sorted_and_quoted() -> None:
    assert dotenv({"B": AWKWARD, "A": 5, "C": True}).splitlines()[0] == 'A="5"'
    assert read_dotenv(dotenv({"B": AWKWARD, "A": 5, "C": True})) == {"A": "5", "B": AWKWARD, "C": "true"}
    assert dotenv({}) == ""


@REPEATABLE
@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True), TEXT))
def test_any_text_comes_back_from_dotenv(values: dict[str, str]) -> None:
    text = dotenv(values)
    assert text.isascii()
    assert read_dotenv(text) == values


@pytest.mark.parametrize(
    "values",
    [
        {"1A": "x"},
        {"A-B": "x"},
        {"": "x"},
        {"A\n": "x"},
        {5: "x"},
        {"A": None},
        {"A": ["x"]},
        {"A": "topsecret\x00"},
        {"A": "topsecret\ud800"},
        ["A=x"],
        {"A": 10**5000},
    ],
)
def test_what_dotenv_refuses(values: Any) -> None:
    with pytest.raises(InputError) as error:
        dotenv(values)
    assert "topsecret" not in str(error.value)


@REPEATABLE
@given(*[st.one_of(st.text(), st.integers(), st.none(), st.floats(), st.binary())] * 5)
def test_rubbish_raises_only_our_own_errors(user: Any, password: Any, host: Any, port: Any, database: Any) -> None:
    parts = {"user": user, "password": password, "host": host, "port": port, "database": database}
    for make in (database_url, redis_url):
        assert str(error_of(lambda make=make: make(**parts)))
