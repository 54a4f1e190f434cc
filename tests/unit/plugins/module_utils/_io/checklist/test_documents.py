# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.documents import recovery_documents
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist.model import PASS, Facts
from ansible_collections.firstbell.stack.plugins.module_utils._io.checklist import documents


def test_the_collections_own_pages_are_found_and_their_commands_exist() -> None:
    seen = documents.gather()
    assert "README.md" in seen["pages"]
    assert "check" in seen["commands"]
    assert "site" in seen["playbooks"]
    # Whoever works on the pages has changed them.
    outcome = recovery_documents.judge(Facts({"documents": {**seen, "changed": []}}, {}))
    assert outcome.verdict == PASS, outcome.measured


def test_without_pages_there_are_none(tmp_path: Path) -> None:
    assert documents.gather(tmp_path)["pages"] == {}


def test_pages_are_those_of_the_release(tmp_path: Path) -> None:
    (tmp_path / "docs/recovery").mkdir(parents=True)
    names = ("same.md", "other.md", "gone.md")
    digest = hashlib.sha256(b"text").hexdigest()
    files = [{"name": f"docs/recovery/{name}", "chksum_sha256": digest} for name in names]
    listed = [*files, {"name": "docs/recovery", "chksum_sha256": None}, {"name": "README.md", "chksum_sha256": digest}]
    (tmp_path / "FILES.json").write_text(json.dumps({"files": listed}))
    for name, text in (("same.md", "text"), ("other.md", "TODO")):
        (tmp_path / "docs/recovery" / name).write_text(text)
    assert documents.gather(tmp_path)["changed"] == ["gone.md", "other.md"]
