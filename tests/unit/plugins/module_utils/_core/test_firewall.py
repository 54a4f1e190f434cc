# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.errors import InputError
from ansible_collections.firstbell.stack.plugins.module_utils._core.firewall import (
    LockoutError,
    Policy,
    admits,
    parse_networks,
    parse_opening,
    parse_policy,
    refuse_lockout,
    render,
    render_file,
)

PEERS = ["192.0.2.11", "2001:db8::11"]


def policy(*rules: dict[str, Any]) -> Policy:
    return parse_policy("firstbell", rules, PEERS, ["docker*", "br-*"])


def test_openings_of_one_source_are_one_line() -> None:
    text = render(policy({"port": 443}, {"port": "22"}, {"port": 80}))
    assert "        meta l4proto tcp ct original proto-dst { 22, 80, 443 } accept\n" in text


def test_ranges_that_overlap_become_one() -> None:
    text = render(policy({"port": "20-30"}, {"port": "25-40"}, {"port": 22}, {"port": 50}))
    assert "ct original proto-dst { 20-40, 50 } accept" in text


def test_sources_are_split_by_address_family() -> None:
    text = render(policy({"port": 7946, "proto": "udp", "source": "peers"}))
    assert "ip saddr { 192.0.2.11 } meta l4proto udp ct original proto-dst { 7946 } accept" in text
    assert "ip6 saddr { 2001:db8::11 } meta l4proto udp ct original proto-dst { 7946 } accept" in text


def test_containers_have_a_chain_of_their_own() -> None:
    outside, _, containers = render(policy({"port": 9100, "source": "containers"})).partition("chain from_containers")
    assert "9100" in containers
    assert "9100" not in outside
    assert 'iifname "docker*" jump from_containers' in outside


def test_everything_else_is_dropped_in_both_directions() -> None:
    text = render(policy())
    assert "hook input priority filter; policy drop;" in text
    assert "hook forward priority filter; policy drop;" in text
    assert "ct status dnat jump from_outside" in text


def test_the_file_replaces_the_own_table_only() -> None:
    text = render_file(policy())
    assert "flush ruleset" not in text
    assert (
        text.index("\ntable inet firstbell\n") < text.index("delete table inet firstbell") < text.index("chain input")
    )


@pytest.mark.parametrize(
    ("rule", "source", "port", "admitted"),
    [
        ({"port": 22}, "198.51.100.1", 22, True),
        ({"port": 22}, "198.51.100.1", 2222, False),
        ({"port": "2000-3000"}, "198.51.100.1", 2222, True),
        ({"port": 22, "proto": "udp"}, "198.51.100.1", 22, False),
        ({"port": 22, "source": ["198.51.100.0/24"]}, "198.51.100.1", 22, True),
        ({"port": 22, "source": ["198.51.100.0/24"]}, "::ffff:198.51.100.1", 22, True),
        ({"port": 22, "source": "198.51.100.0/24"}, "203.0.113.1", 22, False),
        ({"port": 22, "source": ["2001:db8::/32"]}, "2001:db8::1%eth0", 22, True),
        ({"port": 22, "source": ["2001:db8::/32"]}, "198.51.100.1", 22, False),
        ({"port": 22, "source": "peers"}, "192.0.2.11", 22, True),
        ({"port": 22, "source": "peers"}, "192.0.2.12", 22, False),
        ({"port": 22, "source": "containers"}, "198.51.100.1", 22, False),
        ({"port": 80}, "127.0.0.1", 22, True),
        ({"port": 80}, "::1", 22, True),
    ],
)
def test_what_is_rendered_is_what_is_answered(rule: dict[str, Any], source: str, port: int, admitted: bool) -> None:
    assert admits(policy(rule), source, port) is admitted


def test_a_rule_set_that_cuts_the_own_connection_is_refused() -> None:
    refuse_lockout(policy({"port": 22}), ("198.51.100.1", 22))
    refuse_lockout(policy({"port": 80}), None)
    with pytest.raises(LockoutError, match=r"198\.51\.100\.1 to port 2222.*firewall_ssh_port"):
        refuse_lockout(policy({"port": 22}), ("198.51.100.1", 2222))


@pytest.mark.parametrize("port", [0, 65536, "22-", "ssh", "30-20", "", "-1", "22,80", "\uff11"])
def test_what_is_no_port_is_refused(port: object) -> None:
    with pytest.raises(InputError, match="is no port"):
        parse_opening({"port": port})


@pytest.mark.parametrize("value", ["db.example", "192.0.2.1/24", "192.0.2.256", "", "::/129", "1.2.3.4; drop"])
def test_what_is_no_network_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="the peers is no address or network"):
        parse_networks([value], "the peers")


def test_networks_inside_others_are_left_out() -> None:
    found = parse_networks(["10.0.0.0/8", "10.1.0.0/16", "2001:db8::1", "2001:db8::1"], "a test")
    assert [str(network) for network in found] == ["10.0.0.0/8", "2001:db8::1/128"]


@pytest.mark.parametrize("proto", ["icmp", "TCP", "tcp,udp"])
def test_a_protocol_without_ports_is_refused(proto: str) -> None:
    with pytest.raises(InputError, match="write tcp or udp"):
        parse_opening({"port": 1, "proto": proto})


@pytest.mark.parametrize(("name", "interface"), [("first bell", "docker*"), ("x; flush", "eth0"), ("x", 'a" accept')])
def test_names_cannot_carry_rules(name: str, interface: str) -> None:
    with pytest.raises(InputError):
        parse_policy(name, [], [], [interface])
