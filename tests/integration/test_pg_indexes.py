# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pg_indexes against real servers: what is the same index, and what is done about one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integration.indexed_database import Database, actions
from integration.postgres_server import Server

HOSTILE = 'we"ird\'; DROP TABLE "Student"; -- 100%s {x}'
TABLES = f"""
CREATE TABLE "Student" (
    id int PRIMARY KEY, "admissionNumber" text, email varchar(100), active boolean, score numeric,
    joined date, tags text[], details jsonb, "{HOSTILE.replace('"', '""')}" int,
    CONSTRAINT one_email UNIQUE (email), CONSTRAINT one_score UNIQUE (score) DEFERRABLE);
INSERT INTO "Student" SELECT g, 'a' || g, 'e' || g, g % 2 = 0, g FROM generate_series(1, 200) g;
CREATE SCHEMA library;
CREATE TABLE library."Book" (id int, title text COLLATE "C", due timestamptz);
CREATE VIEW "Visible" AS SELECT * FROM "Student";
"""


@pytest.fixture
def database(every_postgres: Server) -> Iterator[Database]:
    with every_postgres.database("indexed") as name:
        made = Database(every_postgres, name)
        made.query(TABLES)
        yield made


@pytest.fixture
def deployed(postgres: Server) -> Iterator[Database]:
    """The same on the version that the stack deploys, for what does not depend on it."""
    with postgres.database("indexed") as name:
        made = Database(postgres, name)
        made.query(TABLES)
        yield made


@pytest.fixture(scope="module")
def untouched(postgres: Server) -> Iterator[Database]:
    """One database for the tests that change nothing."""
    with postgres.database("untouched") as name:
        made = Database(postgres, name)
        made.query(TABLES)
        yield made


def test_missing_ones_are_built_and_another_tool_sees_these_alone(database: Database) -> None:
    before = database.dump()
    done = database.assured(
        {"name": "idx_student_admission_number", "table": "Student", "columns": ["admissionNumber"], "unique": True},
        {"name": "latest", "table": "library.Book", "columns": [{"column": "due", "order": "desc"}, "title"]},
        {"table": '"library"."Book"', "columns": ['"title"'], "include": ["id"], "storage": {"fillfactor": 70}},
    )
    assert actions(done) == ["create"] * 3
    assert [entry["index"] for entry in done["indexes"]][2] == "Book_title_idx"
    after = database.dump()
    assert [statement for statement in before if statement not in after] == []
    assert [statement for statement in after if statement not in before] == [
        'CREATE INDEX "Book_title_idx" ON library."Book" USING btree (title) INCLUDE (id) WITH (fillfactor=\'70\')',
        'CREATE INDEX latest ON library."Book" USING btree (due DESC, title)',
        'CREATE UNIQUE INDEX idx_student_admission_number ON public."Student" USING btree ("admissionNumber")',
    ]


