# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a role: one shape, and inputs that are declared once and documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
MAXIMUM_TASK_LINES = 120


def role_id(path: Path) -> str:
    return path.name


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def options_of(role: Path) -> dict[str, dict[str, Any]]:
    specs = load(role / "meta" / "argument_specs.yml")
    options: dict[str, dict[str, Any]] = {}
    for entry in specs["argument_specs"].values():
        options.update(entry.get("options") or {})
    return options


def test_there_are_roles() -> None:
    assert len(ROLES) > 5


@pytest.mark.parametrize("role", ROLES, ids=role_id)
def test_a_role_has_its_files(role: Path) -> None:
    for name in ("README.md", "meta/main.yml", "meta/argument_specs.yml", "defaults/main.yml"):
        assert (role / name).is_file(), f"{role.name} lacks {name}"


@pytest.mark.parametrize("role", ROLES, ids=role_id)
def test_every_default_is_documented(role: Path) -> None:
    defaults = load(role / "defaults" / "main.yml") or {}
    public = {name for name in defaults if not name.startswith("__")}
    derived = {"firstbell_plan", "firstbell_directory"}
    assert public - derived <= set(options_of(role)), "defaults that the argument spec does not know"


@pytest.mark.parametrize("role", ROLES, ids=role_id)
def test_documented_defaults_are_the_real_ones(role: Path) -> None:
    defaults = load(role / "defaults" / "main.yml") or {}
    for name, option in options_of(role).items():
        if "default" in option:
            assert defaults.get(name) == option["default"], f"{name}: spec and defaults differ"


@pytest.mark.parametrize("role", ROLES, ids=role_id)
def test_inputs_carry_the_roles_name(role: Path) -> None:
    prefix = "firstbell_" if role.name == "stack" else f"{role.name}_"
    defaults = load(role / "defaults" / "main.yml") or {}
    for name in [*defaults, *options_of(role)]:
        assert name.lstrip("_").startswith(prefix), f"{name} should start with {prefix}"


@pytest.mark.parametrize("role", ROLES, ids=role_id)
def test_a_role_reads_no_other_roles_variables(role: Path) -> None:
    others = "|".join(other.name for other in ROLES if other != role and other.name != "stack")
    foreign = re.compile(rf"(?<![\w.'/-])_?_?({others})_[a-z_]+(?=\s*[|}}\]),.\[])")
    own = set(options_of(role))
    for path in [*role.rglob("*.yml"), *role.rglob("*.j2")]:
        if "meta" in path.parts:
            continue
        for expression in re.findall(r"\{\{.*?\}\}|\{%.*?%\}", path.read_text(encoding="utf-8"), re.DOTALL):
            strings_removed = re.sub(r"'[^']*'|\"[^\"]*\"", "''", expression)
            found = [match.group(0) for match in foreign.finditer(strings_removed) if match.group(0) not in own]
            assert not found, f"{path.relative_to(ROOT)} reads {found}"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "roles").glob("*/tasks/*.yml")), ids=lambda path: f"{path.parts[-3]}-{path.stem}"
)
def test_task_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAXIMUM_TASK_LINES


def test_every_stack_variable_in_use_is_documented() -> None:
    known = set(options_of(ROOT / "roles" / "stack")) | {"firstbell_plan", "firstbell_directory"}
    used: dict[str, Path] = {}
    for folder in ("roles", "playbooks", "inventories", "extensions"):
        for path in (ROOT / folder).rglob("*"):
            # Rules of alerts speak of metrics.
            if (
                path.suffix in (".yml", ".j2")
                and path.name != "vault.yml"
                and path.parent.name not in ("rules", "overview", "dashboards")
            ):
                text = path.read_text(encoding="utf-8")
                used.update((name, path) for name in re.findall(r"\bfirstbell_[a-z0-9_]+\b", text))
    groups = {"firstbell_managers", "firstbell_database"}
    unknown = {name: str(path.relative_to(ROOT)) for name, path in used.items() if name not in known | groups}
    assert not unknown


@pytest.mark.parametrize("role", ROLES, ids=role_id)
def test_truths_are_made_of_what_is_typed(role: Path) -> None:
    """``-e name=false`` is a text, which is true in an expression and refused as a condition."""
    truths = "|".join(name for name, option in options_of(role).items() if option["type"] == "bool")
    bare = re.compile(rf"\b(?:if|and|or|not|when:|that:) (?:{truths})\b(?! *[|]|=)")
    offenders = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [*role.glob("tasks/*.yml"), *role.glob("defaults/*.yml"), *role.glob("templates/**/*.j2")]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if truths and (bare.search(line) or re.search(rf"^ *(?:{truths}) (?:and|or|else)\b", line))
    ]
    assert not offenders
