# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check both ways: it passes on a healthy stack, and goes red when what it looks for is broken."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS, TOPICS
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.custody import NOT_SEARCHED, sought
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import (
    FAIL,
    PASS,
    ROWS,
    SKIPPED,
    WARN,
    Facts,
    Outcome,
)

from unit.broken_stack import BROKEN, NOT_APPLICABLE, OWNER, Break, crashed, no_edge
from unit.healthy_stack import NOW, healthy

BY_ID = {one.id: one for one in CHECKS}
TYPED = [
    ("database-answers", "SELECT pg_terminate_backend(7);"),
    ("database-answers", "SELECT setval('s_id_seq', 7);"),
    ("database-answers", "ALTER SEQUENCE s_id_seq NO MAXVALUE;"),
    ("database-answers", "REINDEX DATABASE school; ALTER DATABASE school REFRESH COLLATION VERSION;"),
    ("database-overrides", "ALTER ROLE \"school_monitoring\" SET statement_timeout = '5s';"),
    ("database-answers", "SELECT pg_drop_replication_slot('forgotten');"),
    ("database-overrides", 'ALTER DATABASE "school" RESET fsync;'),
    ("database-overrides", "ALTER SYSTEM RESET fsync; SELECT pg_reload_conf();"),
    ("database-roles", 'DROP OWNED BY "intruder"; DROP ROLE "intruder";'),
    ("database-roles", "ALTER ROLE school_app LOGIN;"),
    ("database-roles", 'there: ALTER ROLE "x" RENAME TO "school_owner";'),
    ("database-roles", 'ALTER ROLE "intruder" NOLOGIN;'),
    ("database-roles", "GRANT USAGE ON SCHEMA public TO school_app;"),
    ("database-roles", "ALTER TABLE public.students OWNER TO school_owner;"),
    ("indexes", "REINDEX INDEX CONCURRENTLY public.one;"),
    ("settings-other", "and there: SELECT pg_reload_conf();"),
    ("tables-safe", "ALTER TABLE public.students SET LOGGED;"),
    ("tables-safe", "ALTER TABLE public.students VALIDATE CONSTRAINT a;"),
    ("migrations", "AND rolled_back_at IS NULL AND migration_name = '20260301_seats';"),
]


def outcome(name: str, breaking: Break | None = None) -> Outcome:
    seen, expected = healthy()
    if breaking:
        breaking(seen, expected)
    return BY_ID[name].judge(Facts(seen, expected))


@pytest.mark.parametrize("name", BY_ID)
def test_a_healthy_stack_passes(name: str) -> None:
    found = outcome(name)
    assert (found.verdict, found.reason) == (PASS, "")
    assert found.measured


def test_passwords_of_others_are_sought_unless_they_are_found_by_chance() -> None:
    further = {"monitoring_smtp_password": "of the mail server", "app_token": "", "app_key": "1234567"}
    assert sought({"backup_key": "own"}, further) == {
        "backup_key": "own",
        "monitoring_smtp_password": "of the mail server",
    }


@pytest.mark.parametrize(("name", "breaking", "said"), BROKEN)
def test_what_is_broken_is_found(name: str, breaking: Break, said: str) -> None:
    found = outcome(name, breaking)
    assert found.verdict in (FAIL, WARN)
    assert said in f"{found.measured} {found.reason}"


def test_every_check_is_shown_to_fail() -> None:
    assert {name for name, _break, _said in BROKEN} == set(BY_ID)


@pytest.mark.parametrize(("name", "breaking", "said"), NOT_APPLICABLE)
def test_what_cannot_be_checked_says_why(name: str, breaking: Break, said: str) -> None:
    found = outcome(name, breaking)
    assert found.verdict == SKIPPED
    assert said in found.reason


