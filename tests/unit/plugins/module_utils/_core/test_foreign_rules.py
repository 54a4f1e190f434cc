# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that are nobody's whom we know, in a listing as a host gives it."""

from __future__ import annotations

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.foreign_rules import Rule, foreign, parse

from unit.healthy_stack import RULESET

OWN, PORTS = "inet firstbell", {80, 443}


def with_rule(chain: str, rule: str) -> str:
    """The listing with a rule more, at the end of a chain of the table nat or filter."""
    table, name = chain.split()
    before, opening, after = RULESET.partition(f"table ip {table} {{")
    start, head, rest = after.partition(f"chain {name} {{")
    assert head, chain
    lines, end, further = rest.partition("\t}\n")
    return f"{before}{opening}{start}{head}{lines}\t\t{rule} # handle 99\n{end}{further}"


def test_tables_and_rules_are_told_apart() -> None:
    tables, rules = parse(RULESET)
    assert tables == ["inet firstbell", "ip filter", "ip nat"]
    assert Rule("ip filter", "DOCKER-USER", "counter return", "2") in rules
    assert Rule("inet firstbell", "input", "ct state established,related accept", "5") in rules


def test_the_engines_and_the_stacks_rules_are_nobody_elses() -> None:
    assert foreign(RULESET, OWN, PORTS) == {}


@pytest.mark.parametrize(
    ("chain", "rule"),
    [
        ("filter INPUT", "tcp dport 9999 counter accept"),
        ("filter INPUT", "counter jump evil"),
        ("filter DOCKER-USER", "tcp dport 443 counter drop"),
        ("filter FORWARD", 'iifname "docker_gwbridge" counter drop'),
        ("filter FORWARD", 'iifname "docker0" oifname "docker_gwbridge" counter reject'),
        ("nat PREROUTING", "tcp dport 443 counter redirect to :9090"),
        ("nat PREROUTING", 'iifname "docker0" tcp dport 443 counter dnat to 192.0.2.1'),
        ("nat DOCKER", "tcp dport 9090 counter dnat to 10.201.255.4:9090"),
        ("nat DOCKER", 'tcp dport 9090 counter xt target "DNAT"'),
        ("filter DOCKER", "tcp dport 8443 counter drop"),
        ("filter DOCKER", "ip saddr 192.0.2.0/24 counter reject"),
        ("filter DOCKER", "counter drop"),
        ("filter DOCKER", "counter accept"),
        ("filter DOCKER-ISOLATION-STAGE-1", 'iifname "docker0" counter accept'),
    ],
)
def test_a_rule_of_somebody_is_told_with_what_removes_it(chain: str, rule: str) -> None:
    table, name = chain.split()
    assert foreign(with_rule(chain, rule), OWN, PORTS) == {
        f"ip {chain}: {rule}": f"nft delete rule ip {table} {name} handle 99"
    }


@pytest.mark.parametrize(
    ("chain", "rule"),
    [
        ("filter FORWARD", 'oifname "docker0" counter jump DOCKER'),
        ("filter FORWARD", 'iifname "br-0123" oifname "br-0123" counter drop'),
        ("filter FORWARD", 'iifname "docker0" oifname != "docker0" counter accept'),
        ("filter DOCKER", 'iifname != "docker0" oifname "docker0" counter drop'),
        ("filter DOCKER-ISOLATION-STAGE-1", 'ip saddr != 10.9.0.0/24 oifname "br-0123" counter drop'),
        ("filter INPUT", "udp dport 4789 meta mark & 0x0d0c4e3 counter drop"),
        ("nat POSTROUTING", "ip saddr 10.201.255.4 ip daddr 10.201.255.4 tcp dport 8443 counter masquerade"),
        ("nat POSTROUTING", 'oifname != "docker0" counter xt target "MASQUERADE"'),
        ("nat PREROUTING", "ip daddr 127.0.0.11 counter jump DOCKER_OUTPUT"),
        ("nat DOCKER", "ip daddr 127.0.0.11 tcp dport 53 counter dnat to 127.0.0.11:39533"),
    ],
)
def test_what_engines_write_is_theirs(chain: str, rule: str) -> None:
    assert foreign(with_rule(chain, rule), OWN, PORTS) == {}


