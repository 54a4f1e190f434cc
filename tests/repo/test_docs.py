# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says exists: variables, links, commands."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from repo.conftest import tracked_files

ROOT = Path(__file__).resolve().parents[2]
OTHERS = ("build", "node_modules")
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in OTHERS for part in path.relative_to(ROOT).parts)
)
GUIDES = [path for path in DOCUMENTS if path.parent in (ROOT, ROOT / "docs") and path.name != "variables.md"]
ROLES = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/main.yml"))
INVENTORIES = {path.name for path in (ROOT / "inventories").iterdir()}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_of(text: str) -> str:
    """Everything that is set as code: blocks, fenced or indented, and words between backticks."""
    blocks = [match.group(0) for match in FENCE.finditer(text)]
    prose = FENCE.sub("", text)
    return "\n".join([*blocks, *re.findall(r"^(?: {4}|\t).+", prose, re.MULTILINE), *re.findall(r"`([^`]+)`", prose)])


def anchors(text: str) -> set[str]:
    """The fragments that a Markdown viewer makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def options() -> dict[str, Any]:
    """Inputs of all roles."""
    found: dict[str, Any] = {}
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            found.update(entry.get("options") or {})
    return found


def secret_names() -> set[str]:
    defaults = (ROOT / "roles" / "init" / "defaults" / "main.yml").read_text(encoding="utf-8")
    return set(yaml.safe_load(defaults)["init_secrets"])


def test_there_are_documents() -> None:
    assert len(GUIDES) > 3


def test_variables_are_those_of_the_roles() -> None:
    written = (ROOT / "docs" / "variables.md").read_text(encoding="utf-8")
    assert written == generator().render(), "type: .venv/bin/python docs/generate.py"


def test_every_role_is_in_the_list_of_variables() -> None:
    assert sorted(generator().roles_in_order()) == ROLES


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Set O(app_port) to V(3000).", "Set `app_port` to `3000`."),
        ("As V({sslmode: require}) or C(a|b).", "As `{sslmode: require}` or `a|b`."),
        ("The source, O(ignore:firstbell_app_source).", "The source, `firstbell_app_source`."),
        (r"Escaped V(f(x\)).", "Escaped `f(x)`."),
        ("No markup (as here) at all.", "No markup (as here) at all."),
    ],
)
def test_markup_becomes_markdown(given: str, expected: str) -> None:
    assert generator().markdown(given) == expected


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, fragment = target.partition("#")
        found = (path.parent / place).resolve() if place else path
        assert found.exists(), f"{target} leads nowhere"
        if fragment and found.suffix == ".md":
            assert fragment in anchors(found.read_text(encoding="utf-8")), f"{target}: no such heading"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", code_of(path.read_text(encoding="utf-8"))))
    assert named <= targets, "the Makefile lacks these targets"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_playbooks_and_plugins_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    kinds = ("playbooks", "plugins/modules", "plugins/filter", "plugins/lookup", "plugins/action")
    here = {entry.stem for kind in kinds for entry in (ROOT / kind).iterdir()} | set(ROLES)
    for named in re.findall(r"\bplaybooks/([a-z_]+)\.yml", text):
        assert (ROOT / "playbooks" / f"{named}.yml").is_file(), f"playbooks/{named}.yml does not exist"
    assert set(re.findall(r"\bfirstbell\.stack\.([a-z_]+)", text)) <= here, "the collection has none of that name"


@pytest.mark.parametrize("path", GUIDES, ids=name)
def test_variables_in_the_guides_exist(path: Path) -> None:
    modules = {entry.stem for entry in (ROOT / "plugins" / "modules").iterdir()}
    known = set(options()) | secret_names() | INVENTORIES | modules | {"firstbell_plan", "firstbell_directory"}
    prefixes = tuple(f"{role}_" for role in [*ROLES, "firstbell"])
    named = re.findall(r"^([a-z_]+)(?::.*)?$", code_of(path.read_text(encoding="utf-8")), re.MULTILINE)
    unknown = {word for word in named if word.startswith(prefixes) and not word.endswith("_")} - known
    assert not unknown


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "recovery").glob("*.md")), ids=name)
def test_every_page_of_recovery_ends_in_commands_that_a_scenario_runs(path: Path) -> None:
    if path.stem == "README":
        return
    last = path.read_text(encoding="utf-8").rpartition("\n## ")[2]
    assert re.search(r"^```bash\n# on the (controller|host)\n", last, re.MULTILINE), "it does not end in commands"
    assert path.read_text(encoding="utf-8").rstrip().endswith("```")
    tasks = [entry.read_text(encoding="utf-8") for entry in (ROOT / "extensions" / "molecule").rglob("*.yml")]
    assert any(re.search(rf"\bpage: {path.stem}\b(?!-)", text) for text in tasks), "no scenario does what it says"


@pytest.mark.parametrize("folder", ["playbooks", "plugins", "roles"])
def test_pages_that_the_code_names_exist(folder: str) -> None:
    files = [path for path in tracked_files() if ROOT / folder in path.parents]
    paths = [path for path in files if path.suffix in (".j2", ".py", ".yml")]
    for path in paths:
        for page, fragment in re.findall(r"\b(docs/[\w/.-]+\.md)(?:#([\w-]+))?", path.read_text(encoding="utf-8")):
            target = ROOT / page
            assert target.is_file(), f"{name(path)}: {page} does not exist"
            known = {"", *anchors(target.read_text(encoding="utf-8"))}
            assert fragment in known, f"{name(path)}: {page} has no heading {fragment}"
