# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder, the ledger and the plan, state by state."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import prisma
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.prisma import (
    Migration,
    MigrationRefusedError,
    Row,
    Step,
    Wishes,
    plan,
)

A, B, C = (Migration(name, f"SELECT '{name}';\n") for name in ("1_a", "2_b", "3_c"))


def applied(migration: Migration, identity: str = "") -> Row:
    return Row(identity or migration.name, migration.name, migration.checksum, "t1", finished_at="t2")


def failed(migration: Migration, identity: str = "", logs: str = "ERROR: no") -> Row:
    return Row(identity or f"f{migration.name}", migration.name, migration.checksum, "t1", logs=logs)


def undone(migration: Migration) -> Row:
    return Row(f"r{migration.name}", migration.name, migration.checksum, "t1", rolled_back_at="t3", logs="ERROR: no")


RUN_A, RUN_B, RUN_C = (Step("run", migration.name) for migration in (A, B, C))
MARK_A, MARK_B, MARK_C = (Step("mark", migration.name) for migration in (A, B, C))


@pytest.mark.parametrize(
    ("rows", "has_tables", "wishes", "steps", "create"),
    [
        pytest.param(None, False, Wishes(), [RUN_A, RUN_B], True, id="an empty database"),
        pytest.param([], False, Wishes(), [RUN_A, RUN_B], False, id="an empty ledger"),
        pytest.param([], True, Wishes(), [RUN_A, RUN_B], False, id="an empty ledger beside tables"),
        pytest.param([applied(A)], True, Wishes(), [RUN_B], False, id="one is pending"),
        pytest.param([applied(B)], True, Wishes(), [RUN_A], False, id="an older one is pending"),
        pytest.param([applied(A), applied(B)], True, Wishes(), [], False, id="nothing to do"),
        pytest.param([applied(A), undone(B)], True, Wishes(), [RUN_B], False, id="rolled back runs again"),
        pytest.param([applied(A), undone(B), applied(B)], True, Wishes(), [], False, id="rolled back, then applied"),
        pytest.param([applied(A), applied(B), applied(C)], True, Wishes(), [], False, id="missing from the folder"),
        pytest.param(None, True, Wishes(baseline=True), [MARK_A, MARK_B], True, id="baseline of all"),
        pytest.param(None, True, Wishes(baseline=("1_a",)), [MARK_A, RUN_B], True, id="baseline of some"),
        pytest.param([], True, Wishes(baseline=("1_a",)), [MARK_A, RUN_B], False, id="baseline of an empty ledger"),
        pytest.param(None, False, Wishes(baseline=True), [RUN_A, RUN_B], True, id="baseline of an empty database"),
        pytest.param([applied(A)], True, Wishes(baseline=True), [RUN_B], False, id="baseline of a living ledger"),
        pytest.param(
            [applied(A), failed(B)], True, Wishes(rolled_back=("2_b",)),
            [Step("roll back", "2_b", ("f2_b",)), RUN_B], False, id="a failed one was undone",
        ),
        pytest.param(
            [applied(A), failed(B)], True, Wishes(applied=("2_b",)),
            [Step("roll back", "2_b", ("f2_b",)), MARK_B], False, id="a failed one was finished by hand",
        ),
        pytest.param(
            [applied(A), failed(B), applied(B)], True, Wishes(applied=("2_b",)),
            [Step("roll back", "2_b", ("f2_b",))], False, id="failed and applied",
        ),
        pytest.param(
            [applied(A), failed(B, "x"), failed(B, "y")], True, Wishes(rolled_back=("2_b",)),
            [Step("roll back", "2_b", ("x", "y")), RUN_B], False, id="failed twice",
        ),
        pytest.param([applied(A)], True, Wishes(applied=("2_b",)), [MARK_B], False, id="applied by hand"),
        pytest.param(None, True, Wishes(applied=("1_a",)), [MARK_A, RUN_B], True, id="resolve as a baseline"),
        pytest.param([applied(A), applied(B)], True, Wishes(applied=("2_b",)), [], False, id="applied, asked again"),
        pytest.param(
            [applied(A), undone(B), applied(B)], True, Wishes(rolled_back=("2_b",)), [], False, id="undone, asked again"
        ),
        pytest.param(
            [applied(A), undone(B)], True, Wishes(rolled_back=("2_b",)), [RUN_B], False, id="undone, not yet run again"
        ),
    ],
)  # fmt: skip
def test_plan(rows: list[Row] | None, has_tables: bool, wishes: Wishes, steps: list[Step], create: bool) -> None:
    made = plan((A, B), rows, has_tables, wishes)
    assert list(made.steps) == steps
    assert made.create_ledger is create
    assert made.changed is bool(steps)
    assert made.pending == tuple(step.name for step in steps if step.kind == "run")


