# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.init_inventory import (
    ANSWERS,
    Seen,
    init_inventory,
)

NEXT = '{"dependencies": {"next": "16.0.0"}}'
SOURCE = Seen(source="/srv/app", names=("package.json", "package-lock.json"), manifest=NEXT)
GOOD = {
    "init_directory": "inventories/mine",
    "init_domain": "school.example.org",
    "init_app": "registry.example.org/app:1.2.3",
    "init_admin_email": "admin@school.example.org",
    "init_host": "school.example.org",
    "init_user": "root",
    "init_stack_name": "school",
    "init_timezone": "Europe/Berlin\n",
    "init_vault_password_file": "/work/.vault_password",
}


NOTHING = Seen()


def problems(seen: Seen = NOTHING, **changes: object) -> list[str]:
    """What is said of answers in which ``changes`` differ; what has a default follows the domain."""
    answers: dict[str, object] = {**GOOD, **changes}
    if isinstance(answers["init_domain"], str):
        derived = {"init_host": answers["init_domain"], "init_stack_name": answers["init_domain"].split(".")[0].lower()}
        answers = {**answers, **derived, **changes}
    found: list[str] = init_inventory(answers, seen)["problems"]
    return found


def test_good_answers_become_the_variables_of_an_inventory() -> None:
    assert init_inventory(GOOD, Seen()) == {
        "problems": [],
        "host": {"name": "school", "address": "school.example.org", "user": "root"},
        "variables": {
            "firstbell_stack_name": "school",
            "firstbell_domain": "school.example.org",
            "firstbell_admin_email": "admin@school.example.org",
            "firstbell_app_image": "registry.example.org/app:1.2.3",
            "firstbell_timezone": "Europe/Berlin",
        },
    }


def test_a_source_is_written_instead_of_an_image() -> None:
    written: dict[str, Any] = init_inventory({**GOOD, "init_app": "./app"}, SOURCE)
    assert written["problems"] == []
    assert written["variables"]["firstbell_app_source"] == "/srv/app"
    assert "firstbell_app_image" not in written["variables"]


@pytest.mark.parametrize(
    ("host", "name", "address"),
    [
        ("192.0.2.10", "school", "192.0.2.10"),
        ("[2001:db8::1]", "school", "2001:db8::1"),
        ("bell1.example.org", "bell1", "bell1.example.org"),
        ("my_server", "my_server", "my_server"),
    ],
)
def test_a_host_that_has_only_an_address_is_called_like_the_stack(host: str, name: str, address: str) -> None:
    answers = {**GOOD, "init_host": host, "init_user": "admin"}
    assert problems(init_host=host) == []
    assert init_inventory(answers, Seen())["host"] == {"name": name, "address": address, "user": "admin"}


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"init_domain": "School_X.org"}, "init_domain", "use lower-case letters, digits and hyphens"),
        ({"init_domain": "School.example.org"}, "init_domain", "write school.example.org"),
        ({"init_domain": "münchen.example.org"}, "init_domain", "write its IDN form xn--mnchen-3ya.example.org"),
        ({"init_domain": "school.example.org."}, "init_domain", "ends in a dot; leave that out"),
        ({"init_domain": ""}, "init_domain", "it is empty. Answer the question, or pass -e init_domain=..."),
        ({"init_domain": "1.example.org"}, "init_stack_name", "Choose one with -e init_stack_name=..."),
        ({"init_domain": "postgres.example.org"}, "init_stack_name", "postgres.example.org gives none, since"),
        ({"init_stack_name": "Foo"}, "init_stack_name", "lower-case"),
        ({"init_stack_name": 1}, "init_stack_name", "1 is no text. Leave it out."),
        ({"init_admin_email": "foo"}, "init_admin_email", "write one such as admin@school.example.org"),
        ({"init_admin_email": "a@münchen.example.org"}, "init_admin_email", "xn--mnchen-3ya.example.org"),
        ({"init_app": None}, "init_app", "it is empty"),
        ({"init_app": "foo:latest"}, "init_app", "other than latest"),
        ({"init_app": "foo"}, "init_app", "There is no folder foo here, if that was meant; write its full path"),
        ({"init_timezone": "Mars/X"}, "init_timezone", "is no time zone"),
        ({"init_timezone": "Europe/Berln"}, "init_timezone", "Did you mean Europe/Berlin?"),
        ({"init_host": "admin@192.0.2.10"}, "init_host", "neither a host name nor an address. Give what ssh"),
        ({"init_user": "-oProxyCommand=x"}, "init_user", "no user to log in as"),
        ({"init_directory": " "}, "init_directory", "it is empty"),
    ],
)
def test_an_answer_that_cannot_be_used_is_named_with_its_fix(changes: dict[str, Any], name: str, words: str) -> None:
    (problem,) = problems(**changes)
    assert problem.startswith(f"{name}: ")
    assert words in problem
    assert "firstbell_" not in problem


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Seen(source="/nonexist"), "init_app: there is no folder /nonexist on the controller"),
        (Seen(source="/srv/app", names=("package.json",), manifest=NEXT), "init_app: /srv/app has no lock file"),
        (Seen(source="/srv/app", names=("yarn.lock",)), "init_app: /srv/app has no package.json"),
        (Seen({"init_directory": "file"}), "init_directory: inventories/mine is a file. Give a folder"),
        (Seen({"init_vault_password_file": "folder"}), "init_vault_password_file: /work/.vault_password is a folder"),
    ],
)
def test_what_the_disk_says_is_told(seen: Seen, words: str) -> None:
    (problem,) = problems(seen)
    assert words in problem


def test_an_inventory_that_exists_may_be_named_again() -> None:
    assert problems(Seen({"init_directory": "folder", "init_vault_password_file": "file"})) == []


def test_everything_is_told_at_once_in_the_order_of_the_questions() -> None:
    wrong = problems(init_domain="School_X.org", init_app="foo:latest", init_admin_email="foo", init_timezone="Mars/X")
    assert [problem.split(":")[0] for problem in wrong] == [
        "init_domain",
        "init_app",
        "init_admin_email",
        "init_timezone",
    ]


@pytest.mark.parametrize("value", [None, "", "x", 1, [], {"a": 1}])
def test_rubbish_is_only_refused(value: object) -> None:
    assert init_inventory(dict.fromkeys(ANSWERS, value), Seen())["problems"]
