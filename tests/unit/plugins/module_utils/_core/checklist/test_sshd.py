# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether sshd would still let in whom Ansible signs in as, and whom it lets in by a password."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.checklist import sshd

from unit.healthy_stack import healthy
from unit.healthy_stack import sshd as options

FILE = "/etc/ssh/sshd_config.d/x.conf"
RULES = [{"port": 22, "source": "any"}, {"port": 2222, "source": "peers"}]
RELOAD = "sshd -t && systemctl reload ssh"


def seen(**changes: Any) -> dict[str, Any]:
    """What is seen of a healthy host; what belongs to the entry goes there."""
    found: dict[str, Any] = healthy()[0]["logins"]
    entry = found["entry"]
    entry["options"].update(changes.pop("options", {}))
    entry.update({name: changes.pop(name) for name in [*changes] if name in entry})
    return {**found, **changes}


def refused(rules: list[dict[str, Any]] | None = None, **changes: Any) -> list[str]:
    return [*sshd.refusals(seen(**changes), RULES if rules is None else rules)]


@pytest.mark.parametrize(
    ("said", "by"),
    [
        ({}, []),
        ({"allowusers": ["deploy ro*"]}, []),
        ({"allowusers": ["deploy", "teacher"]}, ["AllowUsers"]),
        ({"allowusers": ["root@192.0.2.*"]}, []),
        ({"allowusers": ["root@192.0.2.0/24"]}, []),
        ({"allowusers": ["root@198.51.100.0/24"]}, ["AllowUsers"]),
        ({"allowusers": ["root@home.test"]}, ["AllowUsers"]),
        ({"denyusers": ["root@192.0.2.7"], "allowgroups": ["ssh"]}, ["DenyUsers", "AllowGroups"]),
        ({"denyusers": ["root@198.51.100.1"]}, []),
        ({"allowgroups": ["root"], "denygroups": ["ssh"]}, []),
        ({"denygroups": ["root"]}, ["DenyGroups"]),
        ({"permitrootlogin": ["no"]}, ["PermitRootLogin"]),
        ({"permitrootlogin": ["forced-commands-only"]}, ["PermitRootLogin"]),
        ({"permitrootlogin": ["yes"]}, []),
        ({"pubkeyauthentication": ["no"]}, ["PubkeyAuthentication"]),
        ({"authenticationmethods": ["publickey,password"]}, ["AuthenticationMethods"]),
        ({"authenticationmethods": ["publickey,password publickey"]}, []),
        ({"forcecommand": ["none"], "maxsessions": ["10"]}, []),
        ({"passwordauthentication": ["no"]}, []),
    ],
)
def test_by_what_sshd_refuses_whom_ansible_signs_in_as(said: dict[str, list[str]], by: list[str]) -> None:
    assert refused(options=said) == by


def test_another_account_than_root_is_not_refused_as_root_is() -> None:
    keys = [{"account": "teacher", "key": "SHA256:one", "comment": ""}]
    changes: dict[str, Any] = {"as": "teacher", "keys": 1, "groups": ["teacher"]}
    assert refused(options={"permitrootlogin": ["no"]}, **changes) == []
    found = {**seen(options={"permitrootlogin": ["no"]}, **changes), "keys": keys}
    assert sshd.refusals(found, RULES) == {}


def test_where_nobody_knows_whence_ansible_comes_names_are_judged_without_addresses() -> None:
    said = {"allowusers": ["root@198.51.100.1"]}
    assert refused(options=said, **{"from": {}}) == []
    assert refused(options={"denyusers": ["root@198.51.100.1"]}, **{"from": {}}) == ["DenyUsers"]


@pytest.mark.parametrize(
    ("said", "by"),
    [
        ({}, []),
        ({"authorizedkeyscommand": ["/usr/bin/keys %u"]}, []),
        ({"trustedusercakeys": ["/etc/ssh/ca.pub"]}, []),
    ],
)
def test_keys_that_sshd_would_not_look_for_open_nothing(said: dict[str, list[str]], by: list[str]) -> None:
    assert refused(keys=0, options=said) == (by or ([] if said else ["AuthorizedKeysFile"]))


@pytest.mark.parametrize(
    ("said", "by"),
    [
        ({"permitrootlogin": ["yes"]}, []),
        ({}, ["PermitRootLogin"]),
        ({"permitrootlogin": ["yes"], "passwordauthentication": ["no"]}, ["PasswordAuthentication"]),
        (
            {"permitrootlogin": ["yes"], "passwordauthentication": ["no"], "kbdinteractiveauthentication": ["yes"]},
            [],
        ),
        ({"permitrootlogin": ["yes"], "authenticationmethods": ["publickey"]}, ["AuthenticationMethods"]),
        ({"permitrootlogin": ["yes"], "pubkeyauthentication": ["no"]}, []),
    ],
)
def test_who_has_no_key_signs_in_by_a_password(said: dict[str, list[str]], by: list[str]) -> None:
    found = {**seen(options=said, passwords=["root"], keys=0), "keys": []}
    assert [*sshd.refusals(found, RULES)] == by


@pytest.mark.parametrize("option", ["ForceCommand", "ChrootDirectory", "MaxSessions"])
def test_a_session_that_can_do_nothing_is_told_before_it_is_in_force(option: str) -> None:
    said = {option.lower(): ["0" if option == "MaxSessions" else "/bin/false"]}
    assert refused(options=said, unread=[FILE]) == [option]
    assert refused(options=said) == []


