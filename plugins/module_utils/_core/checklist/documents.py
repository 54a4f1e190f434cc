# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do after a disaster: the pages, and whether what they tell to type is there."""

from __future__ import annotations

import re

from .model import Facts, Outcome, check, failed, none_of

_NEEDED = ("README.md",)
_LEAST_PAGES = 4
_SUBCOMMAND = re.compile(r"-backup\"? ([a-z][a-z-]+)")
_LINK = re.compile(r"\]\(([a-z-]+\.md)\)")
_PLAYBOOK = re.compile(r"(?:playbooks/([a-z_]+)\.yml|firstbell\.stack\.([a-z_]+))")


@check(
    "recovery-documents",
    "S63 S104 S105",
    "backups",
    "What to do after a disaster is written down, and its commands are there",
    target="the pages of docs/recovery, as this version brought them, every command and playbook in them known",
    command="ls docs/recovery",
    fix="In a clone: git checkout -- docs/recovery; else, to install it again, whole: "
    "ansible-galaxy collection install --force",
    needs="documents",
    outside=True,
)
def recovery_documents(facts: Facts) -> Outcome:
    seen = facts.seen["documents"]
    pages = seen["pages"]
    if not pages:
        return failed("there are no pages", target="docs/recovery beside the collection's playbooks")
    problems = [f"{name} is missing" for name in _NEEDED if name not in pages]
    linked = sorted(set(_LINK.findall(pages.get("README.md", ""))))
    problems += [f"{name} is missing" for name in linked if name not in pages]
    if len(pages) < _LEAST_PAGES:
        problems.append(f"there are only {len(pages)} pages")
    problems += [
        f"{name} is not the page of this version: git checkout -- docs/recovery/{name}, or commit what is yours"
        for name in seen["changed"]
        if name in pages
    ]
    lines = []
    for name, text in sorted(pages.items()):
        subcommands = set(_SUBCOMMAND.findall(text))
        playbooks = {one or other for one, other in _PLAYBOOK.findall(text)}
        lines.append(f"{name}: {', '.join(sorted(subcommands | playbooks)) or 'no command'}")
        problems += [f"{name}: there is no command {one}" for one in sorted(subcommands - set(seen["commands"]))]
        problems += [f"{name}: there is no playbook {one}" for one in sorted(playbooks - set(seen["playbooks"]))]
    return none_of(problems, f"{len(pages)} pages, every command known", "\n".join(lines))
