# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the container engine's own rules of the packet filter are gone.

Without some, the site is shut, or containers cannot reach anybody; without others, networks of containers reach each
other. Which there are depends on the engine's version; that they belong together in pairs does not.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

from .foreign_rules import ENGINE, ENGINE_TABLE, LEADS, PORT, parse

_MASQUERADED = re.compile(r'oifname != "((?:docker|br-)[^"]*)".*masquerade', re.IGNORECASE)
#: From which bridge not, by which port, and where to.
_LED = re.compile(r'iifname != "([^"]+)" (\w+) dport (\d+) .*dnat to ([0-9.]+):(\d+)')
_STAGES = ("DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2")
#: The bridge by which services are published. Others may be led to without a translation of addresses.
_OF_SWARM = 'oifname "docker_gwbridge"'
_INTO = re.compile(r'oifname "([^"]+)"')
_APART = re.compile(r'iifname "([^"]+)" oifname != "\1"')

Chains = Mapping[tuple[str, str], Sequence[str]]


def missing(listing: str, families: Iterable[str], published: Iterable[int]) -> dict[str, str]:
    """What is gone, with what puts it back; nothing there where only a new start of the engine does.

    ``published``: the ports of the engine's containers. Its table of engine 29 and newer is not looked into.
    """
    tables, rules = parse(listing)
    chains: dict[tuple[str, str], list[str]] = {}
    for rule in rules:
        chains.setdefault((rule.table, rule.chain), []).append(rule.text)
    ports, found = set(published), {}
    for family in families:
        if f"{family} {ENGINE_TABLE}" not in tables:
            found.update(_of_family(chains, family, ports))
    if f"ip {ENGINE_TABLE}" not in tables:
        nat = [rule.text for rule in rules if rule.table == "ip nat"]
        if not any("masquerade" in text.lower() for text in chains.get(("ip nat", "POSTROUTING"), ())):
            found["ip nat POSTROUTING"] = ""
        led = {int(port) for text in nat if LEADS.search(text) for port in PORT.findall(text)}
        found.update({f"ip nat DOCKER (port {port})": "" for port in sorted(ports - led)})
    return found


def _of_family(chains: Chains, family: str, ports: set[int]) -> dict[str, str]:
    found = {
        f"{family} {table} {chain}": ""
        for table, chain in (("filter", "FORWARD"), ("nat", "PREROUTING"))
        if not any(f"jump {ENGINE}" in text for text in chains.get((f"{family} {table}", chain), ()))
    }
    if found:
        return found
    filters = [text for (table, _chain), texts in chains.items() if table == f"{family} filter" for text in texts]
    bridges = [
        one[1] for text in chains.get((f"{family} nat", "POSTROUTING"), ()) if (one := _MASQUERADED.search(text))
    ]
    for bridge in dict.fromkeys(bridges):
        found.update({f"{family} filter ({what} {bridge})": "" for what in _of_bridge(filters, bridge)})
    return {**found, **_of_ports(chains, family, ports), **_of_stages(chains, family)}


def _of_bridge(filters: Sequence[str], bridge: str) -> list[str]:
    """What a bridge lacks. A rule that names none is for all of them."""
    into = [text for text in filters if f'oifname "{bridge}"' in text or "ifname" not in text]
    answers = any(text.endswith("accept") and ("ct state" in text or "conntrack" in text) for text in into)
    out = any(text.endswith("accept") and f'iifname "{bridge}"' in text for text in filters)
    led = any(text.endswith(f"jump {ENGINE}") for text in into)
    has = {"answers to": answers, "what comes from": out, "what is published behind": led}
    return [what for what, there in has.items() if not there]


def _of_ports(chains: Chains, family: str, ports: set[int]) -> dict[str, str]:
    """Published ports that nothing lets through once they are led to their container."""
    led = [text for text in chains.get((f"{family} nat", ENGINE), ()) if ports & set(map(int, PORT.findall(text)))]
    through = [text for text in chains.get((f"{family} filter", ENGINE), ()) if text.endswith("accept")]
    found = {}
    for bridge, protocol, port, address, inner in (one.groups() for one in map(_LED.search, led) if one):
        if not any(f"daddr {address} " in text and f"{protocol} dport {inner} " in text for text in through):
            options = (
                f"--destination {address} ! --in-interface {bridge} --out-interface {bridge} --protocol {protocol}"
            )
            mend = f"iptables --insert DOCKER {options} --dport {inner} --jump ACCEPT"
            found[f"{family} filter DOCKER (port {port})"] = mend
    # Of some rules nft does not tell where they lead.
    if any(LEADS.search(text) for text in led) and not any(PORT.search(text) for text in through):
        found = found or {f"{family} filter DOCKER": ""}
    if family == "ip6" and any(_OF_SWARM in text for text in through):
        # Which ports are led in by the second protocol as well depends on the host's addresses.
        nat = {chain: chains.get(("ip6 nat", chain), ()) for chain in (ENGINE, "POSTROUTING")}
        found.update({"ip6 nat DOCKER": ""} if not any(map(LEADS.search, nat[ENGINE])) else {})
        found.update({"ip6 nat POSTROUTING": ""} if not any(map(_MASQUERADED.search, nat["POSTROUTING"])) else {})
    return found


def _of_stages(chains: Chains, family: str) -> dict[str, str]:
    """What keeps networks of containers apart, in two chains: from which bridge, and to which."""
    first, second = (list(_until_all_return(chains.get((f"{family} filter", stage), ()))) for stage in _STAGES)
    leaving = {one[1] for text in first if _STAGES[1] in text and (one := _APART.search(text))}
    dropped = {one[1] for text in second if text.endswith("drop") and (one := _INTO.search(text))}
    tool = "ip6tables" if family == "ip6" else "iptables"
    found = {}
    for bridge in sorted(leaving - dropped):
        mend = f"{tool} --insert {_STAGES[1]} --out-interface {bridge} --jump DROP"
        found[f"{family} filter {_STAGES[1]} ({bridge})"] = mend
    for bridge in sorted(dropped - leaving):
        mend = f"{tool} --insert {_STAGES[0]} --in-interface {bridge} ! --out-interface {bridge} --jump {_STAGES[1]}"
        found[f"{family} filter {_STAGES[0]} ({bridge})"] = mend
    asked = any(
        f"jump {_STAGES[0]}" in text
        for (table, _chain), texts in chains.items()
        for text in texts
        if table == f"{family} filter"
    )
    return found if leaving or dropped or not asked else {f"{family} filter {_STAGES[0]}": ""}


def _until_all_return(texts: Iterable[str]) -> Iterable[str]:
    return itertools.takewhile(lambda text: text not in ("return", "counter return"), texts)
