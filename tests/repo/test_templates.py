# SPDX-License-Identifier: GPL-3.0-or-later
"""Every template renders with the role's defaults, and no variable is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "roles").glob("*/templates/*.j2"))
PROFILES = ["small", "academy", "stories"]

GIVEN: dict[str, Any] = {
    "ansible_managed": "Ansible managed",
    "ansible_check_mode": False,
    "ansible_host": "10.203.0.11",
    "inventory_hostname": "bell1",
    "ansible_facts": {
        "memtotal_mb": 8192,
        "processor_vcpus": 4,
        "distribution_release": "trixie",
        "default_ipv4": {"address": "10.203.0.11"},
    },
    "firstbell_domain": "school.example",
    "firstbell_admin_email": "admin@school.example",
    "firstbell_app_image": "registry.example/app:1.0.0",
    "firstbell_secrets": {
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
    },
    "__monitoring_hash": {"stdout": "$2b$04$RKLLG2SWY6ltz1gfd3hnpu"},
    "init_domain": "school.example",
    "init_app": "registry.example/app:1.0.0",
    "init_admin_email": "admin@school.example",
    "init_directory": "inventories/mine",
}


def trusted(value: Any) -> Any:
    """Mark what the project's own files hold as templates, as Ansible does when it loads them."""
    if isinstance(value, dict):
        return {key: trusted(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [trusted(entry) for entry in value]
    return trust_as_template(value) if isinstance(value, str) else value


def defaults_of(role: str) -> dict[str, Any]:
    path = ROOT / "roles" / role / "defaults" / "main.yml"
    return trusted(yaml.safe_load(path.read_text(encoding="utf-8")) or {})


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_a_template_renders(path: Path, profile: str) -> None:
    assert rendered(path, firstbell_profile=profile).strip()


def rendered(path: Path, **given: Any) -> str:
    variables = {**defaults_of("stack"), **defaults_of(path.parts[-3]), **GIVEN, "role_path": str(path.parents[1])}
    templar = Templar(loader=DataLoader(), variables={**variables, **given})
    return str(templar.template(trust_as_template(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(("hsts", "hidden"), [("max-age=1", True), ("", False)])
def test_of_two_answers_on_encryption_browsers_never_see_the_applications(hsts: str, *, hidden: bool) -> None:
    text = rendered(ROOT / "roles/edge/templates/nginx.conf.j2", edge_hsts=hsts)
    # nginx inherits such lines only where there is none of its kind.
    lines = ["proxy_hide_header X-Powered-By;", *(["proxy_hide_header Strict-Transport-Security;"] if hidden else [])]
    for part in re.split(r"(?m)^ *(?=location|server )", text):
        written = re.findall("proxy_hide_header .*", part)
        assert not written or set(lines) <= set(written)
    assert ("proxy_hide_header Strict-Transport-Security;" in text) is hidden


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_a_template_says_who_manages_its_file_and_no_date(path: Path) -> None:
    if path.suffixes[:1] not in ([".conf"], [".cfg"], [".ini"]):
        pytest.skip("the program that reads this file knows no comments, or users own it")
    text = path.read_text(encoding="utf-8")
    assert "ansible_managed | comment" in text
    assert not re.search(r"ansible_date_time|now\(", text)


def test_there_are_templates() -> None:
    assert len(TEMPLATES) > 5
