# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said when a backup could not be made."""

from __future__ import annotations

from ansible_collections.firstbell.stack.plugins.module_utils._backup.backup import explain, unreadable
from ansible_collections.firstbell.stack.plugins.module_utils._io.system import Result

DAMAGED = Result(
    95,
    "",
    "2026-11-29 04:31:43.936 P00  ERROR: [095]: unable to load backup manifest file "
    "'/var/lib/pgbackrest/postgres/backup/school/20261129-042225F_20261129-043046I/backup.manifest' or '/var/lib/x'",
)


def test_a_damaged_backup_that_others_are_based_on_is_named_with_what_to_do() -> None:
    said = f"{explain(DAMAGED)}{unreadable('school-backup', 1, DAMAGED)}"
    assert said.startswith("ERROR: [095]: unable to load backup manifest file")
    assert "school-backup forget 20261129-042225F_20261129-043046I --repository 1, then make the backup again" in said


def test_any_other_error_stands_for_itself() -> None:
    assert unreadable("school-backup", 1, Result(82, "", "P00  ERROR: [082]: WAL segment was not archived")) == ""
