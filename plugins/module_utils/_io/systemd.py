# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service manager of the host."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping

from .._core.errors import FirstbellError, InputError
from .._core.systemd_units import Change, Found, Unit, parse_timestamp
from . import system

_PROPERTIES = (
    "Id,LoadState,NeedDaemonReload,UnitFileState,ActiveState,InactiveExitTimestamp,ConditionResult,ConditionTimestamp"
)


def require() -> None:
    """Refuse a host that systemd does not run."""
    if not os.path.isdir("/run/systemd/system"):
        raise FirstbellError("this host is not run by systemd; the collection needs it (Debian 12 or 13)")


def properties(name: str) -> dict[str, str]:
    """What systemd knows of a unit, which need not exist; of a template, what it knows of an instance."""
    asked = name.replace("@.", "@any.")
    out = system.run(["systemctl", "show", "--timestamp=us+utc", "--property", _PROPERTIES, asked]).out
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def find(units: Iterable[Unit]) -> dict[str, Found]:
    """The units as they are."""
    found = {}
    for unit in units:
        shown = properties(unit.name)
        found[unit.name] = Found(
            content=system.read_text(unit.path),
            modified_at=system.changed_at(unit.path),
            needs_reload=shown.get("NeedDaemonReload") == "yes",
            enabled=shown.get("UnitFileState") in ("enabled", "enabled-runtime"),
            active_state=shown.get("ActiveState", "inactive"),
            active_since=parse_timestamp(shown.get("InactiveExitTimestamp", "")),
            skipped_at=0.0
            if shown.get("ConditionResult") == "yes"
            else parse_timestamp(shown.get("ConditionTimestamp", "")),
        )
    return found


def verify(units: Iterable[Unit]) -> None:
    """Let systemd-analyze read the files before they replace others."""
    contents = {unit.name: unit.content for unit in units if unit.content is not None}
    if not contents:
        return
    with tempfile.TemporaryDirectory(prefix="firstbell-units-") as directory:
        for name, content in contents.items():
            system.write_text(os.path.join(directory, name), content)
        paths = [os.path.join(directory, name) for name in contents]
        done = system.run(["systemd-analyze", "verify", "--man=no", *paths], check=False)
        said = [line for line in done.err.splitlines() if directory in line or any(n in line for n in contents)]
    if done.code:
        raise InputError("systemd refuses the units:\n" + "\n".join(said or done.err.splitlines()))


def apply(changes: Iterable[Change], units: Mapping[str, Unit]) -> None:
    """Take the steps of a plan in their order."""
    for change in changes:
        if change.what == "write":
            system.write_text(units[change.name].path, units[change.name].content or "")
        elif change.what == "remove":
            system.remove(units[change.name].path)
        elif change.what == "reload":
            system.run(["systemctl", "daemon-reload"])
        else:
            system.run(["systemctl", change.what, change.name], timeout=300)
