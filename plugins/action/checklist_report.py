# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the report of a verification on the controller."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase

from ..module_utils._core.checklist import report
from ..module_utils._core.checklist.commands import Controller
from ..module_utils._core.checklist.html import render

_HISTORY = 12
_FORMATS = ("json", "xml", "html")


class ActionModule(ActionBase):
    """Keeps one report in three forms for each verification, and the newest as ``latest``."""

    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _unused, args = self.validate_argument_spec(
            argument_spec={
                "stack": {"type": "str", "required": True},
                "domain": {"type": "str", "required": True},
                "profile": {"type": "str", "required": True},
                "directory": {"type": "path", "required": True},
                "keep": {"type": "int", "default": 30},
                "looked": {"type": "dict", "required": True},
                "partial": {"type": "bool", "default": False},
            },
        )
        directory = Path(args["directory"])
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        kind = "verify-part" if args["partial"] else "verify"
        former = [self._read(path) for path in self._reports(directory, kind, args["stack"])[-_HISTORY:]]
        controller = self._controller(task_vars or {})
        told = self._report(args, [one for one in former if one], controller)
        stem = f"{args['stack']}-{kind}-{datetime.fromtimestamp(told['ended'], tz=timezone.utc):%Y%m%dT%H%M%SZ}"
        texts = {"json": json.dumps(told, indent=2) + "\n", "xml": report.junit(told), "html": render(told)}
        for form, text in texts.items():
            self._write(directory / f"{stem}.{form}", text)
            self._write(directory / f"{args['stack']}-{kind}-latest.{form}", text)
        for old in self._reports(directory, kind, args["stack"])[: -max(1, args["keep"])]:
            for form in _FORMATS:
                old.with_suffix(f".{form}").unlink(missing_ok=True)
        path = directory / f"{args['stack']}-{kind}-latest.html"
        result.update(
            changed=False,
            counts=told["counts"],
            summary=[*report.summary(told), f"Report: {path.resolve()}"],
            metrics=report.metrics(told),
            path=str(path.resolve()),
        )
        return result

    @staticmethod
    def _controller(task_vars: dict[str, Any]) -> Controller:
        """How the run was started, and so how the next one is."""
        here = Path.cwd()
        named = [Path(one) for one in context.CLIARGS.get("inventory") or ()]
        makefile = Path(task_vars.get("playbook_dir", "/")).parent / "Makefile"
        return Controller(
            [str(one.relative_to(here) if one.is_relative_to(here) else one) for one in named], makefile.is_file()
        )

    @staticmethod
    def _report(args: dict[str, Any], former: list[dict[str, Any]], controller: Controller) -> dict[str, Any]:
        results = report.with_commands(report.merge(args["looked"]), controller)
        ended = time.time()
        return {
            "stack": args["stack"],
            "domain": args["domain"],
            "profile": args["profile"],
            "partial": args["partial"],
            "time": datetime.fromtimestamp(ended, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ended": round(ended, 3),
            "seconds": max(
                (float(one.get("facts", {}).get("seconds", 0)) for one in args["looked"].values()), default=0.0
            ),
            "counts": report.counts(results),
            "changes": report.changes(former[-1] if former else None, results),
            "history": [
                *({"time": one["time"], "counts": one["counts"]} for one in former),
                {"time": "", "counts": report.counts(results)},
            ],
            "measures": report.measures(args["looked"]),
            "results": list(report.worst_first(results)),
        }

    @staticmethod
    def _reports(directory: Path, kind: str, stack: str) -> list[Path]:
        return sorted(directory.glob(f"{stack}-{kind}-[0-9]*T[0-9]*Z.json"))

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if {"time", "counts", "results"} <= set(found) else {}

    @staticmethod
    def _write(path: Path, text: str) -> None:
        temporary = path.with_name(f".{path.name}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
