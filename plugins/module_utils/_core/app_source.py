# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges whether a folder can become the image of a Next.js application.

What a build would find out after minutes on the host is seen here at once. The
same conditions stand in ``images/node/nextjs.mjs``, which runs in the build.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from .findings import Finding

VARIABLE = "firstbell_app_source"
MANIFEST = "package.json"
LOCK_FILES = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock")


def source_findings(folder: str, names: Collection[str] | None, manifest: str) -> list[Finding]:
    """``names``: what the folder holds, None where there is none. ``manifest``: the text of its package.json."""
    if names is None:
        problem, fix = f"there is no folder {folder} on the controller", "Give the folder of the application."
    elif MANIFEST not in names:
        problem, fix = f"{folder} has no {MANIFEST}", "Give the folder of the Next.js application itself."
    else:
        problem, fix = _manifest_problem(f"{folder}/{MANIFEST}", manifest)
    findings = [Finding(VARIABLE, problem, fix)] if problem else []
    if names is not None and MANIFEST in names and not set(LOCK_FILES) & set(names):
        fix = "Run npm install there and commit package-lock.json."
        findings.append(Finding(VARIABLE, f"{folder} has no lock file ({', '.join(LOCK_FILES)})", fix))
    return findings


def _manifest_problem(path: str, text: str) -> tuple[str, str]:
    try:
        manifest = json.loads(text)
    except ValueError as error:
        return f"{path} is no JSON ({error})", "Mend the file."
    parts = [manifest.get(key) for key in ("dependencies", "devDependencies")] if isinstance(manifest, Mapping) else []
    if any(isinstance(part, Mapping) and "next" in part for part in parts):
        return "", ""
    return (
        f'{path} has no dependency "next"',
        "Only Next.js applications are built from source; give any other one as firstbell_app_image.",
    )
