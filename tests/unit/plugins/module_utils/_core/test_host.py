# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.host import (
    HostProbe,
    Listener,
    away_findings,
    host_findings,
    parse_listeners,
    twin_findings,
)

BARE = HostProbe(
    distribution="debian",
    release="13",
    init="systemd",
    user_of_uid="",
    group_of_gid="",
    listeners={22: "sshd"},
    published={},
    data_entries=[],
    data_owner=None,
    data_version="",
    engine="",
    free_bytes=50 * 2**30,
)

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 0B00CB0A:0016 0100CB0A:D431 01 00000000:00000000 02:000A7214 00000000     0        0 4713 2 0 20 4 30 10 -1
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5711 1 0 100 0 0 10 0
   1: 00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5712 1 0 100 0 0 10 0
"""  # noqa: E501


def findings(**changes: Any) -> list[str]:
    probe = replace(BARE, **changes)
    found = host_findings(probe, stack="school", ports=[80, 443], postgres_major="17", minimum_free_bytes=10 * 2**30)
    return [str(finding) for finding in found]


def test_listening_sockets_are_found_and_loopback_ones_are_not() -> None:
    assert parse_listeners(TCP) == [Listener(22, "4711")]
    assert parse_listeners(TCP6) == [Listener(80, "5711")]


def test_a_bare_host_is_welcome() -> None:
    assert findings() == []


def test_a_host_that_carries_this_stack_is_welcome_again() -> None:
    assert not findings(
        user_of_uid="firstbell",
        group_of_gid="firstbell",
        listeners={22: "sshd", 80: "docker-proxy", 443: "docker-proxy"},
        published={80: "school_nginx", 443: "school_nginx"},
        data_entries=["17"],
        data_owner=1001,
        data_version="17",
        engine="26.1.5+dfsg1",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"distribution": "ubuntu", "release": "24.04"}, ["operating system", "ubuntu 24.04", "Debian 12 and 13"]),
        ({"release": "11"}, ["debian 11"]),
        ({"init": "bash"}, ["process 1 is bash"]),
        ({"user_of_uid": "anna"}, ["user id 1001", "anna", "usermod --uid NEW anna"]),
        ({"group_of_gid": "staff"}, ["group id 1001", "groupmod --gid NEW staff"]),
        ({"listeners": {443: "apache2"}}, ["port 443", "apache2 has it", "Stop and disable apache2"]),
        ({"listeners": {80: "docker-proxy"}, "published": {80: "blog"}}, ["port 80", "blog has it"]),
        ({"published": {443: "other_nginx"}}, ["port 443", "other_nginx"]),
        ({"data_entries": ["base", "PG_VERSION"]}, ["/opt/school/data/postgres", "PG_VERSION", "mv /opt/school"]),
        ({"data_entries": ["17"], "data_owner": 999}, ["its owner is 999"]),
        ({"data_entries": ["17"], "data_owner": 1001, "data_version": "16"}, ["PostgreSQL 16, not 17"]),
        ({"engine": "19.03.8"}, ["Docker engine", "19.03.8 is too old"]),
        ({"free_bytes": 2**30}, ["1 GiB are free", "at least 10 GiB"]),
    ],
)
def test_what_hinders_is_named_with_the_way_out(changes: dict[str, Any], words: list[str]) -> None:
    (finding,) = findings(**changes)
    for word in words:
        assert word in finding


def test_all_findings_come_at_once() -> None:
    assert len(findings(release="11", init="bash", listeners={80: "nginx", 443: "nginx"})) == 4


def test_a_probe_survives_json() -> None:
    sent = {**vars(BARE), "listeners": {"22": "sshd"}, "published": {"80": "x"}}
    assert HostProbe.from_dict(sent) == replace(BARE, published={80: "x"})


def test_names_that_lead_to_one_machine_are_told_to_each_of_them() -> None:
    addresses = {"a": {"10.0.0.1:22"}, "b": {"10.0.0.2:22", "192.168.0.5"}, "c": {"10.0.0.3:22", "192.168.0.5"}}
    assert twin_findings("a", addresses) == []
    (finding,) = twin_findings("b", addresses)
    assert str(finding).startswith("ansible_host: b and c are the same host, 192.168.0.5. Give each its own address")


def test_hosts_that_were_not_reached_are_named_together() -> None:
    known = {"default_ipv4": {"address": "192.0.2.1"}}
    assert away_findings({"a": known, "b": known}) == []
    (finding,) = away_findings({"c": {}, "a": known, "b": {"distribution": "Debian"}})
    assert str(finding).startswith("b, c: not reached, or left out by --limit. Start them, see that ssh reaches them")
    (finding,) = away_findings({"a": known, "b": {}})
    assert str(finding).startswith("b: not reached, or left out by --limit. Start it, see")