def _without_containers(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
    seen["engine"]["containers"].clear()


def test_without_containers_nothing_can_be_said_of_them() -> None:
    with pytest.raises(ValueError, match="no container of the stack school runs"):
        outcome("limits", _without_containers)


def test_another_host_has_none_of_the_first_ones_timers() -> None:
    def other(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        del seen["units"]["school-backup-incr.timer"]
        expected["docker"]["timers"].clear()
        expected["first"] = False

    assert outcome("timers", other).verdict == PASS


@pytest.mark.parametrize("name", ["users", "read-only-root", "capabilities"])
def test_another_host_need_not_have_containers(name: str) -> None:
    def other(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        seen["engine"]["containers"].clear()
        expected["first"] = False

    assert outcome(name, other).verdict == PASS


@pytest.mark.parametrize("name", ["failed-units", "timers"])
def test_the_check_that_is_made_anew_may_have_failed_before(name: str) -> None:
    def failed_once(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        unit = "school-backup-check.service"
        seen["host"]["failed_units"] = [f"{unit} loaded failed failed"]
        seen["units"]["school-backup-incr.timer"]["Triggers"] = unit
        seen["units"][unit] = {"Result": "exit-code"}

    assert outcome(name, failed_once).verdict == PASS


@pytest.mark.parametrize(("name", "said"), TYPED)
def test_what_is_broken_in_the_database_is_mended_by_a_statement(name: str, said: str) -> None:
    typed = [outcome(name, breaking).fix for one, breaking, _said in BROKEN if one == name]
    assert any(said in fix and "psql -U postgres -d {database}" in fix for fix in typed)
    assert not any("DROP ROLE" in fix for fix in typed if "LOGIN;" in fix)


def test_a_role_that_has_another_name_only_gets_its_own_back() -> None:
    def called(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        roles = {"owner": "x", "monitoring": "y", "app": 'Z"z'}
        for role in seen["database"]["roles"]:
            role["once"], role["name"] = role["name"], roles.get(role["name"].partition("_")[2], role["name"])
        seen["database"]["roles"][0]["once"] = ""
        seen["database"]["strange_owners"] = [{"name": "public.t", "owner": "x", "fix": OWNER}]
        given = {"privileges": "SELECT", "count": 1, "first": "TABLE t", "grantable": False, "fix": "REVOKE"}
        seen["database"]["given"] = [{"grantee": '"Z""z"', **given}]
        seen["database"]["memberships"] = [{"granted": "pg_monitor", "member": "y"}]
        seen["database"]["overrides"] = [{"database": "", "role": "y", "settings": ["statement_timeout=5s"]}]

    found = outcome("database-roles", called)
    assert found.fix.partition("and there: ")[2] == (
        'ALTER ROLE "x" RENAME TO "school_owner"; ALTER ROLE "y" RENAME TO "school_monitoring"; '
        'ALTER ROLE "Z""z" RENAME TO "school_app";'
    )
    assert outcome("database-overrides", called).verdict == PASS


def test_who_does_not_belong_there_is_told_beside_what_a_statement_mends() -> None:
    def both(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        seen["database"]["roles"][-1].update(login=False)
        seen["database"]["languages"] = ["plpython3u"]

    found = outcome("database-roles", both)
    assert "school_app may not log in (NOLOGIN); the language plpython3u" in found.measured
    assert "ALTER ROLE school_app LOGIN; Then: What the finding says; Run the playbook again" in found.fix


@pytest.mark.parametrize(
    ("fix", "verdict"),
    [
        ("DROP INDEX public.one", "pass"),
        ('DROP INDEX public."one"', "pass"),
        ("DROP INDEX one", "pass"),
        ("DROP INDEX public.other", "fail"),
        ("DROP INDEX IF EXISTS public.one; CREATE UNIQUE INDEX one ON public.t USING btree (a)", "fail"),
    ],
)
def test_a_unique_index_that_the_application_names_needs_no_migration(fix: str, verdict: str) -> None:
    """``one`` is among its essential indexes."""

    def by_hand(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        seen["database"]["drifted"] = [{"name": "public.t", "problem": "has got the unique index", "fix": fix}]

    assert outcome("tables-safe", by_hand).verdict == verdict


def test_many_statements_are_all_in_the_evidence() -> None:
    def many(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        seen["database"]["weak_tables"] = [
            {"name": f"public.t{number}", "problem": "is unlogged", "fix": f"ALTER TABLE public.t{number} SET LOGGED"}
            for number in range(10)
        ]

    found = outcome("tables-safe", many)
    assert found.fix.endswith("ALTER TABLE public.t7 SET LOGGED; and the others of the evidence")
    assert "ALTER TABLE public.t9 SET LOGGED;" in found.evidence


def test_a_constraint_that_was_never_proven_is_only_a_warning() -> None:
    def never_proven(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        seen["database"]["unproven"] = [{"name": "public.a", "problem": "has the constraint b", "fix": "ALTER TABLE"}]

    assert outcome("tables-safe", never_proven).verdict == WARN


def test_a_constraint_that_is_to_be_dropped_need_not_be_proven() -> None:
    def by_hand(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        table, drop = "ALTER TABLE public.a", "DROP CONSTRAINT b"
        prove = {"name": "public.a", "problem": "was never proven", "fix": f"{table} VALIDATE CONSTRAINT b"}
        seen["database"]["unproven"] = [prove]
        seen["database"]["drifted"] = [{"name": "public.a", "problem": "has b", "fix": f"{table} {drop}"}]

    found = outcome("tables-safe", by_hand)
    assert found.verdict == FAIL
    assert "DROP CONSTRAINT b" in found.fix
    assert "VALIDATE" not in found.fix


def test_a_setting_of_the_database_alone_is_taken_back_by_name() -> None:
    reset = 'ALTER DATABASE "school" RESET work_mem'

    def altered(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        finding = {"name": "work_mem", "problem": "ALTER DATABASE sets it", "kind": "database", "fix": reset}
        seen["settings"]["findings"].append(finding)

    def also_by_hand(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        altered(seen, expected)
        seen["settings"]["findings"].append({"name": "work_mem", "problem": "it is 1", "kind": "differs", "fix": ""})

    assert outcome("settings-work-mem", altered).fix.endswith(f"{reset};")
    assert "postgres_reset_alter_system" in outcome("settings-work-mem", also_by_hand).fix


def test_rules_that_the_next_boot_would_not_load_are_enabled() -> None:
    def disabled(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        seen["firewall"]["unit"]["UnitFileState"] = "disabled"

    assert outcome("firewall-rules", disabled).fix == "systemctl enable firstbell-firewall"


def test_what_the_failover_drill_killed_did_not_crash() -> None:
    def rehearsed(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        crashed(seen, expected)
        seen["records"]["kept"]["failover_drill"][-1].update(time=NOW - 1900, seconds=200)

    assert outcome("crashes", crashed).verdict == WARN
    assert outcome("crashes", rehearsed).verdict == PASS


def test_what_the_verification_before_found_is_not_found_again() -> None:
    def told(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        alert = {"name": "VerificationFailed", "severity": "warning", "about": "instance bell1"}
        seen["monitoring"]["firing"].append(alert)

    assert outcome("alerts-firing", told).verdict == PASS


def test_without_the_edge_its_services_are_not_missed() -> None:
    def without(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        no_edge(seen, expected)
        for name in ("nginx", "haproxy"):
            del seen["engine"]["services"][name]

    assert outcome("services-healthy", without).verdict == PASS
    assert outcome("reservations", without).verdict == PASS


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.id)
def test_a_check_says_all_there_is_to_say(one: Any) -> None:
    assert one.rows
    assert set(one.rows) <= set(ROWS)
    assert one.topic in TOPICS
    assert all((one.title, one.target, one.command, one.fix))


def test_ids_are_unique_and_there_are_many() -> None:
    assert len(CHECKS) == len(BY_ID) > 60


def test_a_halted_pool_is_set_going_by_its_console() -> None:
    def halt(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        seen["pool"]["DATABASES"][0].update(paused="1", disabled="1")

    assert outcome("pool-state", halt).fix.endswith("--command='RESUME school' --command='ENABLE school'")


def test_no_warning_hides_another() -> None:
    def several(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        seen["logins"]["passwords"] = ["admin"]
        seen["logins"]["sudo"] = [{"who": "evil", "path": "/etc/sudoers.d/evil", "free": True}]
        seen["logins"]["members"] = [{"who": "evil", "group": "sudo"}]

    found = outcome("logins", several)
    assert found.verdict == WARN
    assert all(word in found.measured for word in ("admin can sign in", "evil becomes", "evil belongs"))
    assert all(word in found.fix for word in ("PasswordAuthentication no", "visudo", "gpasswd"))


def test_who_is_known_may_have_keys_and_be_an_administrator() -> None:
    def known(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        seen["logins"]["keys"] += [
            {"account": "root", "key": "SHA256:two", "comment": "ours"},
            {"account": "teacher", "key": "SHA256:three", "comment": ""},
        ]
        seen["logins"]["members"] = [{"who": "teacher", "group": "sudo"}]
        expected.update(known_keys=["SHA256:one", "SHA256:two"], known_administrators=["teacher"])

    assert outcome("logins", known).verdict == PASS


def test_a_host_whose_time_is_left_to_it_needs_no_service_for_that() -> None:
    def left(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        seen["host"]["clock"]["active"] = False
        expected["host"]["time_service"] = False

    assert outcome("clock", left).verdict == PASS


def test_a_job_that_is_known_is_not_warned_of() -> None:
    def known(seen: dict[str, Any], expected: dict[str, Any]) -> None:
        seen["jobs"] = {"strange": ["/etc/cron.d/ours-1"], "edited": ["/etc/cron.d/ours-2"]}
        seen["logins"]["sudo"] = [{"who": "%operators", "path": "/etc/sudoers.d/ours", "free": True}]
        expected["known_jobs"] = ["/etc/cron.d/ours-*", "/etc/sudoers.d/ours"]

    assert outcome("scheduled-jobs", known).verdict == PASS
    assert outcome("logins", known).verdict == PASS


def test_where_not_all_was_searched_the_check_says_so() -> None:
    def much(seen: dict[str, Any], _expected: dict[str, Any]) -> None:
        seen["logins"]["cut"] = ["/srv"]
        seen["visible"] = [{"secret": NOT_SEARCHED, "place": "/home"}]

    assert outcome("logins", much).measured.endswith("; too many files in /srv to see them all")
    assert outcome("secrets-hidden", much).measured == "none found; too many files in /home to see them all"