SPELT: list[tuple[str, dict[str, Any]]] = [
    ("(lower(email))", {"columns": [{"expression": 'LOWER( "email" )'}]}),
    ("(lower(email))", {"columns": ["lower(email::text)"]}),
    ("((score + 1))", {"columns": [{"expression": "score+1::numeric"}]}),
    ("(id) WHERE active", {"columns": ["id"], "where": "active = true"}),
    ("(id) WHERE (active = true)", {"columns": ["id"], "where": "(active)"}),
    ("(id) WHERE score > 1 AND active", {"columns": ["id"], "where": "active and (1 < score)"}),
    ("(id) WHERE email IN ('a', 'b')", {"columns": ["id"], "where": "email = ANY (ARRAY['a', 'b'])"}),
    ("(id) WHERE email IS NOT NULL", {"columns": ["id"], "where": "NOT email IS NULL"}),
    ("(id ASC NULLS LAST)", {"columns": ["id"]}),
    ("(id DESC)", {"columns": [{"column": "id", "order": "desc", "nulls": "first"}]}),
    ("(email text_ops)", {"columns": ["email"]}),
    ('(email COLLATE "C")', {"columns": [{"column": "email", "collation": "pg_catalog.C"}]}),
    ('(email COLLATE "default")', {"columns": ["email"]}),
    ("(id) INCLUDE (email, score)", {"columns": ["id"], "include": ["score", "email"]}),
    (
        "USING gin (details jsonb_path_ops)",
        {"columns": [{"column": "details", "opclass": "jsonb_path_ops"}], "method": "gin"},
    ),
    ("USING gin (tags)", {"columns": ["tags"], "method": "gin"}),
    ("USING brin (joined)", {"columns": ["joined"], "method": "brin", "where": ""}),
    ("USING hash (email)", {"columns": ["email"], "method": "hash"}),
    ("(id) TABLESPACE pg_default", {"columns": ["id"], "tablespace": "pg_default"}),
]
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("(email)", {"columns": ["id"]}),
    ("(email, id)", {"columns": ["id", "email"]}),
    ("(id)", {"columns": [{"column": "id", "order": "desc"}]}),
    ("(id)", {"columns": [{"column": "id", "nulls": "first"}]}),
    ("(email)", {"columns": [{"column": "email", "opclass": "varchar_pattern_ops"}]}),
    ("(email)", {"columns": [{"column": "email", "collation": "C"}]}),
    ("(id) WHERE active", {"columns": ["id"]}),
    ("(id) WHERE active", {"columns": ["id"], "where": "NOT active"}),
    ("(id) WHERE score > 1", {"columns": ["id"], "where": "score > 1 AND active"}),
    ("(lower(email))", {"columns": ["upper(email)"]}),
    ("(id) INCLUDE (email)", {"columns": ["id"]}),
    ("USING hash (email)", {"columns": ["email"]}),
    ("USING gin (details)", {"columns": [{"column": "details", "opclass": "jsonb_path_ops"}], "method": "gin"}),
]


