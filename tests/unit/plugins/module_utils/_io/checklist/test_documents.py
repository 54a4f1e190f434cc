# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.documents import recovery_documents
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import PASS, Facts
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import documents


def test_the_collections_own_pages_are_found_and_their_commands_exist() -> None:
    seen = documents.gather()
    assert "README.md" in seen["pages"]
    assert "check" in seen["commands"]
    assert "site" in seen["playbooks"]
    outcome = recovery_documents.judge(Facts({"documents": seen}, {}))
    assert outcome.verdict == PASS, outcome.measured


def test_without_pages_there_are_none(tmp_path: Path) -> None:
    assert documents.gather(tmp_path)["pages"] == {}
