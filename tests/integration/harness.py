# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of the collection as Ansible does: a process, its arguments on stdin, JSON back.

The process starts in the root directory with nothing but the collection on its
path, so that what works only in the process or the folder of the tests fails here.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".collections"


class ModuleFailedError(AssertionError):
    """The module ended with ``failed: true``; ``result`` is what it returned."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result.get("msg", result))
        self.result = result


def run_module(
    name: str,
    args: Mapping[str, Any],
    *,
    check: bool = False,
    diff: bool = False,
    python: str = sys.executable,
    timeout: float = 600,
) -> dict[str, Any]:
    """The module's result; raises ModuleFailedError for a failure and AssertionError for a crash."""
    arguments = {**args, "_ansible_check_mode": check, "_ansible_diff": diff}
    process = subprocess.run(
        [python, "-m", f"ansible_collections.firstbell.stack.plugins.modules.{name}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    try:
        result: dict[str, Any] = json.loads(process.stdout)
    except ValueError:
        raise AssertionError(f"{name} crashed ({process.returncode}):\n{process.stdout}{process.stderr}") from None
    if result.get("failed"):
        raise ModuleFailedError(result)
    return result
