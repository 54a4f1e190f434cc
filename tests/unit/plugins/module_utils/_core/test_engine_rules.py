# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the container engine's own rules is gone, in a listing as a host gives it."""

from __future__ import annotations

import re

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core.engine_rules import missing

from unit.healthy_stack import RULESET

PORTS = {80, 443}
#: As engine 28 has them.
NEWER = """
table ip filter {
	chain DOCKER {
		ip daddr 10.9.0.2 iifname != "docker0" oifname "docker0" tcp dport 8080 counter accept
		iifname != "docker0" oifname "docker0" counter drop
	}
	chain DOCKER-FORWARD {
		counter jump DOCKER-CT
		counter jump DOCKER-ISOLATION-STAGE-1
		counter jump DOCKER-BRIDGE
		iifname "docker0" counter accept
	}
	chain DOCKER-BRIDGE {
		oifname "docker0" counter jump DOCKER
	}
	chain DOCKER-CT {
		oifname "docker0" ct state related,established counter accept
	}
	chain DOCKER-ISOLATION-STAGE-1 {
		iifname "docker0" oifname != "docker0" counter jump DOCKER-ISOLATION-STAGE-2
	}
	chain DOCKER-ISOLATION-STAGE-2 {
		oifname "docker0" counter drop
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter jump DOCKER-USER
		counter jump DOCKER-FORWARD
	}
}
table ip nat {
	chain DOCKER {
		iifname != "docker0" tcp dport 80 counter dnat to 10.9.0.2:8080
	}
	chain POSTROUTING {
		ip saddr 10.9.0.0/24 oifname != "docker0" counter masquerade
	}
	chain PREROUTING {
		fib daddr type local counter jump DOCKER
	}
}
"""
INTO = "--in-interface docker_gwbridge ! --out-interface docker_gwbridge"


def without(*rules: str) -> str:
    """The listing without the rules that have these words."""
    lines = RULESET.splitlines()
    assert all(any(rule in line for line in lines) for rule in rules)
    return "\n".join(line for line in lines if not any(rule in line for rule in rules))


@pytest.mark.parametrize(
    ("listing", "ports"), [(RULESET, PORTS), (NEWER, {80}), ("table ip docker-bridges {\n}", PORTS)]
)
def test_what_engines_have_lacks_nothing(listing: str, ports: set[int]) -> None:
    assert missing(listing, ["ip"], ports) == {}


def test_what_is_gone_of_the_engines_rules_is_named() -> None:
    assert list(missing("", ["ip", "ip6"], [80])) == [
        "ip filter FORWARD",
        "ip nat PREROUTING",
        "ip6 filter FORWARD",
        "ip6 nat PREROUTING",
        "ip nat POSTROUTING",
        "ip nat DOCKER (port 80)",
    ]


@pytest.mark.parametrize(
    ("listing", "found"),
    [
        (
            without("dport 8443 counter accept"),
            {
                "ip filter DOCKER (port 443)": "iptables --insert DOCKER --destination 10.9.0.3 "
                "! --in-interface docker_gwbridge --out-interface docker_gwbridge --protocol tcp --dport 8443 "
                "--jump ACCEPT"
            },
        ),
        (
            without('oifname "docker_gwbridge" counter drop # handle 39'),
            {
                "ip filter DOCKER-ISOLATION-STAGE-2 (docker_gwbridge)": "iptables --insert DOCKER-ISOLATION-STAGE-2 "
                "--out-interface docker_gwbridge --jump DROP"
            },
        ),
        (
            without("jump DOCKER-ISOLATION-STAGE-2"),
            {
                "ip filter DOCKER-ISOLATION-STAGE-1 (docker_gwbridge)": "iptables --insert DOCKER-ISOLATION-STAGE-1 "
                f"{INTO} --jump DOCKER-ISOLATION-STAGE-2"
            },
        ),
        (without("jump DOCKER-ISOLATION-STAGE-2", "drop # handle 39"), {"ip filter DOCKER-ISOLATION-STAGE-1": ""}),
        (without("jump DOCKER # handle 35"), {"ip filter (what is published behind docker_gwbridge)": ""}),
        (without("related,established counter"), {"ip filter (answers to docker_gwbridge)": ""}),
        (without("accept # handle 34"), {"ip filter (what comes from docker_gwbridge)": ""}),
        (
            re.sub('oifname "docker_gwbridge" counter drop', "counter return\n\\g<0>", RULESET),
            {
                "ip filter DOCKER-ISOLATION-STAGE-2 (docker_gwbridge)": "iptables --insert DOCKER-ISOLATION-STAGE-2 "
                "--out-interface docker_gwbridge --jump DROP"
            },
        ),
    ],
)
def test_a_rule_that_is_gone_is_told_with_what_puts_it_back(listing: str, found: dict[str, str]) -> None:
    assert missing(listing, ["ip"], PORTS) == found


@pytest.mark.parametrize(
    ("lost", "said"),
    [("dnat to .*", ["ip6 nat DOCKER"]), ("masquerade", ["ip6 nat POSTROUTING"]), ("nothing", [])],
)
def test_of_the_second_protocol_rules_are_missed_where_it_is_led_in_at_all(lost: str, said: list[str]) -> None:
    second = (
        RULESET.replace("table ip ", "table ip6 ").replace("ip daddr", "ip6 daddr").replace("ip saddr", "ip6 saddr")
    )
    listing = RULESET + re.sub(lost, "", second)
    assert list(missing(listing, ["ip", "ip6"], PORTS)) == said
    without_it = re.sub(lost, "", second).replace("tcp dport 80", "").replace("tcp dport 443", "").replace("accept", "")
    assert "ip6 nat DOCKER" not in missing(RULESET + without_it, ["ip6"], PORTS)


def test_where_a_rule_does_not_tell_where_it_leads_any_port_that_is_let_through_will_do() -> None:
    listing = re.sub(r"dnat to \S+", 'xt target "DNAT"', RULESET)
    assert missing(listing, ["ip"], PORTS) == {}
    shut = re.sub(r"tcp dport 8\d+ counter accept", "", listing)
    assert missing(shut, ["ip"], PORTS) == {"ip filter DOCKER": ""}
