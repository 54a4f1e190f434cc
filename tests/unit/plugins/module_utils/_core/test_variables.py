# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.findings import Finding, refuse
from ansible_collections.firstbell.stack.plugins.module_utils._core.variables import (
    unknown_variables,
    value_findings,
)

KNOWN = ["firstbell_domain", "firstbell_profile", "redis_settings_extra", "app_port"]
GOOD = {
    "firstbell_stack_name": "school",
    "firstbell_domain": "school.example.org",
    "firstbell_admin_email": "admin@example.org",
    "firstbell_timezone": "Europe/Berlin",
    "firstbell_app_image": "registry.example.org:5000/school/app:1.4.2",
}


@pytest.mark.parametrize(
    ("name", "meant"),
    [("firstbell_domian", "firstbell_domain"), ("redis_setings_extra", "redis_settings_extra")],
)
def test_a_misspelt_name_is_told_which_one_was_meant(name: str, meant: str) -> None:
    (finding,) = unknown_variables([name, "firstbell_profile"], KNOWN)
    assert finding.name == name
    assert f"Did you mean {meant}?" in str(finding)


def test_an_unknown_name_of_ours_is_refused_even_if_nothing_is_near() -> None:
    (finding,) = unknown_variables(["firstbell_frobnicate"], KNOWN)
    assert "no role knows" in str(finding)


@pytest.mark.parametrize("name", ["app_name", "redis_exporter_port", "ansible_host", "my_variable"])
def test_other_peoples_names_are_left_alone(name: str) -> None:
    assert unknown_variables([name], KNOWN) == []


def test_good_values_pass() -> None:
    assert value_findings(GOOD) == []


@pytest.mark.parametrize(
    ("changes", "name", "word"),
    [
        ({"firstbell_domain": "*.example.org"}, "firstbell_domain", "wildcard"),
        ({"firstbell_domain": "schüle.example"}, "firstbell_domain", "schüle.example"),
        ({"firstbell_domain": "localhost"}, "firstbell_domain", "localhost"),
        ({"firstbell_stack_name": "My School"}, "firstbell_stack_name", "lower-case"),
        ({"firstbell_stack_name": "postgres"}, "firstbell_stack_name", "reserved"),
        ({"firstbell_admin_email": "nobody"}, "firstbell_admin_email", "nobody"),
        ({"firstbell_timezone": "Europe/Berln"}, "firstbell_timezone", "Did you mean Europe/Berlin?"),
        ({"firstbell_app_image": "app:latest"}, "firstbell_app_image", "other than latest"),
        ({"firstbell_app_image": "app"}, "firstbell_app_image", "does not say which version"),
        ({"firstbell_app_image": "host:5000/app"}, "firstbell_app_image", "does not say which version"),
        ({"firstbell_app_image": ""}, "firstbell_app_image", "neither an image nor a source"),
        ({"firstbell_app_source": "/srv/app"}, "firstbell_app_image", "both"),
    ],
)
def test_a_bad_value_is_named(changes: dict[str, Any], name: str, word: str) -> None:
    (finding,) = value_findings({**GOOD, **changes})
    assert finding.name == name
    assert word in str(finding)
    assert str(finding).count(name) <= 2, "the name should not be repeated"


def test_an_image_may_be_named_by_its_digest() -> None:
    assert value_findings({**GOOD, "firstbell_app_image": "registry.example/app@sha256:" + "0" * 64}) == []


def test_refuse_lists_everything_in_one_error() -> None:
    with pytest.raises(InputError) as caught:
        refuse([Finding("a", "is bad", "Do b."), Finding("c", "is worse", "")], "No:")
    assert str(caught.value) == "No:\n  - a: is bad. Do b.\n  - c: is worse"


def test_refuse_accepts_nothing_wrong() -> None:
    refuse([], "No:")
