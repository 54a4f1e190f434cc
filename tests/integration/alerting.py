# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules of the role monitoring, as its defaults render them, and the cases that test them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "roles" / "monitoring" / "templates" / "rules").glob("*.yml.j2"))
TOPICS = [path.name[: -len(".yml.j2")] for path in TEMPLATES]
CASES = Path(__file__).parent / "alert_rules"


@dataclass(frozen=True)
class Rule:
    """An alert; ``topic`` is the name of its file, of the cases' and of the page's."""

    topic: str
    definition: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.definition["alert"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.definition.get("labels") or {})

    @property
    def annotations(self) -> dict[str, str]:
        return dict(self.definition.get("annotations") or {})


def _trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _trusted(entry) for key, entry in value.items()}
    return trust_as_template(value) if isinstance(value, str) else value


def groups(topic: str, profile: str = "small") -> list[dict[str, Any]]:
    """The groups of rules in a file, rendered as Ansible does."""
    defaults = yaml.safe_load((ROOT / "roles" / "monitoring" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    variables = {**_trusted(defaults), "firstbell_plan": {"profile": profile}}
    path = next(path for path in TEMPLATES if path.name == f"{topic}.yml.j2")
    templar = Templar(loader=DataLoader(), variables={**variables, "path": str(path)})
    rendered = templar.template(trust_as_template("{{ lookup('ansible.builtin.template', path) }}"))
    return list(yaml.safe_load(str(rendered))["groups"])


def rules(profile: str = "small") -> list[Rule]:
    """All rules of all files."""
    return [
        Rule(topic, definition) for topic in TOPICS for group in groups(topic, profile) for definition in group["rules"]
    ]


def cases(topic: str) -> dict[str, dict[str, Any]]:
    """By alert: the case in which it fires and the one in which it does not.

    Everything is text, as YAML would take "0x20", 20 zeros more to promtool, for a number.
    """
    path = CASES / f"{topic}.yml"
    return dict(yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)) if path.exists() else {}
