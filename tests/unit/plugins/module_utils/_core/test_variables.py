# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.findings import Finding, refuse
from ansible_collections.firstbell.stack.plugins.module_utils._core.variables import (
    unknown_variables,
    value_findings,
)

KNOWN = [
    *(
        "app_port",
        "firstbell_app_image",
        "firstbell_domain",
        "firstbell_profile",
        "host_user",
        "pgbouncer_settings_extra",
    ),
    *("postgres_database", "postgres_image", "postgres_settings_extra", "redis_settings_extra"),
]
GOOD = {
    "firstbell_stack_name": "school",
    "firstbell_domain": "school.example.org",
    "firstbell_admin_email": "admin@example.org",
    "firstbell_timezone": "Europe/Berlin",
    "firstbell_app_image": "registry.example.org:5000/school/app:1.4.2",
}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("firstbell_domian", "firstbell_domain"),
        ("redis_setings_extra", "redis_settings_extra"),
        ("fistbell_profile", "firstbell_profile"),
        ("firstbel_domain", "firstbell_domain"),
        ("first_bell_domain", "firstbell_domain"),
        ("postgre_settings_extra", "postgres_settings_extra"),
        ("pgbounce_settings_extra", "pgbouncer_settings_extra"),
        ("FIRSTBELL_PROFILE", "firstbell_profile"),
        ("Firstbell_Domain", "firstbell_domain"),
        ("APP_PORT", "app_port"),
    ],
)
def test_a_misspelt_name_is_told_which_one_was_meant(name: str, meant: str) -> None:
    (finding,) = unknown_variables([name, "firstbell_profile"], KNOWN)
    assert finding.name == name
    assert f"Did you mean {meant}?" in str(finding)


def test_an_unknown_name_of_ours_is_refused_even_if_nothing_is_near() -> None:
    (finding,) = unknown_variables(["firstbell_frobnicate"], KNOWN)
    assert "no role knows" in str(finding)


OTHERS = re.findall(
    r"\w+",
    """
    __app_image __postgres_image app_name redis_exporter_port my_variable my_app_port ghost_user apt_port
    domain profile my_domain
    school_domain docker_registry_user postgresql_databases postgresql_database postgresql_image mysql_databases
    nginx_image ansible_host ansible_port ansible_user ansible_become ansible_facts ansible_check_mode
    ansible_play_hosts_all ansible_python_interpreter ansible_ssh_common_args environment group_names groups
    hostvars inventory_dir inventory_file inventory_hostname inventory_hostname_short omit play_hosts playbook_dir
    role_name role_path vars
    """,
)


@pytest.mark.parametrize("name", OTHERS)
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
