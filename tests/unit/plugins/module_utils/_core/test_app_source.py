# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Collection

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.app_source import LOCK_FILES, source_findings

NEXT = '{"dependencies": {"next": "16.0.0"}}'


@pytest.mark.parametrize("lock_file", LOCK_FILES)
def test_a_nextjs_application_passes(lock_file: str) -> None:
    assert source_findings("/app", ["package.json", lock_file], NEXT) == []


def test_next_may_be_a_dependency_for_development() -> None:
    assert source_findings("/app", ["package.json", "yarn.lock"], '{"devDependencies": {"next": "16.0.0"}}') == []


@pytest.mark.parametrize(
    ("names", "manifest", "words"),
    [
        (None, "", ["there is no folder /app on the controller. Give the folder"]),
        ([], "", ["/app has no package.json. Give the folder of the Next.js application itself."]),
        (["package.json", "bun.lock"], NEXT, ["/app has no lock file (package-lock.json"]),
        (["package.json", "yarn.lock"], "{", ["/app/package.json is no JSON (Expecting"]),
        (["package.json", "yarn.lock"], "[]", ['/app/package.json has no dependency "next". Only Next.js']),
        (["package.json"], '{"dependencies": {"vue": "3"}}', ['has no dependency "next"', "has no lock file"]),
        (["package.json", "yarn.lock"], '{"dependencies": []}', ['has no dependency "next"']),
    ],
)
def test_what_a_build_would_refuse_is_told(names: Collection[str] | None, manifest: str, words: list[str]) -> None:
    findings = [str(finding) for finding in source_findings("/app", names, manifest)]
    assert len(findings) == len(words)
    for finding, expected in zip(findings, words):
        assert finding.startswith("firstbell_app_source: ")
        assert expected in finding
