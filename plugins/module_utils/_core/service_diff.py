# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two canonical services, option by option, for people.

``changed``, the diff and the messages all come from the one list of changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .service_options import NANO, Canonical
from .units import format_duration, format_size

_ABSENT: dict[str, Any] = {}


def _duration(nanoseconds: int) -> str:
    return format_duration(nanoseconds / NANO)


def _octal(mode: int) -> str:
    return f"{mode:04o}"


#: How the numbers of the engine are written, by the name of the option.
_UNITS: dict[str, Callable[[int], Any]] = {
    "cpus": lambda cpus: cpus / NANO,
    "delay": _duration,
    "interval": _duration,
    "memory": format_size,
    "mode": _octal,
    "monitor": _duration,
    "size": format_size,
    "start_interval": _duration,
    "start_period": _duration,
    "stop_grace_period": _duration,
    "timeout": _duration,
    "window": _duration,
}


@dataclass(frozen=True)
class Change:
    """One option; ``before`` or ``after`` is None where the option was or will be not set."""

    option: str
    before: Any
    after: Any


def changes_between(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[Change, ...]:
    """The options whose values differ; every option that is set where there was no service."""
    if before is None:
        return tuple(Change(option, None, value) for option, value in after.items() if value not in (None, "", [], {}))
    return tuple(
        Change(option, before.get(option), value) for option, value in after.items() if before.get(option) != value
    )


def changed_options(changes: Iterable[Change]) -> list[str]:
    """The names, sorted."""
    return sorted(change.option for change in changes)


def shown_diff(changes: Iterable[Change]) -> dict[str, dict[str, Any]]:
    """``before`` and ``after`` for Ansible's ``--diff``: changed options only, in the units people write.

    Of options that are mappings, only the keys that differ are shown. Of secrets,
    names, files and whether the content is another one; never content nor version.
    """
    before, after = {}, {}
    for change in changes:
        if change.option == "secrets":
            old, new = _shown_secrets(change.before, change.after)
        else:
            old, new = _differing(_shown(change.option, change.before), _shown(change.option, change.after))
        if change.before is not None:
            before[change.option] = old
        if change.after is not None:
            after[change.option] = new
    return {"before": before, "after": after}


def _differing(before: Any, after: Any) -> tuple[Any, Any]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return before, after
    keys = [key for key in {**before, **after} if before.get(key, _ABSENT) != after.get(key, _ABSENT)]
    return (
        {key: before[key] for key in keys if key in before},
        {key: after[key] for key in keys if key in after},
    )


def _shown(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shown(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shown(key, item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and key in _UNITS:
        return _UNITS[key](value)
    return value


def _shown_secrets(before: list[Canonical] | None, after: list[Canonical] | None) -> tuple[Any, Any]:
    old = {secret["name"]: secret for secret in before or []}
    new = {secret["name"]: secret for secret in after or []}
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    shown_old, shown_new = {}, {}
    for name in differing:
        if name in old:
            shown_old[name] = _shown_secret(old[name], "as it is")
        if name in new:
            kept = name in old and old[name]["version"] == new[name]["version"]
            shown_new[name] = _shown_secret(new[name], "as it is" if kept else "new")
    return shown_old, shown_new


def _shown_secret(secret: Canonical, content: str) -> Canonical:
    owner = f"{secret['uid']}:{secret['gid']}"
    return {"target": secret["target"], "mode": _octal(secret["mode"]), "owner": owner, "content": content}
