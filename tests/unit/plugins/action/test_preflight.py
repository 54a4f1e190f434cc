# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.firstbell.stack.plugins.action import preflight
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import FirstbellError
from ansible_collections.firstbell.stack.plugins.module_utils._core.host import HostProbe
from ansible_collections.firstbell.stack.plugins.module_utils._core.input_checks import (
    CHECKS,
    DICTIONARIES,
    input_findings,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.sizing import sizing

BARE = HostProbe("debian", "13", "systemd", "", "", {}, {}, [], None, "", "", 50 * 2**30)
OTHERS = re.findall(
    r"\w+",
    """
    ansible_host ansible_port ansible_user ansible_facts ansible_check_mode ansible_play_hosts_all environment
    groups group_names hostvars inventory_dir inventory_file inventory_hostname omit playbook_dir role_path vars
    admin_email app_name database_host db_port domain domain_aliases docker_registry_user hostname my_app_port
    nginx_image postgresql_database postgresql_databases postgresql_hba_entries profile school_domain server_name
    timezone users
    """,
)
HOST = {"firstbell_profile": "small", "firstbell_host_memory": "4GB", "firstbell_host_cpus": 2}

SECRETS = {
    "database_owner_password": "Ahth7ohn2ohy5aiPh8oowah4ieYaequ1",
    "database_app_password": "iequ5Ohng4aebaiMo7ooGhai0ohVah8f",
    "redis_app_password": "oor1Ohchei7phah9Wu6aeNgooQuah3ei",
    "nextauth_secret": "Cheeth2phooy9Ahnah3quieyei7ohF5a",
    "backup_key": "oophoh4Aeth8eeHaeke5ooQu9ohs1AiX",
    "backup_files_key": "Eek4aeyai3aid0Iegh9aiThee7wuPho2",
    "redis_backup_password": "xoh6ieGheich4ooy5Ahl3ohnga0Eeth1",
    "database_monitoring_password": "eiNg9eeyohx3Ahphaiqu7oph2IeWaiqu",
    "redis_monitoring_password": "Uu3ahs2ohPheiphee5ooGhai7Ahw9ahc",
    "monitoring_password": "ooBu2eengaeRai4oosh8ohQuaiph6eeK",
}


class Action(preflight.ActionModule):
    """One that needs no task and no host: values are taken as they are."""

    def __init__(self) -> None:
        self._templar: Any = self

    @staticmethod
    def template(value: Any) -> Any:
        return value


@pytest.fixture
def action() -> Action:
    return Action()


def told(action: Action, **variables: Any) -> list[str]:
    source = {"firstbell_app_image": "app:1", "firstbell_secrets": SECRETS, "firstbell_domain": "school.example"}
    return [
        str(finding)
        for finding in action._variable_findings(
            {**HOST, **source, "firstbell_admin_email": "admin@school.example", **variables}
        )
    ]


def test_the_inputs_of_all_roles_are_known_and_those_of_other_tools_are_not() -> None:
    known = preflight.known_options()
    assert {"firstbell_domain", "postgres_settings_extra", "edge_certificate_file"} <= set(known)
    assert not [name for name in known if name.startswith(("demo_", "init_", "sandbox_"))]


def test_what_is_checked_is_an_input_and_its_default_passes() -> None:
    checked = {*CHECKS, *DICTIONARIES}
    assert checked <= set(preflight.known_options())
    defaults: dict[str, Any] = {}
    for path in preflight.ROLES.glob("*/defaults/main.yml"):
        defaults.update(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert checked <= set(defaults)
    assert input_findings({name: value for name, value in defaults.items() if "{{" not in str(value)}) == []


def test_a_good_inventory_passes(action: Action) -> None:
    assert told(action) == []


@pytest.mark.parametrize("typed", ["true", "no", "1", True])
def test_a_switch_that_was_typed_is_one(action: Action, typed: object) -> None:
    assert told(action, firstbell_autoscaling=typed) == []


def test_a_calendar_is_told_with_everything_else(action: Action) -> None:
    findings = told(action, autoscaler_weekdays={"sonday": 0.5}, firstbell_domain="*.school.example")
    assert len(findings) == 2
    assert "autoscaler_weekdays: nothing is called 'sonday'; did you mean sunday?" in " ".join(findings)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"firstbell_app_replicas": "many"},
            "firstbell_app_replicas: 'many' has the wrong type. Write a whole",
        ),
        ({"firstbell_host_memory": "4"}, "firstbell_host_memory: '4' is no size; write a number with a unit"),
        ({"firstbell_host_memory": -1}, "firstbell_host_memory: -1 is negative"),
        ({"firstbell_host_cpus": 0}, "firstbell_host_cpus: 0"),
        ({"firstbell_app_replicas": 0}, "firstbell_app_replicas: 0"),
        ({"firstbell_profile": "smal"}, "firstbell_profile: 'smal' is none of its choices. Did you mean small?"),
        ({"firstbell_plan_overrides": {"redis": {"setting": {}}}}, "firstbell_plan_overrides.redis: "),
        ({"redis_settings_extra": "maxclients 5"}, "redis_settings_extra: 'maxclients 5' has the wrong type."),
        ({"redis_settings_extra": {"maxmemroy": 1}}, "redis_settings_extra: Redis has no setting 'maxmemroy'; did you"),
        ({"edge_http_port": 0}, "edge_http_port: 0 is no whole number between 1 and 65535"),
        ({"postgres_hba_extra": {"a": 1}}, "postgres_hba_extra: {'a': 1} has the wrong type. Write it as a list."),
        ({"pki_certificates": [{"dns": ["a.example"]}]}, "pki_certificates: missing required arguments: name"),
        (
            {"firstbell_secrets": "plain"},
            "firstbell_secrets: it is not a dictionary. Write it with",
        ),
        ({"monitoring_smtp_password": 12345678}, "monitoring_smtp_password: it is no text. Write it in quotes."),
        (
            {"firstbell_monitoring": "perhaps"},
            "firstbell_monitoring: 'perhaps' has the wrong type. Write true or false.",
        ),
        ({"app_secrets_extra": {"MAIL": "password"}}, "app_secrets_extra.MAIL: is a default or a placeholder"),
        ({"app_secrets_extra": {"MAIL": "<todo>"}}, "app_secrets_extra.MAIL: is a default or a placeholder"),
        (
            {"firstbell_secrets": {**SECRETS, "redis_app_password": "short"}},
            "firstbell_secrets.redis_app_password: is shorter than 20 characters",
        ),
        (
            {"firstbell_secrets": {**SECRETS, "demo_pasword": "ieGh9eiw1aeThoh8ahpie4Ohcah5oobe"}},
            "firstbell_secrets.demo_pasword: no role knows this secret. Did you mean demo_password?",
        ),
        (
            {"fistbell_profile": "small"},
            "fistbell_profile: no role knows this variable. Did you mean firstbell_profile?",
        ),
    ],
)
def test_what_is_wrong_is_told_once(action: Action, variables: dict[str, Any], words: str) -> None:
    (finding,) = told(action, **variables)
    assert finding.startswith(words)


