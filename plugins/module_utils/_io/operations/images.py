# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images: of the running containers and of the host, and how their clean-up went."""

from __future__ import annotations

import time
from typing import Any

from .. import engine_api, system
from . import containers, host, packages

_CLEAN_UP = "firstbell-image-cleanup"


def clean_up() -> dict[str, Any]:
    """How many images there are, how the clean-up ended last, and what it would do now."""
    unit = host.unit(f"{_CLEAN_UP}.service")
    installed = unit.get("LoadState") == "loaded"
    ended = int(unit.get("ExecMainExitTimestampMonotonic", "0") or 0) / 1e6
    unwanted = None
    if installed:
        shown = system.run(
            ["systemctl", "show", "--property", "ExecStart", f"{_CLEAN_UP}.service"], stdin="", timeout=20
        )
        argv = shown.out.partition("argv[]=")[2].partition(" ;")[0].split()
        if argv:
            said = system.run([*argv, "--dry-run"], stdin="", check=False, timeout=60)
            unwanted = said.out.count("would remove") if said.code == 0 else None
    return {
        "images": len(engine_api.call("GET", "/images/json", timeout=30)),
        "installed": installed,
        "ended": time.time() - (time.monotonic() - ended) if ended else 0.0,
        "ok": unit.get("Result") == "success",
        "unwanted": unwanted,
    }


def running(stack: str) -> list[dict[str, Any]]:
    """Each image that runs, with its age and those of its packages of which this host's apt knows a newer version."""
    found: dict[str, dict[str, Any]] = {}
    pids = {}
    for one in containers.gather(stack)["containers"]:
        if one["image_id"] not in found:
            shown = engine_api.call("GET", f"/images/{one['image_id']}/json", timeout=15)
            inside = packages.installed(one["pid"])
            pids[one["image_id"]] = inside
            found[one["image_id"]] = {"name": one["image"], "created": containers.moment(shown["Created"])}
    own = packages.major(system.read_text(packages.VERSION) or "")
    known = packages.candidates({name for inside in pids.values() for name in inside["packages"]})
    for identity, entry in found.items():
        inside = pids[identity]
        same = bool(inside["packages"]) and inside["release"] == own
        entry["packages"] = len(inside["packages"])
        entry["compared"] = same
        entry["why"] = _why(inside, own)
        entry["newer"] = {
            name: (version, known[name])
            for name, version in (inside["packages"].items() if same else ())
            if known.get(name, version) not in (version, "(none)") and packages.newer(known[name], version)
        }
    return list(found.values())


def _why(inside: dict[str, Any], own: str) -> str:
    if not inside["packages"]:
        return "it has no records of its packages"
    return f"of Debian {inside['release'] or '(unknown)'}, whose packages this host (Debian {own}) does not know"