def copies(database: Database, cases: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """A table for each case with its index ``made<n>``, and the wishes."""
    for number, (made, _wanted) in enumerate(cases):
        database.query(
            f'CREATE TABLE "Copy{number}" (LIKE "Student"); CREATE INDEX made{number} ON "Copy{number}" {made}'
        )
    return [{"table": f"Copy{number}", **wanted} for number, (_made, wanted) in enumerate(cases)]


def test_the_same_index_spelt_differently_is_kept(database: Database) -> None:
    entries = copies(database, SPELT)
    before = database.everything()
    result = database.run(*({"name": f"wanted{number}", **entry} for number, entry in enumerate(entries)))
    assert (result["changed"], result["findings"], result["compliant"]) == (False, [], True)
    assert [entry["index"] for entry in result["indexes"]] == [f"made{number}" for number in range(len(SPELT))]
    assert database.everything() == before


def test_the_right_name_with_another_definition(database: Database) -> None:
    entries = [{"name": f"made{number}", **entry} for number, entry in enumerate(copies(database, OTHERS))]
    before = database.everything()
    for check in (True, False):
        refused = database.fail(*entries, check=check)
        assert (refused["changed"], set(actions(refused))) == (False, {"conflict"})
        assert "another definition" in refused["msg"]
        assert "replace" in refused["msg"]
    assert database.everything() == before

    done = database.assured(*entries, replace=True)
    assert set(actions(done)) == {"replace"}
    kinds = [step["statement"].split(" ON ")[0].split(' "')[0] for step in done["steps"]]
    assert kinds == ["CREATE INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY", "ALTER INDEX"] * len(OTHERS)
    made = [name for name in database.definitions() if name not in ("Student_pkey", "one_email", "one_score")]
    assert sorted(made) == sorted(f"made{number}" for number in range(len(OTHERS)))


def test_a_unique_index_and_the_indexes_of_constraints(database: Database) -> None:
    database.query('CREATE INDEX plain ON "Student" (joined); CREATE UNIQUE INDEX single ON "Student" (email, id)')
    kept = database.run(
        {"name": "by_id", "table": "Student", "columns": ["id"], "unique": True},
        {"name": "by_email", "table": "Student", "columns": ["email"], "unique": True},
        rename=True,
    )
    assert [entry["index"] for entry in kept["indexes"]] == ["Student_pkey", "one_email"]
    assert kept["changed"] is False
    # A constraint that is checked at the end of the transaction is no unique index, and one without
    # unique does not stand for one with it.
    made = database.assured(
        {"table": "Student", "columns": ["score"], "unique": True},
        {"table": "Student", "columns": ["joined"], "unique": True},
        {"table": "Student", "columns": ["email", "id"]},
    )
    assert actions(made) == ["create"] * 3
    for name in ("Student_pkey", "one_email"):
        taken = database.fail({"name": name, "table": "Student", "columns": ["active"]}, replace=True)
        assert "constraint" in taken["msg"]


def test_an_index_that_a_foreign_key_or_replication_leans_on_stays(deployed: Database) -> None:
    deployed.query(
        'CREATE UNIQUE INDEX leaned ON library."Book" (id); ALTER TABLE library."Book" ALTER id SET NOT NULL;'
        'CREATE TABLE loan (book int REFERENCES library."Book" (id));'
        'CREATE UNIQUE INDEX identity ON "Student" (id, email) ; ALTER TABLE "Student" ALTER email SET NOT NULL;'
        'ALTER TABLE "Student" REPLICA IDENTITY USING INDEX identity;'
    )
    book = {"name": "leaned", "table": "library.Book", "columns": ["title"]}
    assert "loan_book_fkey" in deployed.fail(book, replace=True)["msg"]
    assert "loan_book_fkey" in deployed.fail({"name": "leaned", "schema": "library", "state": "absent"})["msg"]
    assert "replica identity" in deployed.fail({"name": "identity", "state": "absent"})["msg"]


def test_renaming_is_an_option(deployed: Database) -> None:
    deployed.query('CREATE INDEX old ON "Student" (joined); CREATE INDEX other ON "Student" (active)')
    entry = {"name": "new", "table": "Student", "columns": ["joined"]}
    assert actions(deployed.run(entry)) == ["keep"]
    assert actions(deployed.assured(entry, rename=True)) == ["rename"]
    assert set(deployed.definitions()) >= {"new", "other"}
    taken = deployed.fail({"name": "other", "table": "Student", "columns": ["joined"]}, rename=True)
    assert actions(taken) == ["conflict"]
    entry = {"name": "other", "table": "Student", "columns": ["joined"], "replace": True}
    assert actions(deployed.assured(entry, rename=True)) == ["replace"]
    assert deployed.definitions()["other"].endswith("(joined)")


def test_storage_and_tablespace(database: Database) -> None:
    database.query('CREATE INDEX idx ON "Student" (joined) WITH (fillfactor = 90, deduplicate_items = off)')
    entry = {"name": "idx", "table": "Student", "columns": ["joined"]}
    assert actions(database.run(entry)) == ["keep"]
    assert actions(database.run({**entry, "storage": {"deduplicate_items": False}})) == ["keep"]
    assert actions(database.assured({**entry, "storage": {"fillfactor": 80}})) == ["alter"]
    options = database.query("SELECT reloptions FROM pg_class WHERE relname = 'idx'")[0][0]
    assert sorted(options) == ["deduplicate_items=off", "fillfactor=80"]
    assert "fillfactor" in database.fail({**entry, "storage": {"fillfactor": 5}})["msg"]
    assert 'no tablespace "nowhere"' in database.fail({**entry, "tablespace": "nowhere"})["msg"]


def test_an_invalid_index_is_rebuilt(database: Database) -> None:
    database.query(
        'CREATE INDEX broken ON "Student" (joined); CREATE UNIQUE INDEX halfway ON "Student" (id, joined);'
        'CREATE INDEX left_ccnew ON "Student" (active); CREATE INDEX left_ccold1 ON "Student" (active);'
        'CREATE INDEX dying ON "Student" (tags); CREATE INDEX elsewhere_ccnew ON library."Book" (id);'
    )
    database.query(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text ~ '_cc|broken|halfway|dying|pkey'"
    )
    database.query("UPDATE pg_index SET indislive = false, indisready = false WHERE indexrelid = 'dying'::regclass")
    done = database.assured(
        {"name": "broken", "table": "Student", "columns": ["joined"]},
        {"name": "anything", "table": "Student", "columns": ["id", "joined"], "unique": True},
        {"name": "Student_pkey", "table": "Student", "columns": ["id"], "unique": True},
        {"name": "active", "table": "Student", "columns": ["active"]},
        {"name": "dying", "table": "Student", "columns": ["tags"]},
    )
    assert actions(done) == ["rebuild", "rebuild", "rebuild", "create", "create"]
    definitions = database.definitions()
    assert set(definitions) == {
        *("broken", "halfway", "Student_pkey", "one_email", "one_score", "active", "dying", "elsewhere_ccnew")
    }
    assert [name for name, text in definitions.items() if text.startswith("INVALID")] == ["elsewhere_ccnew"]


def test_leftovers_stay_when_they_are_to_stay(deployed: Database) -> None:
    deployed.query('CREATE INDEX left_ccnew ON "Student" (active)')
    deployed.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'left_ccnew'::regclass")
    entry = {"table": "Student", "columns": ["joined"]}
    deployed.run(entry, clean_leftovers=False)
    assert deployed.definitions()["left_ccnew"].startswith("INVALID")
    checked = deployed.run(entry, mode="check")
    assert (checked["changed"], checked["compliant"]) == (False, False)
    assert "left_ccnew" in checked["findings"][0]


def test_duplicates_are_counted_and_sampled_before_anything_is_tried(database: Database) -> None:
    database.query(
        "INSERT INTO \"Student\" (id, \"admissionNumber\", active) VALUES (300, 'a1', true), (301, 'a1', false),"
        " (302, 'a2', true), (303, NULL, true), (304, NULL, true)"
    )
    other = {"name": "other", "table": "Student", "columns": ["joined"]}
    unique = {"name": "one", "table": "Student", "columns": ["admissionNumber"], "unique": True}
    before = database.everything()
    for check in (True, False):
        result = database.fail(other, unique, check=check)
        assert actions(result) == ["create", "duplicates"]
        assert result["indexes"][1]["duplicates"] == {
            "values": 2,
            "rows": 5,
            "samples": [{"value": ["a1"], "copies": 3}, {"value": ["a2"], "copies": 2}],
        }
        assert "a1" not in result["msg"]
    assert database.everything() == before
    none = database.fail(unique, duplicate_samples=0)
    assert none["indexes"][0]["duplicates"] == {"values": 2, "rows": 5, "samples": []}
    skipped = database.run(other, unique, blocked="skip")
    assert (skipped["changed"], skipped["compliant"]) == (True, False)
    assert "other" in database.definitions()

    # Rows that are not in the index are nobody's duplicates.
    database.query('DELETE FROM "Student" WHERE id IN (301, 302)')
    database.query('UPDATE "Student" SET active = NULL WHERE id = 300')
    assert actions(database.assured({**unique, "name": "partial", "where": "active IS NOT NULL"})) == ["create"]
    if database.server.major >= 15:
        nulls = database.fail({**unique, "nulls_distinct": False, "where": "id <> 300"})
        assert nulls["indexes"][0]["duplicates"]["samples"] == [{"value": [None], "copies": 2}]
        database.query('DELETE FROM "Student" WHERE id = 304')
        strict = {**unique, "nulls_distinct": False, "where": "id <> 300"}
        assert "NULLS NOT DISTINCT" in database.assured(strict)["steps"][0]["statement"]
        database.fail({**strict, "nulls_distinct": True})  # the same name, another definition
    else:
        assert "syntax error" in database.fail({**unique, "nulls_distinct": False})["msg"]


def test_hostile_names(deployed: Database) -> None:
    long = "ü" * 31
    deployed.query(f'CREATE TABLE "a.b" (x int); CREATE TABLE "{long}" ("{long}" int)')
    done = deployed.assured(
        {"name": HOSTILE, "table": "Student", "columns": [HOSTILE]},
        {"name": "a.b.c", "table": "a.b", "columns": ["x"]},
        {"name": "quoted.dot", "table": '"a.b"', "columns": [{"column": "x", "order": "desc"}]},
        {"table": long, "columns": [long]},
        {"table": long, "columns": [{"column": long, "order": "desc"}]},
        {
            "name": '"with ""quotes"""',
            "table": "public.Student",
            "columns": ["id", HOSTILE],
            "where": "id > 1 AND '{}' <> ''".format(HOSTILE.replace("'", "''")),
        },
    )
    assert actions(done) == ["create"] * 6
    names = deployed.definitions()
    assert {HOSTILE, "a.b.c", "quoted.dot", 'with "quotes"'} <= set(names)
    assert all(len(name.encode()) <= 63 for name in names)
    assert deployed.query('SELECT count(*) FROM "Student"') == [(200,)]
    dropped = deployed.assured({"name": HOSTILE, "state": "absent"}, {"name": '"with ""quotes"""', "state": "absent"})
    assert actions(dropped) == ["drop", "drop"]
    too_long = deployed.fail({"name": "ü" * 32, "table": "Student", "columns": ["id"]})
    assert "64 bytes" in too_long["msg"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"table": "Studnet", "columns": ["id"]}, ['no table "Studnet"', "did you mean Student"]),
        ({"table": "student", "columns": ["id"]}, ["did you mean Student"]),
        ({"table": "Book", "columns": ["id"]}, ['there is one in the schema "library"']),
        ({"table": "Student", "schema": "libary", "columns": ["id"]}, ['no schema "libary"', "did you mean library"]),
        ({"table": "Visible", "columns": ["id"]}, ["is a view"]),
        ({"table": "Student", "columns": ["emial"]}, ["no column 'emial'", "did you mean email"]),
        ({"table": "Student", "columns": ["email desc"]}, ["order: desc"]),
        ({"table": "Student", "columns": ["id"], "include": ["emial"]}, ["did you mean email"]),
        ({"table": "Student", "columns": [{"expression": "lower(emial)"}]}, ["42703", "email"]),
        ({"table": "Student", "columns": ["id"], "where": "emial IS NULL"}, ["42703"]),
        ({"table": "Student", "columns": ["id"], "method": "btee"}, ["42704", "btee"]),
        ({"table": "Student", "columns": [{"column": "id", "opclass": "x_ops"}]}, ["x_ops"]),
        ({"table": "Student", "columns": [{"column": "email", "collation": "xx"}]}, ["xx"]),
        ({"table": "Student", "columns": [{"expression": "random()"}]}, ["IMMUTABLE"]),
        ({"table": "Student", "columns": [{"column": "id", "oder": "desc"}]}, ["did you mean order"]),
        ({"table": "Student", "columns": [{"expression": "1)); DROP TABLE \"Student\"; --"}]}, ["one expression"]),
        ({"table": "Student", "columns": ["id"], "where": "true); SELECT (1"}, ["one expression"]),
        ({"table": "Student", "columns": ["id"], "where": "E'\\' OR true"}, ["open quote"]),
        ({"table": "Student", "columns": ["joined", "id"], "tablespace": "pg_defaul"}, ["no tablespace", "pg_default"]),
        ({"state": "absent"}, ["give name"]),
        ({"name": "x"}, ["table and columns are missing"]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_named(untouched: Database, entry: dict[str, Any], words: list[str]) -> None:
    before = untouched.everything()
    result = untouched.fail({"table": "Student", "columns": ["joined"]}, entry)
    assert "indexes[1]" in result["msg"]
    assert [word for word in words if word not in result["msg"]] == []
    assert untouched.everything() == before


def test_two_wishes_for_one_index(deployed: Database) -> None:
    same = deployed.fail(
        {"table": "Student", "columns": ["lower(email)"]},
        {"name": "b", "table": "Student", "columns": ["LOWER(email)"]},
    )
    assert "the same index as indexes[0]" in same["msg"]
    name = deployed.fail(
        {"name": "a", "table": "Student", "columns": ["id"]}, {"name": "a", "table": "Student", "columns": ["email"]}
    )
    assert "the name is that of indexes[0] (a), too" in name["msg"]


def test_absent(deployed: Database) -> None:
    deployed.query('CREATE INDEX gone ON "Student" (joined); CREATE INDEX stays ON library."Book" (id)')
    assert "is no index" in deployed.fail({"name": "Student", "state": "absent"})["msg"]
    assert "constraint" in deployed.fail({"name": "one_email", "state": "absent"})["msg"]
    deployed.query('CREATE TABLE "Other" (id int)')
    assert "index of" in deployed.fail({"name": "gone", "table": "Other", "state": "absent"})["msg"]
    done = deployed.assured(
        {"name": "gone", "state": "absent"},
        {"name": "stays", "state": "absent"},
        {"name": "never", "table": "Nothing", "state": "absent"},
    )
    assert actions(done) == ["drop", "keep", "keep"]
    assert "stays" in deployed.definitions()
    assert "gone" not in deployed.definitions()


def test_check_mode_of_the_module_reports_and_never_changes(deployed: Database) -> None:
    deployed.query('CREATE INDEX present ON "Student" (joined)')
    before = deployed.everything()
    entries = [
        {"name": "idx_student_admission_number", "table": "Student", "columns": ["admissionNumber"], "unique": True},
        {"name": "present", "table": "Student", "columns": ["joined"]},
        {"name": "nowhere", "table": "Missing", "columns": ["id"]},
    ]
    result = deployed.run(*entries, mode="check")
    assert (result["changed"], result["compliant"]) == (False, False)
    assert actions(result) == ["create", "keep", "impossible"]
    assert result["findings"][0] == (
        'essential index is missing: "idx_student_admission_number" on "public"."Student",'
        " unique btree (admissionNumber)"
    )
    assert result["findings"][1].startswith('essential index is missing: "nowhere"')
    failed = deployed.fail(*entries, mode="check", fail_on=None)
    assert "essential index is missing" in failed["msg"]
    assert deployed.run(*entries, mode="check", fail_on=["conflict", "rebuild"])["compliant"] is False
    assert deployed.run(entries[1], mode="check", fail_on=["any"])["compliant"] is True
    assert deployed.everything() == before


def test_rights(database: Database) -> None:
    database.query(
        "DROP ROLE IF EXISTS indexed_guest; CREATE ROLE indexed_guest LOGIN;"
        f'REVOKE TEMPORARY ON DATABASE "{database.name}" FROM PUBLIC'
    )
    try:
        entry = {"table": "Student", "columns": ["joined"]}
        result = database.fail(entry, login_user="indexed_guest")
        assert f'GRANT TEMPORARY ON DATABASE "{database.name}" TO "indexed_guest"' in result["msg"]
        database.query(f'GRANT TEMPORARY ON DATABASE "{database.name}" TO indexed_guest')
        # Looking needs no right on the table; building does.
        assert actions(database.run(entry, login_user="indexed_guest", mode="check")) == ["create"]
        assert "must be owner" in database.fail(entry, login_user="indexed_guest")["msg"]
        database.query('ALTER TABLE "Student" OWNER TO indexed_guest; GRANT CREATE ON SCHEMA public TO indexed_guest')
        database.assured({**entry, "unique": False}, session_role="indexed_guest")
    finally:
        database.query("DROP OWNED BY indexed_guest CASCADE; DROP ROLE indexed_guest")