def test_secrets_of_others_may_be_short(action: Action) -> None:
    assert told(action, app_secrets_extra={"PIN": "4711-ab", "PEM": "-----BEGIN\nabc\n"}) == []


def test_the_plan_is_told_beside_other_findings_that_are_none_of_its_arguments(action: Action) -> None:
    findings = told(action, firstbell_profile="large", firstbell_timezone="Nowhere")
    assert [finding.partition(":")[0] for finding in findings] == ["firstbell_timezone", "the plan"]
    assert findings[1].endswith("The nearest plan that would hold:\n  firstbell_profile: small")


def test_an_argument_of_the_plan_that_is_wrong_is_told_once(action: Action) -> None:
    assert len(told(action, firstbell_profile=["small"], firstbell_app_replicas="many")) == 2


@pytest.mark.parametrize(
    "overrides", [{"postgres": {"settings": {"work_mem": "64MB"}}}, {"postgres": {"settings": {"wrk_mem": "1MB"}}}]
)
def test_the_plans_arguments_are_called_by_the_variables_that_give_them(overrides: dict[str, Any]) -> None:
    with pytest.raises(FirstbellError) as caught:
        sizing("small", "4GB", 2, overrides=overrides)
    (finding,) = Action._plan_findings({**HOST, "firstbell_plan_overrides": overrides})
    assert "  overrides." in str(caught.value) or str(caught.value).startswith("overrides.")
    assert "firstbell_plan_overrides.postgres.settings" in str(finding)


@pytest.mark.parametrize("name", OTHERS)
def test_variables_of_ansible_and_of_other_roles_are_left_alone(action: Action, name: str) -> None:
    assert told(action, **{name: "x"}) == []


def test_a_bad_least_space_is_one_finding_and_hides_no_other(action: Action) -> None:
    probe = {**asdict(BARE), "free_bytes": 2**30}
    action._task = SimpleNamespace(args={"stack": "school", "minimum_free": "lots"})
    findings = action._host_findings(probe, {"inventory_hostname": "one", "hostvars": {"one": {}}})
    assert [finding.name for finding in findings] == ["preflight_minimum_free", "disk"]
    assert str(findings[0]).startswith("preflight_minimum_free: 'lots' is no size; write a number with a unit")


def test_hosts_of_the_play_are_known_by_how_they_are_reached_and_by_their_own_address() -> None:
    hostvars: dict[str, dict[str, Any]] = {
        "one": {"ansible_host": "10.0.0.1", "ansible_facts": {"default_ipv4": {"address": "192.168.0.5"}}},
        "two": {},
    }
    variables = {"inventory_hostname": "one", "ansible_play_hosts_all": list(hostvars), "hostvars": hostvars}
    assert Action._addresses(variables) == {"one": {"10.0.0.1:22", "192.168.0.5"}, "two": {"two:22"}}


def test_a_host_that_was_not_reached_is_told_only_where_all_are_needed(action: Action) -> None:
    facts = {"default_ipv4": {"address": "192.168.0.5"}}
    variables: dict[str, Any] = {
        "inventory_hostname": "one",
        "groups": {"firstbell": ["one", "two"]},
        "hostvars": {"one": {"ansible_facts": facts}, "two": {}},
    }
    for needed, names in [("yes", ["two"]), (False, [])]:
        action._task = SimpleNamespace(args={"stack": "school", "all_hosts": needed})
        assert [finding.name for finding in action._host_findings(asdict(BARE), variables)] == names
