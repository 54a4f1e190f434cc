# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/variables.md from the argument specs of all roles.

Type: .venv/bin/python docs/generate.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "variables.md"
LONGEST_DEFAULT = 60
HEAD = """\
# Variables

Written by `docs/generate.py` from `roles/*/meta/argument_specs.yml`. Change it there.

A variable is set in the inventory, in `group_vars/all/main.yml`; secrets go into the vault file beside it. Start with
those of the [stack](#stack): all others have a default that follows from them. A default in braces is an expression
that Ansible evaluates. *long* stands for one that does not fit here and is in `roles/<role>/defaults/main.yml`.

A misspelt variable is refused by `preflight` before anything is touched. What ends in `_extra` is for you alone:
no role sets it.
"""


def roles_in_order() -> list[str]:
    """The stack's own variables first, then the roles as the site runs them, then those for other purposes."""
    site = (ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8")
    used = re.findall(r"^    - (?:role: )?firstbell\.stack\.([a-z]+)$", site, re.MULTILINE)
    others = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/main.yml"))
    return list(dict.fromkeys(["stack", *used, "sandbox", "init", *others]))


def load(role: str, path: str) -> Any:
    return yaml.safe_load((ROOT / "roles" / role / path).read_text(encoding="utf-8"))


def markdown(text: str) -> str:
    """Ansible's markup as Markdown, fit for the cell of a table."""
    text = re.sub(r"\b[LU]\((.+?)(?:,\s*(\S+?))?\)", lambda m: f"[{m[1]}]({m[2] or m[1]})", text)
    text = re.sub(r"\bB\((.+?)\)", r"**\1**", text)
    text = re.sub(r"\bI\((.+?)\)", r"*\1*", text)
    return re.sub(r"\b(?:RV|[CEMOPV])\((?:ignore:)?(.+?)(?<!\\)\)", lambda m: code(m[1].replace("\\)", ")")), text)


def code(text: str) -> str:
    return f"`{text}`"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def paragraphs(description: str | list[str]) -> list[str]:
    return [markdown(line) for line in ([description] if isinstance(description, str) else description)]


def shown(value: Any) -> str:
    """A value as one writes it in YAML, or *long* where that is too long for a table."""
    text = value if isinstance(value, str) and value else yaml.safe_dump(value, default_flow_style=True, width=10**6)
    text = text.removesuffix("\n").removesuffix("\n...")
    return "*long*" if "\n" in text or len(text) > LONGEST_DEFAULT else code(text)


def default_of(option: dict[str, Any], name: str, defaults: dict[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    if "default" in option:
        return shown(option["default"])
    return shown(defaults[name]) if name in defaults else "not set"


def type_of(option: dict[str, Any]) -> str:
    kind = str(option.get("type", "str"))
    return f"{kind} of {option['elements']}" if "elements" in option else kind


def rows(options: dict[str, Any], defaults: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """A line of the table for each variable, and for each key of its dictionaries."""
    for name, option in options.items():
        full = prefix + name
        lines = paragraphs(option["description"])
        if "choices" in option:
            lines.append("One of " + ", ".join(code(str(choice)) for choice in option["choices"]) + ".")
        if option.get("no_log"):
            lines.append("Never shown.")
        cells = [code(full), type_of(option), default_of(option, full, defaults), "<br>".join(lines)]
        yield "| " + " | ".join(cell(entry) for entry in cells) + " |"
        inner = "[]." if option.get("elements") == "dict" else "."
        yield from rows(option.get("options") or {}, {}, full + inner)


def section(role: str) -> Iterator[str]:
    entry = load(role, "meta/argument_specs.yml")["argument_specs"]["main"]
    yield f"## {role}\n\n**{markdown(entry['short_description'])}.** {' '.join(paragraphs(entry['description']))}\n"
    yield "| variable | type | default | meaning |\n|---|---|---|---|"
    yield "\n".join(rows(entry["options"], load(role, "defaults/main.yml") or {})) + "\n"


def render() -> str:
    """The whole file."""
    return "\n".join([HEAD, *(line for role in roles_in_order() for line in section(role))])


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