@pytest.mark.parametrize(
    ("listens", "by"),
    [
        (["[::]:22", "0.0.0.0:22"], []),
        (["0.0.0.0:2222", "0.0.0.0:22"], []),
        (["0.0.0.0:2222"], ["Port"]),
        (["127.0.0.1:22"], ["ListenAddress"]),
        (["192.0.2.1:22"], []),
        (["192.0.2.2:22"], ["ListenAddress"]),
        (["192.0.2.1:2222", "192.0.2.2:22"], ["ListenAddress"]),
        ([], []),
    ],
)
def test_sshd_must_listen_where_ansible_comes_in(listens: list[str], by: list[str]) -> None:
    assert refused(listens=listens) == by


@pytest.mark.parametrize(
    ("listens", "by"),
    [
        (["0.0.0.0:22"], []),
        (["0.0.0.0:23"], ["Port"]),
        (["0.0.0.0:2222"], ["Port"]),
        (["[::1]:22"], ["ListenAddress"]),
    ],
)
def test_else_it_must_listen_behind_a_port_that_the_firewall_opens(listens: list[str], by: list[str]) -> None:
    assert refused(listens=listens, **{"from": {}}) == by
    if by != ["ListenAddress"]:
        assert refused([], listens=listens, **{"from": {}}) == []


@pytest.mark.parametrize(
    ("changes", "reason", "mend"),
    [
        (
            {
                "options": {"permitrootlogin": ["no"]},
                "lines": {"PermitRootLogin": {"/etc/ssh/sshd_config:33": "prohibit-password", f"{FILE}:2": '"No"'}},
            },
            f"PermitRootLogin ({FILE}:2)",
            f"sed -i '2s/^/#/' {FILE} && {RELOAD}",
        ),
        (
            {
                "options": {"allowusers": ["a", "b"]},
                "lines": {"AllowUsers": {f"{FILE}:2": "a", f"{FILE}:9": "b"}},
            },
            f"AllowUsers ({FILE}:2, {FILE}:9)",
            f"sed -i '2s/^/#/' {FILE} && sed -i '9s/^/#/' {FILE} && {RELOAD}",
        ),
        (
            {"options": {"denyusers": ["root"]}},
            "DenyUsers",
            f"take the line out that grep -rni DenyUsers /etc/ssh shows, then: {RELOAD}",
        ),
        (
            {"listens": ["0.0.0.0:2200"], "options": {"port": ["2200"]}, "lines": {"Port": {f"{FILE}:1": "2200"}}},
            f"Port ({FILE}:1)",
            f"sed -i '1s/^/#/' {FILE} && {RELOAD}",
        ),
        (
            {
                "listens": ["0.0.0.0:22"],
                "from": {"addr": "192.0.2.7", "laddr": "192.0.2.1", "lport": "2200"},
            },
            "Port",
            f"sed -i '1i Port 2200' /etc/ssh/sshd_config && {RELOAD}",
        ),
        (
            {"listens": ["0.0.0.0:2200"], "lines": {"ListenAddress": {f"{FILE}:4": "0.0.0.0:2200"}}},
            f"ListenAddress ({FILE}:4)",
            f"sed -i '4s/^/#/' {FILE} && {RELOAD}",
        ),
    ],
)
def test_the_line_that_refuses_is_named_and_taken_out(changes: dict[str, Any], reason: str, mend: str) -> None:
    assert sshd.refusals(seen(**changes), RULES) == {reason: mend}


def test_who_has_only_a_password_first_needs_a_key() -> None:
    said = {"permitrootlogin": ["yes"], "passwordauthentication": ["no"]}
    found = {**seen(options=said, passwords=["root"], keys=0), "keys": []}
    assert sshd.refusals(found, RULES) == {
        "PasswordAuthentication": f"first a key of your own for root (ssh-copy-id), then: {RELOAD}"
    }


def test_where_sshd_says_nothing_nothing_is_known() -> None:
    found = seen(listens=[])
    found["entry"]["options"] = {}
    assert sshd.refusals(found, RULES) == {}


@pytest.mark.parametrize(
    ("changes", "by"),
    [
        ({}, "PasswordAuthentication"),
        ({"passwordauthentication": "no"}, ""),
        ({"passwordauthentication": "no", "kbdinteractiveauthentication": "yes"}, "KbdInteractiveAuthentication"),
        ({"passwordauthentication": "no", "kbdinteractiveauthentication": "yes", "usepam": "no"}, ""),
        ({"authenticationmethods": "publickey,password publickey,keyboard-interactive:pam"}, ""),
        ({"authenticationmethods": "publickey password"}, "PasswordAuthentication"),
        (dict.fromkeys(options(), ""), ""),
    ],
)
def test_by_what_a_password_alone_opens_an_account(changes: dict[str, str], by: str) -> None:
    assert sshd.by_password({**options(), **changes}) == by


def test_passwords_are_switched_off_by_all_their_names_and_in_every_block_of_match() -> None:
    typed = sshd.keys_only(seen(), refused=False)
    once = "PasswordAuthentication no\\nKbdInteractiveAuthentication no\\nPermitEmptyPasswords no"
    assert typed == (
        f"printf '{once}\\nMatch all\\n{once}\\n' >/etc/ssh/sshd_config.d/00-keys.conf && sshd -t && "
        "systemctl reload ssh"
    )


def test_nobody_is_told_to_lock_himself_out() -> None:
    assert sshd.keys_only(seen(), refused=True).startswith("first what lets root in, then: printf")
    without = {**seen(keys=0), "keys": []}
    assert sshd.keys_only(without, refused=False).startswith("first a key of your own for root (ssh-copy-id), then: p")