@pytest.mark.parametrize(
    ("rows", "wishes", "error", "said"),
    [
        pytest.param(None, Wishes(), MigrationRefusedError, ["P3005", "baseline: true"], id="tables without a ledger"),
        pytest.param(
            [applied(A), failed(B)], Wishes(), MigrationRefusedError,
            ["2_b", "P3009", "ERROR: no", "resolve: {rolled_back: [2_b]}"], id="one has failed",
        ),
        pytest.param([failed(C, logs="")], Wishes(), MigrationRefusedError, ["3_c", "no log"], id="one was cut off"),
        pytest.param(
            [failed(A), failed(B)], Wishes(rolled_back=("1_a",)), MigrationRefusedError, ["2_b"], id="one is left"
        ),
        pytest.param(
            [failed(A, "x"), applied(A, "y")], Wishes(), MigrationRefusedError, ["1_a", "P3009"], id="failed, applied"
        ),
        pytest.param([], Wishes(applied=("9_x",)), InputError, ["9_x", "P3017", "1_a, 2_b"], id="no such folder"),
        pytest.param(None, Wishes(baseline=("9_x",)), InputError, ["baseline", "9_x"], id="baseline of nothing"),
        pytest.param([], Wishes(rolled_back=("2_b",)), InputError, ["2_b", "P3011"], id="was never begun"),
        pytest.param([applied(A)], Wishes(rolled_back=("1_a",)), InputError, ["1_a", "P3012"], id="did not fail"),
    ],
)  # fmt: skip
def test_refusals(rows: list[Row] | None, wishes: Wishes, error: type[Exception], said: list[str]) -> None:
    with pytest.raises(error) as raised:
        plan((A, B), rows, True, wishes)
    for words in said:
        assert words in str(raised.value)


def test_states_before_and_after() -> None:
    made = plan((A, B, C), [applied(A), failed(B)], True, Wishes(rolled_back=("2_b",)))
    assert made.states == {"1_a": "applied", "2_b": "failed", "3_c": "pending"}
    assert made.after == {"1_a": "applied", "2_b": "applied", "3_c": "applied"}


def test_edited_and_missing_are_warned_of_and_never_run() -> None:
    made = plan((Migration(A.name, "SELECT 'edited';"), B), [applied(A), applied(C)], True)
    assert made.edited == ("1_a",)
    assert made.missing == ("3_c",)
    assert made.pending == ("2_b",)
    edited, missing = made.warnings()
    assert "1_a was edited" in edited
    assert "3_c" in missing
    assert plan((A, B), [applied(A), applied(B)], True).warnings() == []


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("file_ends", ["\n", "\r\n"])
def test_checksum_under_any_line_ends(ends: str, file_ends: str) -> None:
    ledger = Migration("a", f"one{ends}two{ends}").checksum
    assert Migration("a", f"one{file_ends}two{file_ends}").matches(ledger)
    assert not Migration("a", f"one{file_ends}two").matches(ledger)


def test_checksum_is_sha256_of_the_file_and_old_engines_dropped_zeros() -> None:
    script = "hello"
    assert Migration("a", script).checksum == hashlib.sha256(b"hello").hexdigest()
    old = "".join(f"{byte:x}" for byte in hashlib.sha256(b"hello").digest())
    assert len(old) < 64
    assert Migration("a", script).matches(old)
    assert not Migration("a", script).matches("")


LOCK = {"migration_lock.toml": b'# do not edit\nprovider = "postgresql"\n'}


def test_folder_in_the_order_of_names() -> None:
    files = {**LOCK, "2_b/migration.sql": b"b", "1_a/migration.sql": "é".encode(), "README.md": b""}
    assert prisma.folder(files, "/m") == (Migration("1_a", "é"), Migration("2_b", "b"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no migration"),
        (LOCK, "holds no migration"),
        ({"1_a/": b""}, "/m/1_a/migration.sql is missing (P3015)"),
        ({"1_a/migration.sql": b"\xff"}, "not UTF-8 (byte 0)"),
        ({"1_a/migration.sql": b"\xef\xbb\xbfSELECT 1"}, "byte order mark"),
        ({"1_a/migration.sql": b"SELECT 1;\0SELECT 2"}, "NUL"),
        ({"migration_lock.toml": b'provider = "sqlite"', "1_a/migration.sql": b""}, "(P3019)"),
    ],
)
def test_folders_refused(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(MigrationRefusedError) as raised:
        prisma.folder(files, "/m")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [(None, False), (False, False), (True, True), ("true", True), ("no", False), ([], ()), (["a"], ("a",))],
)
def test_wish_of_a_baseline(baseline: object, expected: object) -> None:
    assert prisma.wishes(baseline, None) == Wishes(baseline=expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("baseline", ["1_a", 3, [1], {}])
def test_wish_of_a_baseline_refused(baseline: object) -> None:
    with pytest.raises(InputError, match="baseline"):
        prisma.wishes(baseline, None)


def test_wishes_that_contradict() -> None:
    with pytest.raises(InputError, match="both"):
        prisma.wishes(None, {"applied": ["1_a"], "rolled_back": ["1_a"]})


def test_report() -> None:
    made = plan((A, B), [applied(A)], True)
    planned = prisma.report(made, done=False, diff=True)
    assert planned["pending"] == ["2_b"]
    assert planned["applied"] == []
    assert planned["ledger"] == [{"name": "1_a", "state": "applied"}, {"name": "2_b", "state": "pending"}]
    assert planned["diff"] == {
        "before": "1_a: applied\n2_b: pending\n",
        "after": "1_a: applied\n2_b: applied\n",
    }
    done = prisma.report(made, done=True, diff=False)
    assert done["applied"] == ["2_b"]
    assert done["ledger"] == [{"name": "1_a", "state": "applied"}, {"name": "2_b", "state": "applied"}]
    assert "diff" not in done
