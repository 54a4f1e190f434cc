# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the variables of an inventory: unknown names and values that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import available_timezones

from .errors import FirstbellError
from .findings import Finding
from .names import check_domain, check_email, check_identifier, check_stack_name, did_you_mean, near
from .units import parse_size, shown

PREFIX = "firstbell_"
OTHER_PREFIXES = ("_", "ansible_", "inventory_", "molecule_", "mysql_", "nginx_", "haproxy_", "postgresql_")
"""Private ones, those of Ansible itself, and of roles of others whose variables are called much like ours."""
MISSPELT = 0.9
"""How much of a name must be that of another, from 0 to 1, where its prefix is unknown."""
SHORTEST_MISSPELT = 10
"""Shorter names are too easily near to one that means something else."""
KINDS = {
    "bool": "Write true or false.",
    "dict": "Write it as a dictionary.",
    "float": "Write a number.",
    "int": "Write a whole number.",
    "list": "Write it as a list.",
    "path": "Write one path.",
    "str": "Write one text.",
}
"""What to type for each type of an argument spec."""


def unknown_variables(names: Iterable[str], known: Iterable[str]) -> list[Finding]:
    """Name every variable with our prefix that nobody reads.

    Role variables (``redis_...``) are not ours alone, so one of those is reported
    only where it is nearly the name of one that exists, and any other variable only
    where it is all but that: ``fistbell_profile``, ``FIRSTBELL_PROFILE``.
    """
    known = set(known)
    prefixes = {name.split("_", 1)[0] + "_" for name in known} - {PREFIX}
    long = [name for name in known if len(name) >= SHORTEST_MISSPELT]
    findings = []
    for name in sorted(set(names) - known):
        if name.startswith(PREFIX):
            nearest = did_you_mean(name, known)
        elif name.startswith(tuple(prefixes)):
            nearest = near(name, known)
        elif name.lower() in known:
            nearest = name.lower()
        elif name.startswith(OTHER_PREFIXES):
            nearest = None
        else:
            nearest = near(name, long, MISSPELT)
        if nearest or name.startswith(PREFIX):
            fix = f"Did you mean {nearest}?" if nearest else "Remove it; docs/variables.md lists those that exist."
            findings.append(Finding(name, "no role knows this variable", fix))
    return findings


def type_finding(name: str, value: object, option: Mapping[str, Any], messages: Sequence[str]) -> Finding:
    """Say what a value should be that its argument spec does not accept, for the reasons in ``messages``."""
    choices, kind = option.get("choices"), option.get("type", "str")
    if choices:
        nearest = did_you_mean(value, choices) if isinstance(value, str) else None
        listed = ", ".join(map(str, choices))
        fix = f"Did you mean {nearest}?" if nearest else f"Take one of {listed}."
        return Finding(name, f"{shown(value)} is none of its choices", fix)
    if kind in KINDS and "unable to convert" in messages[0] and f"'{name}'" in messages[0]:
        return Finding(name, f"{shown(value)} has the wrong type", KINDS[kind])
    return Finding(name, "; ".join(messages), "")  # about something inside of it


def value_findings(variables: Mapping[str, Any]) -> list[Finding]:
    """Check what the user decided once for the whole stack, beyond its types."""
    findings = []

    def found(name: str, problem: str, fix: str) -> None:
        findings.append(Finding(name, problem, fix))

    for name, check in (
        ("firstbell_stack_name", check_stack_name),
        ("firstbell_domain", check_domain),
        ("firstbell_admin_email", check_email),
        ("firstbell_host_memory", parse_size),
        ("postgres_database", check_identifier),
        ("postgres_owner_role", check_identifier),
        ("postgres_app_role", check_identifier),
    ):
        if name in variables:
            try:
                check(variables[name], name)
            except FirstbellError as error:
                found(name, str(error).removeprefix(f"{name}: "), "")
    zone = variables.get("firstbell_timezone", "UTC")
    zones = available_timezones()
    if zones and zone not in zones:
        nearest = did_you_mean(str(zone), zones)
        found(
            "firstbell_timezone",
            f"{zone!r} is no time zone",
            f"Did you mean {nearest}?" if nearest else "Take a name like Europe/Berlin.",
        )
    image = variables.get("firstbell_app_image") or ""
    source = variables.get("firstbell_app_source") or ""
    if bool(image) == bool(source):
        found(
            "firstbell_app_image",
            "both an image and a source are given" if image else "there is neither an image nor a source",
            "Set either firstbell_app_image (an image with its tag) or firstbell_app_source (a folder).",
        )
    elif image and not re.search(r"@sha256:[0-9a-f]{64}$|:(?!latest$)[\w][\w.-]{0,127}$", image):
        found(
            "firstbell_app_image",
            f"{image!r} does not say which version",
            "Add a tag other than latest, or a digest: registry.example/app:1.4.2",
        )
    return findings
