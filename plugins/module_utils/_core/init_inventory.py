# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the answers of ``init`` as ``preflight`` will judge what is written from them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .app_source import source_findings
from .errors import InputError
from .findings import Finding
from .units import shown
from .urls import check_host
from .variables import value_findings

ASKED = ("init_directory", "init_domain", "init_app", "init_admin_email")
DETECTED = ("init_host", "init_user", "init_stack_name", "init_timezone", "init_vault_password_file")
ANSWERS = (*ASKED, *DETECTED)
ANSWER_TO = {
    "firstbell_stack_name": "init_stack_name",
    "firstbell_domain": "init_domain",
    "firstbell_admin_email": "init_admin_email",
    "firstbell_app_image": "init_app",
    "firstbell_app_source": "init_app",
    "firstbell_timezone": "init_timezone",
}
"""The variables of the new inventory, and the answers that they come from."""

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]*")


@dataclass(frozen=True)
class Seen:
    """What the controller's disk holds: ``kinds`` of the paths that exist, and the application's ``source``.

    ``source`` is empty for an image; ``names`` and ``manifest`` are as ``source_findings`` takes them.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    names: tuple[str, ...] | None = None
    manifest: str = ""


def init_inventory(answers: Mapping[str, object], seen: Seen) -> dict[str, Any]:
    """``problems`` with the answers, a line each, and the ``host`` and ``variables`` to write if there are none."""
    texts = {name: value.strip() if isinstance(value, str) else "" for name, value in answers.items()}
    unused = "firstbell_app_image" if seen.source else "firstbell_app_source"
    variables = {name: texts[answer] for name, answer in ANSWER_TO.items() if name != unused}
    if seen.source:
        variables["firstbell_app_source"] = seen.source
    findings = [
        *(_no_text(name, answers[name]) for name in ANSWERS if not texts[name]),
        *(finding for finding in _inventory_findings(variables, seen) if texts[finding.name]),
        *(finding for finding in _path_and_login_findings(texts, seen) if texts[finding.name]),
    ]
    findings = _without_echoes(findings, texts)
    findings.sort(key=lambda finding: ANSWERS.index(finding.name))
    return {"problems": [str(finding) for finding in findings], "host": _host(texts), "variables": variables}


def _no_text(name: str, value: object) -> Finding:
    problem = f"{shown(value)} is no text" if value and not isinstance(value, str) else "it is empty"
    return Finding(name, problem, f"Answer the question, or pass -e {name}=..." if name in ASKED else "Leave it out.")


def _inventory_findings(variables: Mapping[str, str], seen: Seen) -> Iterator[Finding]:
    """What ``preflight`` would say of the variables, told of the answers."""
    image = variables.get("firstbell_app_image", "")
    findings = value_findings(variables)
    if seen.source:
        findings += source_findings(seen.source, seen.names, seen.manifest)
    for finding in findings:
        fix = finding.fix
        if finding.name == "firstbell_app_image" and not set(image) & set(":@"):
            fix += f". There is no folder {image} here, if that was meant; write its full path"
        yield Finding(ANSWER_TO[finding.name], finding.problem, fix)


def _path_and_login_findings(texts: Mapping[str, str], seen: Seen) -> Iterator[Finding]:
    for name, wrong, right in (("init_directory", "file", "folder"), ("init_vault_password_file", "folder", "file")):
        if seen.kinds.get(name) == wrong:
            yield Finding(name, f"{texts[name]} is a {wrong}", f"Give a {right}; it is made if it does not exist.")
    try:
        check_host(texts["init_host"])
    except InputError as error:
        fix = "Give what ssh is to connect to, without user and port."
        yield Finding("init_host", str(error).removeprefix("host: "), fix)
    if not _USER.fullmatch(texts["init_user"]):
        yield Finding("init_user", f"{shown(texts['init_user'])} is no user to log in as", "Give one such as root.")


def _without_echoes(findings: Sequence[Finding], texts: Mapping[str, str]) -> list[Finding]:
    """Speak once of a domain from which other answers were derived, and of what cannot be derived as such."""
    domain = texts["init_domain"]
    derived = {"init_host": domain, "init_stack_name": domain.split(".")[0].lower()}
    domain_is_wrong = any(finding.name == "init_domain" for finding in findings)
    told = []
    for finding in findings:
        if derived.get(finding.name) != texts[finding.name]:
            told.append(finding)
        elif not domain_is_wrong:
            problem = f"{domain} gives none, since {finding.problem}"
            told.append(Finding(finding.name, problem, f"Choose one with -e {finding.name}=..."))
    return told


def _host(texts: Mapping[str, str]) -> dict[str, str]:
    """How the new inventory calls its host, where it is and who logs in."""
    address = texts["init_host"].strip("[]")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        name = address.split(".")[0]
    else:
        name = texts["init_stack_name"]
    return {"name": name, "address": address, "user": texts["init_user"]}