def test_a_table_of_somebody_is_told_and_that_of_a_newer_engine_is_not() -> None:
    listing = "table inet evil { # handle 9\n}\ntable ip docker-bridges { # handle 10\n}\n"
    assert foreign(listing, OWN, ()) == {"inet evil is a table of its own": "nft delete table inet evil"}


def test_a_policy_that_drops_what_comes_in_is_told() -> None:
    listing = RULESET.replace("hook input priority filter; policy accept", "hook input priority filter; policy drop")
    assert list(foreign(listing, OWN, PORTS).values()) == ["nft 'chain ip filter INPUT { policy accept; }'"]


#: As nft lists what fail2ban, Tailscale and wg-quick have written.
USUAL = """
table inet f2b-table {
	set addr-set-sshd {
		type ipv4_addr
		elements = { 192.0.2.4 }
	}
	chain f2b-chain {
		type filter hook input priority filter - 1; policy accept;
		tcp dport 22 ip saddr @addr-set-sshd reject with icmp port-unreachable
		tcp dport { 80, 443 } ip6 saddr @addr6-set-nginx counter drop
		meta l4proto { tcp, udp } ip6 saddr @addr6-set-recidive reject with icmpv6 port-unreachable
	}
}
table ip filter {
	chain f2b-sshd {
		ip saddr 192.0.2.4 counter reject
		counter return
	}
	chain INPUT {
		type filter hook input priority filter; policy accept;
		counter jump ts-input
		ip protocol tcp tcp dport 22 counter jump f2b-sshd
	}
	chain ts-input {
		ip saddr 100.101.102.103 iifname "lo" counter accept
		ip saddr 100.115.92.0/23 iifname != "tailscale0" counter return
		ip saddr 100.64.0.0/10 iifname != "tailscale0" counter drop
		iifname "tailscale0" counter accept
		udp dport 41641 counter accept
	}
	chain ts-forward {
		iifname "tailscale0" counter meta mark set mark and 0xff00ffff xor 0x40000
		meta mark & 0x00ff0000 == 0x00040000 counter accept
		ip saddr 100.64.0.0/10 iifname != "tailscale0" oifname "tailscale0" counter drop
		oifname "tailscale0" counter accept
	}
	chain FORWARD {
		type filter hook forward priority filter; policy accept;
		counter jump ts-forward
		iifname "wg0" counter accept
		oifname "wg0" counter accept
	}
}
table ip nat {
	chain ts-postrouting {
		meta mark & 0x00ff0000 == 0x00040000 counter masquerade
	}
	chain POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		counter jump ts-postrouting
	}
}
table ip wg-quick-wg0 {
	chain preraw {
		type filter hook prerouting priority raw; policy accept;
		iifname != "wg0" ip daddr 10.13.13.2 fib saddr type != local drop
	}
	chain premangle {
		type filter hook prerouting priority mangle; policy accept;
		meta l4proto udp meta mark set ct mark
	}
	chain postmangle {
		type filter hook postrouting priority mangle; policy accept;
		meta l4proto udp meta mark 0x0000ca6c ct mark set meta mark
	}
}
"""


def test_what_many_hosts_have_is_not_told() -> None:
    assert foreign(USUAL, OWN, PORTS) == {}


@pytest.mark.parametrize(
    ("before", "evil"),
    [
        ("tcp dport 22 ip saddr @addr-set-sshd reject with icmp port-unreachable", "tcp dport 443 drop"),
        ("hook input priority filter - 1; policy accept;", "hook input priority filter - 1; policy drop;"),
        ("ip saddr 192.0.2.4 counter reject", "ip saddr 0.0.0.0/0 counter reject"),
        ("ip saddr 192.0.2.4 counter reject", "counter drop"),
        ('ip saddr 100.64.0.0/10 iifname != "tailscale0" counter drop', "tcp dport 443 counter drop"),
        ("counter masquerade", "tcp dport 443 counter dnat to 192.0.2.1"),
        ("ip daddr 10.13.13.2 fib saddr type != local drop", "drop"),
    ],
)
def test_what_only_looks_so_is_told(before: str, evil: str) -> None:
    assert before in USUAL
    assert foreign(USUAL.replace(before, evil), OWN, PORTS) != {}


def test_an_empty_table_of_a_known_name_is_told() -> None:
    assert foreign("table inet f2b-table {\n}\n", OWN, PORTS) != {}
