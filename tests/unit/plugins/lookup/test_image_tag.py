# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup image_tag, with its options as Ansible's loader would have read them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.firstbell.stack.plugins.lookup.image_tag import DOCUMENTATION, LookupModule
from ansible_collections.firstbell.stack.plugins.module_utils._io.image_sources import stack_image

OPTIONS = yaml.safe_load(DOCUMENTATION)["options"]


class Lookup(LookupModule):
    """Reads its options as documented: given ones, then variables, then defaults; resolves none."""

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        self.values = {}
        for name, option in OPTIONS.items():
            sources = [variable["name"] for variable in option.get("vars", []) if variable["name"] in var_options]
            given = direct.get(name, option.get("default"))
            self.values[name] = var_options[sources[0]] if sources and name not in direct else given

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        return self.values[option]


def look_up(terms: list[str], variables: dict[str, Any] | None = None, **options: Any) -> list[str]:
    templar = Templar(loader=DataLoader(), variables=variables or {})
    return Lookup(loader=None, templar=templar).run(terms, variables or {}, **options)


def test_it_gives_full_names_in_order() -> None:
    assert look_up(["redis", "postgres"]) == [stack_image("redis").reference, stack_image("postgres").reference]


def test_the_revision_comes_from_a_variable_that_may_be_a_template() -> None:
    variables = {"part": "12", "images_revision": trust_as_template("2026-{{ part }}")}
    assert look_up(["redis"], variables) == [stack_image("redis", "2026-12").reference]
    assert look_up(["redis"], variables, revision="x") == [stack_image("redis", "x").reference]


def test_an_apps_name_follows_its_source_and_arguments(tmp_path: Any) -> None:
    (tmp_path / "package.json").write_text("{}")
    names = {
        *look_up(["app-x"], source=str(tmp_path)),
        *look_up(["app-x"], source=str(tmp_path), build_args={"A": "1"}),
        *look_up(["app-x"], {"images_app_build_args": {"A": "2"}}, source=str(tmp_path)),
        *look_up(["app-x"], source=str(tmp_path), build_env={"A": "2"}),
    }
    assert len(names) == 4
    assert all(name.startswith("firstbell/app-x:") for name in names)


def test_a_mistake_is_explained() -> None:
    with pytest.raises(AnsibleError, match="no image 'mysql'; there is"):
        look_up(["mysql"])
