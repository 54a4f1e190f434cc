# SPDX-License-Identifier: GPL-3.0-or-later
"""How a list of checks is chosen and run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.catalogue import CHECKS
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import (
    Facts,
    Outcome,
    check,
    failed,
    none_of,
    parse_selection,
    passed,
    run,
    warned_of,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError

FACTS = Facts({"engine": 1}, {"stack": "school", "plan": {}})


def _one(outcome: Outcome, needs: str = "engine") -> object:
    return check(
        "one", "S1 S2", "host", "It is well", target="10", command="look {stack}", fix="mend {stack}", needs=needs
    )(lambda _facts: outcome)


def _breaks(_facts: Facts) -> Outcome:
    raise KeyError("memory")


def test_a_result_has_all_its_parts() -> None:
    (found,) = run([_one(failed("9", "9 of 10"))], FACTS, {}, "bell1", [])
    assert found.as_dict() == {
        "id": "one",
        "rows": ["S1", "S2"],
        "topic": "host",
        "title": "It is well",
        "host": "bell1",
        "verdict": "fail",
        "measured": "9",
        "target": "10",
        "reason": "",
        "evidence": {"command": "look school", "output": "9 of 10"},
        "fix": "mend school",
    }


def test_who_may_not_log_in_is_let_in_again_without_a_session() -> None:
    why = 'cannot log in as postgres: FATAL:  role "postgres" is not permitted to log in'
    (found,) = run([_one(passed("10"))], FACTS, {"engine": why}, "bell1", [])
    steps = [
        "docker service scale school_postgres=0;",
        "echo 'ALTER ROLE postgres LOGIN' | docker run --rm -i --network none -v /opt/school/data/postgres:",
        '--entrypoint postgres "$image" --single postgres;',
        "docker service scale school_postgres=1",
    ]
    places = [found.fix.index(step) for step in steps]
    assert places == sorted(places)


def test_what_passed_needs_no_mending() -> None:
    (found,) = run([_one(passed("10"))], FACTS, {}, "bell1", [])
    assert (found.verdict, found.fix) == ("pass", "")


def test_an_outcome_may_know_better() -> None:
    (found,) = run([_one(failed("9", target="11", fix="call {stack}"))], FACTS, {}, "bell1", [])
    assert (found.target, found.fix) == ("11", "call school")


def test_a_check_that_breaks_has_failed_and_the_others_run() -> None:
    broken = replace(_one(passed("10")), judge=_breaks)
    found = run([broken, _one(passed("10"))], FACTS, {}, "bell1", [])
    assert [one.verdict for one in found] == ["fail", "pass"]
    assert found[0].reason == "KeyError: 'memory'"


def test_what_could_not_be_gathered_has_failed() -> None:
    (found,) = run([_one(passed("10"), "engine host")], FACTS, {"host": "host: no answer"}, "bell1", [])
    assert (found.verdict, found.reason) == ("fail", "host: no answer")


def test_secrets_are_taken_out_of_every_text() -> None:
    (found,) = run(
        [_one(failed("is hunter22hunter22", "x hunter22hunter22", reason="redis://app:other@redis"))],
        FACTS,
        {},
        "bell1",
        ["hunter22hunter22"],
    )
    assert "hunter22" not in str(found)
    assert "other" not in found.reason


def test_evidence_has_an_end() -> None:
    (found,) = run([_one(failed("9", "x" * 9000))], FACTS, {}, "bell1", [])
    assert found.output.endswith("... (9000 characters)")
    assert len(found.output) < 5000


def test_many_problems_are_counted() -> None:
    found = none_of([f"p{number}" for number in range(12)], "none")
    assert found.measured.endswith("p7; and 4 more")


@pytest.mark.parametrize("given", ["S31,S107", ["S31", "S107"], "s31 s107", [" S31", "S107,"]])
def test_rows_are_taken_in_any_form(given: object) -> None:
    selection = parse_selection(given, [], CHECKS)  # type: ignore[arg-type]
    assert selection.rows == {"S31", "S107"}
    assert [one.id for one in CHECKS if selection.takes(one)] == ["firewall-rules", "open-ports", "pool-settings"]


def test_topics_and_rows_narrow_each_other() -> None:
    selection = parse_selection(["S92"], ["database"], CHECKS)
    assert [one.id for one in CHECKS if selection.takes(one)] == ["checksums"]


def test_nothing_given_takes_all() -> None:
    assert all(map(parse_selection([], [], CHECKS).takes, CHECKS))


@pytest.mark.parametrize(
    ("rows", "topics", "said"),
    [
        (["S999"], [], "'S999' is no row"),
        (["pool"], [], "is no row"),
        (["S109"], [], "nothing checks S109"),
        ([], ["databse"], "did you mean database?"),
        ([], ["zzz"], "there are backups, cache"),
        (["S31"], ["backups"], "select no check"),
    ],
)
def test_a_selection_that_means_nothing_is_refused(rows: list[str], topics: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_selection(rows, topics, CHECKS)


@pytest.mark.parametrize(
    ("stock", "verdict", "measured"),
    [
        (None, "warn", "a key; a job"),
        ({"one": ["a key", "a job", "another"]}, "warn", "a key; a job"),
        ({"one": ["a key"]}, "fail", "new since stock was taken: a job"),
        ({}, "fail", "new since stock was taken: a key; a job"),
    ],
)
def test_what_came_after_stock_was_taken_fails(stock: dict[str, list[str]] | None, verdict: str, measured: str) -> None:
    facts = Facts(FACTS.seen, {**FACTS.expected, "stock": stock})
    (found,) = run([_one(warned_of(["a key", "a job"]))], facts, {}, "bell1", [])
    assert (found.verdict, found.measured, found.told) == (verdict, measured, ("a key", "a job"))
    assert found.fix.endswith("checks_take_stock=true'") == (verdict == "fail")


def test_what_is_taken_for_known_without_a_word_fails_once_it_is_another() -> None:
    facts = Facts(FACTS.seen, {**FACTS.expected, "stock": {"one": ["my key"]}})
    (same,) = run([_one(replace(passed("10"), told=("my key",)))], facts, {}, "bell1", [])
    (other,) = run([_one(replace(passed("10"), told=("your key",)))], facts, {}, "bell1", [])
    assert (same.verdict, other.verdict) == ("pass", "fail")
    assert other.fix.startswith("mend school. If you want all of it so: ")


def test_of_a_secret_stock_knows_no_more_than_the_report() -> None:
    (found,) = run([_one(warned_of(["a job with s3cr3t-word"]))], FACTS, {}, "bell1", ["s3cr3t-word"])
    assert "s3cr3t" not in found.told[0]
    facts = Facts(FACTS.seen, {**FACTS.expected, "stock": {"one": [*found.told]}})
    (again,) = run([_one(warned_of(["a job with s3cr3t-word"]))], facts, {}, "bell1", ["s3cr3t-word"])
    assert again.verdict == "warn"
