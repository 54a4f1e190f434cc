# SPDX-License-Identifier: GPL-3.0-or-later
"""What pgBackRest said, word for word as version 2.55.1 says it."""

from __future__ import annotations

import json

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._core.pgbackrest import (
    by_repository,
    parse_info,
    parse_verify,
)

BACKUP = {
    "archive": {"start": "000000010000000000000002", "stop": "000000010000000000000002"},
    "backrest": {"format": 5, "version": "2.55.1"},
    "database": {"id": 1, "repo-key": 1},
    "error": False,
    "info": {
        "delta": 23200487,
        "repository": {"delta": 2809288, "delta-map": 24624, "size-map": 24624},
        "size": 23200487,
    },
    "label": "20261122-223530F",
    "lsn": {"start": "0/2000028", "stop": "0/2000120"},
    "prior": None,
    "reference": None,
    "timestamp": {"start": 1795386930, "stop": 1795386932},
    "type": "full",
}
STANZA = {
    "archive": [{"database": {"id": 1, "repo-key": 1}, "id": "17-1", "max": "3", "min": "1"}],
    "backup": [BACKUP],
    "cipher": "aes-256-cbc",
    "db": [{"id": 1, "repo-key": 1, "system-id": 7711128126044532756, "version": "17"}],
    "name": "rig",
    "repo": [{"cipher": "aes-256-cbc", "key": 1, "status": {"code": 0, "message": "ok"}}],
    "status": {"code": 0, "lock": {"backup": {"held": False}}, "message": "ok"},
}
SOUND = """\
stanza: rig
status: ok
  archiveId: 17-1, total WAL checked: 2, total valid WAL: 2
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261122-223530F, status: valid, total files checked: 966, total valid files: 966
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""


def test_info_is_read() -> None:
    stanza = parse_info(json.dumps([STANZA]), "rig")
    assert stanza.system_id == 7711128126044532756
    assert stanza.repositories[0].archive == "17-1"
    backup = stanza.backups[0]
    assert (backup.label, backup.kind, backup.repository) == ("20261122-223530F", "full", 1)
    assert (backup.size, backup.stored, backup.stop_lsn) == (23200487, 2809288, "0/2000120")
    assert stanza.find("20261122-223530F") == stanza.newest() == stanza.newest("full") == backup
    assert stanza.newest("incr") is None
    assert by_repository(stanza.backups) == {1: [backup]}


def test_a_stanza_that_is_not_there_is_empty() -> None:
    assert parse_info("[]", "rig").backups == ()


def test_a_backup_with_page_errors_is_no_newest_one() -> None:
    stanza = parse_info(json.dumps([{**STANZA, "backup": [{**BACKUP, "error": True}]}]), "rig")
    assert stanza.newest() is None


@pytest.mark.parametrize("text", ["", "7", "[1]", '[{"name": "rig", "backup": [{}]}]'])
def test_an_answer_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(FirstbellError, match="cannot be read"):
        parse_info(text, "rig")


def test_a_sound_repository_is_found_sound() -> None:
    verdict = parse_verify(SOUND)
    assert verdict.sound
    assert verdict.files == 968


FILES = "files checked: 966, total valid files: 966\n    missing: 0, checksum invalid: 0"
WAL = "WAL checked: 2, total valid WAL: 2\n    missing: 0, checksum invalid: 0, size invalid: 0, other: 0"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (FILES, FILES.replace("valid files: 966", "valid files: 965"), "backup: 20261122-223530F: 1 of 966 files"),
        (FILES, FILES.replace("invalid: 0", "invalid: 1"), "backup: 20261122-223530F: checksum invalid 1"),
        ("status: valid", "status: invalid", "backup: 20261122-223530F: 0 of 966 files"),
        (
            f"valid, total {FILES}",
            "invalid, total files checked: 0, total valid files: 0",
            "backup: 20261122-223530F: invalid",
        ),
        (WAL, WAL.replace("valid WAL: 2", "valid WAL: 1"), "archiveId: 17-1: 1 of 2 files"),
        (WAL, WAL.replace("other: 0", "other: 1"), "archiveId: 17-1: other 1"),
        ("status: ok", "status: error", "pgBackRest says: stanza: rig status: error"),
        ("  archiveId", "  No usable backup.info file\n  archiveId", "No usable backup.info file"),
    ],
)
def test_what_is_wrong_is_found(before: str, after: str, problem: str) -> None:
    assert before in SOUND
    verdict = parse_verify(SOUND.replace(before, after))
    assert not verdict.sound
    assert any(line.startswith(problem) for line in verdict.problems), verdict.problems


@pytest.mark.parametrize(
    "text",
    ["", "stanza: rig\nstatus: ok\n", "stanza: rig\nstatus: error\n  No usable backup.info file\n", "ERROR: [055]: no"],
)
def test_an_answer_that_is_not_understood_is_no_good_one(text: str) -> None:
    verdict = parse_verify(text)
    assert not verdict.sound
    assert verdict.problems
