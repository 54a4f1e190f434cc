# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import index_sql
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from hypothesis import given, settings
from hypothesis import strategies as st

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=200)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=80)


@given(NAMES)
@REPEATABLE
def test_a_quoted_name_is_read_back(name: str) -> None:
    quoted = index_sql.identifier(name)
    assert index_sql.unquoted(quoted) == name
    assert index_sql.qualified(index_sql.identifier("a.b", name)) == ("a.b", name)


@given(NAMES, st.text(max_size=12))
@REPEATABLE
def test_a_shortened_name_fits_and_keeps_its_end(name: str, suffix: str) -> None:
    short = index_sql.shorten(name, suffix)
    assert len(short.encode(errors="replace")) <= index_sql.NAME_BYTES
    assert short.endswith(suffix)
    assert index_sql.shorten(name) == name or len(name.encode()) > index_sql.NAME_BYTES
    assert len(index_sql.passing_name(name).encode()) <= index_sql.NAME_BYTES


def test_passing_names_of_long_names_differ() -> None:
    assert index_sql.passing_name("x" * 62 + "a") != index_sql.passing_name("x" * 62 + "b")


def test_a_free_name_is_not_taken() -> None:
    taken = {("public", "t_a_idx"), ("public", "t_a_idx1"), ("other", "t_a_idx2")}
    assert index_sql.free_name("t_a_idx", "public", taken) == "t_a_idx2"
    assert index_sql.free_name("t_a_idx", "other", taken) == "t_a_idx"
    assert len(index_sql.free_name("ü" * 40, "s", {("s", "ü" * 31)}).encode()) <= 63


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.b", ("a", "b")),
        ('"a"."b"', ("a", "b")),
        ('"a.x".b', ("a.x", "b")),
        ('"a""x"."b"', ('a"x', "b")),
        ("a", None),
        ('"a.b"', None),
        ("a.b.c", None),
        ('we"ird.b', None),
        (".b", None),
    ],
)
def test_qualified_names(text: str, parts: tuple[str, str] | None) -> None:
    assert index_sql.qualified(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "lower(email)",
        "(a + b) * 2",
        "data -> 'x''y' ->> ')'",
        "E'\\'' || name",
        '"strange); name"',
        "$$ ) ; -- $$ || x",
        "$tag$ ' $$ ; $tag$",
        "tags[1]",
        "a IN (1, 2) AND b = ANY (ARRAY['x', 'y'])",
        "CASE WHEN a THEN 1 ELSE 2 END",
    ],
)
def test_expressions(text: str) -> None:
    assert index_sql.check_expression(f"  {text} ", "where") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        None,
        5,
        "a)",
        "(a",
        "[)(]",
        "a; b",
        "a -- b",
        "a /* b */",
        "'a",
        "'a''",
        "E'\\'",
        '"a',
        "$$ a",
        "$x$ a $$",
        "true) INCLUDE (secret",
        "1)); DROP TABLE x; --",
        "a\0b",
    ],
)
def test_what_would_leave_its_brackets_is_refused(text: object) -> None:
    with pytest.raises(InputError):
        index_sql.check_expression(text, "where")


@given(st.text(alphabet="ab()[]'\"$;-/*E\\ ", max_size=14))
@REPEATABLE
def test_an_accepted_expression_cannot_leave_its_brackets(text: str) -> None:
    """A reader of its own: quotes and comments taken out, the outer brackets close last."""
    try:
        accepted = index_sql.check_expression(text, "where")
    except InputError:
        return
    depth, plain, position = 0, f"({accepted})", 0
    while position < len(plain):
        character = plain[position]
        if character in "'\"":
            escapes = character == "'" and plain[position - 1] == "E" and not plain[position - 2].isalnum()
            position += 1
            while plain[position] != character or plain[position + 1 : position + 2] == character:
                position += 2 if plain[position] == character or (escapes and plain[position] == "\\") else 1
        elif plain.startswith("$$", position) and not plain[position - 1].isalnum() and plain[position - 1] != "$":
            position = plain.index("$$", position + 2) + 1
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
            assert depth > 0 or position == len(plain) - 1
        else:
            assert character != ";"
            assert not plain.startswith(("--", "/*"), position)
        position += 1
    assert depth == 0


def test_statements() -> None:
    made = index_sql.create(
        '"public"."T"',
        ['"a" DESC', "(lower(b))"],
        "btree",
        name='i"x',
        unique=True,
        concurrently=True,
        include=['"c"'],
        nulls_distinct=False,
        storage={"fillfactor": "70"},
        tablespace="fast",
        where="a > 1",
    )
    assert made == (
        'CREATE UNIQUE INDEX CONCURRENTLY "i""x" ON "public"."T" USING "btree" ("a" DESC, (lower(b))) INCLUDE ("c")'
        " NULLS NOT DISTINCT WITH (fillfactor = '70') TABLESPACE \"fast\" WHERE (a > 1)"
    )
    assert index_sql.create("t", ["a"], "gin", only=True) == 'CREATE INDEX ON ONLY t USING "gin" (a)'


def test_the_query_for_duplicates_leaves_out_rows_with_nulls() -> None:
    strict = index_sql.duplicates("ONLY t", ['"a"', "(b)"], True, "c", 5)
    assert "FROM ONLY t WHERE (c) ) AS wanted WHERE k0 IS NOT NULL AND k1 IS NOT NULL GROUP BY k0, k1" in strict
    assert strict.endswith("LIMIT 5")
    loose = index_sql.duplicates("t", ['"a"'], False, "", 0)
    assert "NOT NULL" not in loose
    assert loose.endswith("LIMIT 1")
