# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as a template calls them, and their messages."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

PACKAGE = "ansible_collections.firstbell.stack.plugins.filter"
NAMES = ("database_url", "dotenv", "init_inventory", "redis_url", "scram_verifier", "secret_findings", "sizing")
PASSWORD = "N8Kq3vXzR2mWp7LtYc5HdJf9GbS4aUeT"


def filter_named(name: str) -> Callable[..., Any]:
    filters: dict[str, Callable[..., Any]] = importlib.import_module(f"{PACKAGE}.{name}").FilterModule().filters()
    return filters[name]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (
            "database_url",
            [{"user": "u", "password": "p/w", "host": "db", "database": "d", "port": "6432", "parameters": {"a": 1}}],
            "postgresql://u:p%2Fw@db:6432/d?a=1",
        ),
        ("redis_url", [{"user": "app", "password": "p w", "host": "redis"}], "redis://app:p%20w@redis:6379/0"),
        ("dotenv", [{"B": 'x"y', "A": 1}], 'A="1"\nB="x\\"y"\n'),
        ("secret_findings", [{"nextauth_secret": PASSWORD}], []),
        (
            "secret_findings",
            [{"a_password": "admin"}],
            [
                {
                    "name": "a_password",
                    "problem": "is a default or a placeholder that everybody knows",
                    "fix": "Make one with: openssl rand -hex 32",
                }
            ],
        ),
    ],
)
def test_what_the_filters_return(name: str, arguments: list[Any], expected: object) -> None:
    assert filter_named(name)(*arguments) == expected


def test_sizing_returns_the_plan_of_the_core() -> None:
    plan = filter_named("sizing")({"profile": "auto", "memory": "4GB", "cpus": 2, "replicas": None, "overrides": {}})
    assert plan["profile"] == "small"
    assert plan["postgres"]["settings"]["shared_buffers"] == "256MB"


ANSWERS = {
    "init_directory": "mine",
    "init_domain": "school.example.org",
    "init_admin_email": "admin@school.example.org",
    "init_host": "192.0.2.10",
    "init_user": "root",
    "init_stack_name": "school",
    "init_timezone": "Etc/UTC",
    "init_vault_password_file": "password",
}


@pytest.mark.parametrize("app", ["app", "./app", "~/app", "{}/app"])
def test_the_source_of_a_new_inventory_is_found_by_its_path(
    app: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "yarn.lock").touch()
    (tmp_path / "app" / "package.json").write_text('{"dependencies": {"next": "16.0.0"}}', encoding="utf-8")
    checked = filter_named("init_inventory")({**ANSWERS, "init_app": app.format(tmp_path)})
    assert checked["problems"] == []
    assert checked["variables"]["firstbell_app_source"] == str(tmp_path / "app")


@pytest.mark.parametrize("app", ["/nonexist", "./nonexist", "~/nonexist", "~nobody-at-all/x", ".", "mine"])
def test_a_path_without_an_application_is_no_image(app: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (problem,) = filter_named("init_inventory")({**ANSWERS, "init_app": app})["problems"]
    assert problem.startswith("init_app: ")
    assert "folder" in problem
    assert str(tmp_path) in problem or app == "/nonexist"


def test_paths_of_the_wrong_kind_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").touch()
    (tmp_path / "password").mkdir()
    told = filter_named("init_inventory")({**ANSWERS, "init_app": "app:1"})["problems"]
    assert [line.split(".")[0] for line in told] == [
        "init_directory: mine is a file",
        "init_vault_password_file: password is a folder",
    ]


def test_a_verifier_is_the_same_every_time() -> None:
    verifier = filter_named("scram_verifier")
    assert verifier(PASSWORD, "app", "academy") == verifier(PASSWORD, "app", "academy")
    assert verifier(PASSWORD, "app", "academy").startswith("SCRAM-SHA-256$4096:")
    assert verifier(PASSWORD, "app", "stories") != verifier(PASSWORD, "app", "academy")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("sizing", [{"profile": "auto", "memory": "1GB", "cpus": 1}], "No plan holds on this host"),
        ("sizing", [{"profile": "auto", "memory": "4GB"}], "sizing: cpus is missing"),
        ("sizing", [{"profile": "auto", "memory": "4GB", "cpu": 2}], r"did you mean cpus\?"),
        ("sizing", ["auto"], "sizing takes a dictionary"),
        ("database_url", [{"user": "u"}], "database_url: password, host, database is missing"),
        ("redis_url", [{"user": "u", "password": "p", "host": ""}], "host: '' is neither a host name nor an address"),
        ("init_inventory", [{"init_app": "app:1"}], "init_inventory: init_directory, init_domain, init_admin_email"),
        ("dotenv", [{"1": "x"}], "cannot name an environment variable"),
        ("scram_verifier", ["", "app", "academy"], "not empty"),
        ("secret_findings", ["x"], "takes a dictionary"),
    ],
)
def test_errors_carry_the_message_of_the_core(name: str, arguments: list[Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        filter_named(name)(*arguments)


@pytest.mark.parametrize("name", NAMES)
def test_every_filter_is_documented(name: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.{name}")
    sidecar = yaml.safe_load(Path(str(module.__file__)).with_suffix(".yml").read_text(encoding="utf-8"))
    assert sidecar["DOCUMENTATION"]["name"] == name
    assert {"DOCUMENTATION", "EXAMPLES", "RETURN"} == set(sidecar)
    assert yaml.safe_load(sidecar["EXAMPLES"])
