# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What restic 0.18 printed, word by word, and what follows from it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import restic
from ansible_collections.firstbell.stack.plugins.module_utils._core.restic import Lock, ResticError, parse

from unit.errors import error_of

SUMMARY = (
    '{"message_type":"summary","files_new":3,"data_added":901751,"data_added_packed":901296,'
    '"total_files_processed":3,"total_bytes_processed":900000,"snapshot_id":"ab2e6aa66b3c"}'
)
STATUS = '{"message_type":"status","percent_done":1,"total_files":3}'
WHOLE = (
    '{"message_type":"summary","num_errors":0,"broken_packs":null,"suggest_repair_index":false,"suggest_prune":false}'
)
BROKEN = '{"message_type":"summary","num_errors":1,"broken_packs":["3d9a5e8c0dfa"],"suggest_prune":false}'
PACK = '{"message_type":"error","message":"pack 3d9a5e8c contains 2 errors: ciphertext verification failed\\n"}'
ADVICE = '{"message_type":"error","message":"restic repair packs 3d9a5e8c\\nrestic repair snapshots --forget\\n\\n"}'
SNAPSHOT = {
    "time": "2026-11-22T22:37:49.396954272Z",
    "paths": ["/host/src"],
    "tags": ["redis"],
    "summary": {"total_bytes_processed": 900000},
    "id": "ab2e6aa66b3c541a",
}


def exit_error(code: int, message: str) -> str:
    return json.dumps({"message_type": "exit_error", "code": code, "message": message})


def test_a_complete_backup() -> None:
    saved = restic.saved(parse(0, f"{STATUS}\n{SUMMARY}\n", ""), "the backup")
    assert (saved.snapshot, saved.files, saved.size, saved.added) == ("ab2e6aa66b3c", 3, 900000, 901296)


@pytest.mark.parametrize(
    ("code", "out", "err", "kind", "words"),
    [
        # Measured: a path that is not there is left out with status 0.
        (0, SUMMARY, "/host/none does not exist, skipping\n", "incomplete", "/host/none does not exist"),
        (
            3,
            SUMMARY,
            '{"message_type":"error","error":{"message":"permission denied"},"item":"/host/a"}',
            "incomplete",
            "/host/a",
        ),
        (0, STATUS, "", "incomplete", "without a word"),
        (0, "", "", "incomplete", "without a word"),
        (12, "", exit_error(12, "Fatal: wrong password or no key found"), "key", "wrong password"),
        (10, "", exit_error(10, "Fatal: repository does not exist"), "missing", "does not exist"),
        (11, "", exit_error(11, "unable to create lock in backend"), "locked", "lock"),
        (
            1,
            "",
            exit_error(1, "Fatal: unable to save: write /repository/x: no space left on device"),
            "full",
            "no space",
        ),
        (1, "", exit_error(1, "Fatal: Stat: Access Denied."), "denied", "Access Denied"),
        (1, "", exit_error(1, "dial tcp 192.0.2.1:443: connect: connection refused"), "unreachable", "refused"),
        (1, "", exit_error(1, "tls: failed to verify certificate: x509: unknown authority"), "certificate", "x509"),
        (1, "", "", "failed", "it said nothing"),
        (137, SUMMARY, "", "failed", "status 137"),
    ],
)
def test_a_backup_that_is_none(code: int, out: str, err: str, kind: str, words: str) -> None:
    error = error_of(restic.saved, parse(code, out, err), "the backup")
    assert isinstance(error, ResticError)
    assert error.kind == kind
    assert words in str(error)


@pytest.mark.parametrize(
    ("code", "out", "err", "expected"),
    [
        (0, WHOLE, "", []),
        (1, BROKEN, f"{PACK}\n{ADVICE}", ["pack 3d9a5e8c contains", "damaged: data/3d/3d9a5e8c0dfa"]),
        # Whoever trusted the status, or the summary alone, would call these whole.
        (0, BROKEN, "", ["damaged: data/3d/3d9a5e8c0dfa"]),
        (0, WHOLE, PACK, ["pack 3d9a5e8c"]),
        (0, "", "", ["without a verdict (status 0)"]),
        (1, WHOLE, "", ["0 errors (status 1)"]),
        (0, WHOLE.replace('"num_errors":0', '"num_errors":2'), "", ["2 errors"]),
        (1, "", exit_error(1, "Fatal: load index: no such file"), ["load index", "without a verdict"]),
    ],
)
def test_the_verdict_of_a_check(code: int, out: str, err: str, expected: list[str]) -> None:
    found = restic.findings(parse(code, out, err))
    assert len(found) == len(expected)
    assert all(words in text for words, text in zip(expected, found))


def test_snapshots_are_in_the_order_of_their_time() -> None:
    older = {**SNAPSHOT, "id": "00", "time": "2026-11-22T23:37:49+02:00", "original": "ff", "tags": None}
    found = restic.snapshots(parse(0, json.dumps([SNAPSHOT, older]), ""))
    assert [(item.id, item.component, item.origin) for item in found] == [
        ("00", "", "ff"),
        ("ab2e6aa66b3c541a", "redis", "ab2e6aa66b3c541a"),
    ]
    assert found[1].time == pytest.approx(1795387069.397)
    assert found[1].time - found[0].time == pytest.approx(3600.397, abs=0.01)


@pytest.mark.parametrize("out", ["", "{}", '[{"id": "1"}]', '[{"id": "1", "time": "yesterday", "paths": []}]'])
def test_a_list_that_cannot_be_read(out: str) -> None:
    assert "list of snapshots" in str(error_of(restic.snapshots, parse(0, out, "")))


def test_what_forget_kept_and_removed() -> None:
    other = {**SNAPSHOT, "id": "cd"}
    answer = parse(0, json.dumps([{"keep": [SNAPSHOT], "remove": None}, {"keep": [], "remove": [other]}]), "")
    assert [item.id for item in restic.kept(answer)] == [SNAPSHOT["id"]]
    assert restic.forgotten(answer) == ("cd",)


@pytest.mark.parametrize(
    ("locks", "expected"),
    [
        ([], True),
        ([Lock("me", 1, True, 5.0)], True),
        ([Lock("me", 1, True, 5.0), Lock("other", 1, False, 1801.0)], True),
        ([Lock("other", 1, False, 1799.0)], False),
        ([Lock("me", 1, True, 5.0), Lock("other", 1, True, 60.0)], False),
    ],
)
def test_whose_lock_may_be_removed(locks: list[Lock], expected: bool) -> None:
    assert restic.may_unlock(locks, "me") is expected


def test_a_lock_is_read() -> None:
    text = (
        '{\n  "time": "2026-11-22T22:44:14.596554023Z",\n  "exclusive": true,\n  "hostname": "other",\n  "pid": 1\n}\n'
    )
    (document,) = parse(0, text, "").documents
    lock = restic.lock(document, restic.moment("2026-11-22T22:54:14.596554023Z"))
    assert (lock.host, lock.process, lock.exclusive, lock.age) == ("other", 1, True, pytest.approx(600))


def test_other_lines_are_kept_as_they_are() -> None:
    answer = parse(0, "6d78b165\n\n7e78b165\n", "a complaint\n\n")
    assert (answer.words, answer.complaints, answer.documents) == (("6d78b165", "7e78b165"), ("a complaint",), ())
