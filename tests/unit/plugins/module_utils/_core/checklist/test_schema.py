# SPDX-License-Identifier: GPL-3.0-or-later
"""What mends the application's tables, and the migrations that cannot begin."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.database import checksums
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import FAIL, PASS, WARN, Facts
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.schema import migrations, tables_safe

from unit.healthy_stack import healthy

LOST = "DROP INDEX CONCURRENTLY IF EXISTS public.{0}; CREATE INDEX CONCURRENTLY {0} ON public.t USING btree (a)"
HOLDER = {"pid": 7, "role": "o", "application": "", "since": "2026-11-29 02:00:00+00", "at_work": False}
FAILED = {"name": "seats", "started_at": "2026-11-29 02:00:00+00", "log": "no seat"}


def facts(**database: Any) -> Facts:
    seen, expected = healthy()
    seen["database"].update(database)
    return Facts(seen, expected)


def held(*failed: dict[str, str], begun: tuple[str, ...] = (), **more: Any) -> Facts:
    seen = {"applied": 12, "failed": list(failed), "begun": list(begun), "holders": [{**HOLDER, **more}]}
    return facts(migrations=seen)


def test_an_extension_comes_back_before_what_needs_it() -> None:
    default = {"name": "public.t", "problem": "has lost its default id", "fix": "ALTER TABLE public.t"}
    lost = facts(extensions=["citext"], drifted=[default])
    fix = tables_safe.judge(lost).fix
    assert 'and there: CREATE EXTENSION IF NOT EXISTS "pg_stat_statements"; ALTER TABLE public.t;' in fix


@pytest.mark.parametrize(
    ("fix", "verdict"),
    [
        (LOST.format("other"), FAIL),
        (LOST.format("one"), PASS),
        (LOST.format('"wanted"'), PASS),
        ("DROP INDEX IF EXISTS public.wanted; CREATE INDEX wanted ON public.t USING btree (a)", PASS),
        ("DROP INDEX IF EXISTS public.wanted; CREATE UNIQUE INDEX wanted ON public.t USING btree (a)", FAIL),
    ],
)
def test_an_index_that_the_application_names_is_not_the_migrations(fix: str, verdict: str) -> None:
    seen = facts(drifted=[{"name": "public.t", "problem": "has lost its index", "fix": fix}])
    seen.expected["app"]["indexes"].append({"name": "wanted", "table": "t", "state": "absent"})
    assert tables_safe.judge(seen).verdict == verdict


def test_a_session_that_keeps_migrations_from_beginning_is_ended() -> None:
    found = migrations.judge(held())
    assert found.verdict == FAIL
    assert found.measured == (
        "pid 7 (role o, application ?, since 2026-11-29 02:00:00+00) holds Prisma's lock 72707369 and does nothing, "
        "so that no other migration can begin"
    )
    assert found.fix.endswith("and there: SELECT pg_terminate_backend(7);")


def test_a_failed_migration_is_not_hidden_behind_a_forgotten_session() -> None:
    found = migrations.judge(held(FAILED))
    assert "the migration seats, begun 2026-11-29 02:00:00+00, has failed" in found.measured
    assert found.fix.index("pg_terminate_backend(7)") < found.fix.index("SET rolled_back_at")


def test_a_migration_that_is_known_to_have_ended_only_gets_its_mark_back() -> None:
    one = {"applied": 12, "failed": [FAILED, {**FAILED, "name": "rooms"}], "begun": [], "holders": []}
    fix = migrations.judge(facts(migrations=one, known=["seats", "rooms"])).fix
    assert "SET finished_at = now() WHERE" in fix
    assert not any(word in fix for word in ("rolled_back_at =", "take back", "make site"))
    both = migrations.judge(facts(migrations=one, known=["seats"])).fix
    assert (
        "SET finished_at = now() WHERE finished_at IS NULL AND rolled_back_at IS NULL AND migration_name = 'seats'"
        in both
    )
    assert (
        "SET rolled_back_at = now() WHERE finished_at IS NULL AND rolled_back_at IS NULL AND migration_name = 'rooms'"
        in both
    )


def test_what_is_gone_with_its_rows_is_not_meant_so() -> None:
    gone = {"name": "public.t", "problem": "is gone", "fix": ""}
    assert tables_safe.judge(facts(drifted=[gone])).fix == "What the finding says"


def test_what_nobody_compares_is_said() -> None:
    assert tables_safe.judge(facts()).measured == "none is weak"
    seen = facts(schemas=["billing"])
    seen.expected["app"]["migrations"] = "job"
    assert tables_safe.judge(seen).measured == (
        "none is weak; what was changed by hand, as app_migrations is job, is not known; "
        "what was changed in the schema billing, as only public is compared, is not known"
    )


def test_one_fault_is_told_once() -> None:
    fix = "ALTER TABLE public.t SET LOGGED"
    weak = {"name": "public.t", "problem": "is unlogged", "fix": fix}
    drifted = {"name": "public.t", "problem": "has got the UNLOGGED public.t", "fix": fix}
    assert tables_safe.judge(facts(weak_tables=[weak], drifted=[drifted])).measured == "public.t is unlogged"


def test_whoever_may_be_migrating_is_only_warned_of() -> None:
    found = migrations.judge(held(begun=("seats",), at_work=True))
    assert found.verdict == WARN
    assert "is at work on seats" in found.measured
    assert found.fix.startswith("If that is none that you know of: ")


def test_checksums_are_enabled_while_no_server_runs() -> None:
    """A service that was stopped has no container to type it in."""
    assert checksums.judge(facts(data_checksums="off")).verdict == FAIL
    steps = [
        "docker service scale {stack}_postgres=0;",
        "while docker ps",
        "-v /opt/{stack}/data/postgres:/var/lib/postgresql --entrypoint pg_checksums",
        "docker service scale {stack}_postgres=1",
    ]
    places = [checksums.fix.index(step) for step in steps]
    assert places == sorted(places)
