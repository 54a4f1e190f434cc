# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules of a host's packet filter are neither the stack's nor the container engine's, nor usual.

What the stack's own table drops stays dropped, whatever another table accepts. But others may drop what is to come
in, or lead it to another port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .usual_rules import is_usual

#: What iptables writes into, and with it the engine; of engine 29 and newer also a table of its own.
_SHARED = ("filter", "mangle", "nat", "raw", "security")
ENGINE_TABLE = "docker-bridges"
_BUILT_IN = ("FORWARD", "INPUT", "OUTPUT", "POSTROUTING", "PREROUTING")
ENGINE, _USER = "DOCKER", "DOCKER-USER"
_HANDLE = re.compile(r"\s*# handle (\d+)$")
_BRIDGE = re.compile(r'[io]ifname (?:!= )?"(?:docker|br-)')
#: Between containers of one bridge (icc), and to a container's address past its bridge.
_WITHIN = re.compile(r'iifname "([^"]+)" oifname "\1"|iifname != "')
_ENDS = re.compile(r"\b(?:drop|reject)\b")
LEADS = re.compile(r"\b(?:dnat|redirect|tproxy)\b|xt target \"(?:DNAT|REDIRECT|TPROXY)\"")
PORT = re.compile(r"\bdport (\d+)")
#: By bridges the engine drops, and what is not of their networks.
_AIMED = re.compile(r"\b(?:[sd]port|[sd]addr) (?!!=)")
#: By which the engine encrypts an overlay network.
_OVERLAY = re.compile(r"dport (?:4789|\d+) .*(?:0x0*d0c4e3|u32|ipsec)")
#: Of a host that is a container itself: the names of the engine that it runs in.
_NAMES = "ip daddr 127.0.0.11 "
_POLICY = re.compile(r"\bpolicy (\w+);")


@dataclass(frozen=True)
class Rule:
    """A line of a chain. ``chain`` is empty for a table without chains."""

    table: str
    chain: str
    text: str
    handle: str = ""


def parse(listing: str) -> tuple[list[str], list[Rule]]:
    """The tables as family and name, and the rules, from "nft --stateless --handle list ruleset"."""
    tables, rules, table, chain, depth = [], [], "", "", 0
    for raw in listing.splitlines():
        handle = _HANDLE.search(raw)
        line = _HANDLE.sub("", raw).strip()
        words = line.split()
        if line.endswith("{") and depth == 0 and words[0] == "table":
            table = " ".join(words[1:3])
            tables.append(table)
        elif line.endswith("{") and depth == 1:
            chain = words[1] if words[0] == "chain" else ""
        elif chain and line and line != "}":
            rules.append(Rule(table, chain, line, handle[1] if handle else ""))
        depth += line.endswith("{") - (line == "}")
        chain = chain if depth > 1 else ""
    return tables, rules


def foreign(listing: str, own: str, published: Iterable[int]) -> dict[str, str]:
    """What is nobody's that is known, and what removes it. ``published``: the ports of the engine's containers."""
    tables, everything = parse(listing)
    rules = [rule for rule in everything if not is_usual(rule.table, rule.chain, rule.text)]
    # Of a table without any rule nobody knows whose it is.
    usual = {rule.table for rule in everything} - {rule.table for rule in rules}
    ports, found = set(published), {}
    for table in tables:
        if table != own and table not in usual and not _is_engines(table):
            found[f"{table} is a table of its own"] = f"nft delete table {table}"
    for rule in rules:
        if _is_engines(rule.table) and rule.table.split()[1] != ENGINE_TABLE and _strange(rule, ports):
            remove = f"nft delete rule {rule.table} {rule.chain} handle {rule.handle}"
            policy = _POLICY.search(rule.text)
            if policy:
                remove = f"nft 'chain {rule.table} {rule.chain} {{ policy accept; }}'"
            found[f"{rule.table} {rule.chain}: {rule.text}"] = remove
    return found


def _is_engines(table: str) -> bool:
    family, name = table.split()
    return family in ("ip", "ip6") and name in (*_SHARED, ENGINE_TABLE)


def _strange(rule: Rule, published: set[int]) -> bool:
    if rule.text.startswith("type "):
        # Of what is forwarded the engine drops what it does not know.
        return rule.chain not in ("FORWARD", *_engines_hooks(rule)) and "policy drop" in rule.text
    if rule.chain.startswith(ENGINE) and rule.chain != _USER:
        ports = {int(port) for port in PORT.findall(rule.text)}
        led = bool(LEADS.search(rule.text)) and not ports <= published and _NAMES not in rule.text
        shut = bool(_ENDS.search(rule.text) and (_AIMED.search(rule.text) or "ifname" not in rule.text))
        return led or shut or _lets_through(rule)
    if rule.chain == _USER:
        return rule.text not in ("return", "counter return")
    if f"jump {ENGINE}" in rule.text or _OVERLAY.search(rule.text):
        return False
    if rule.chain == "POSTROUTING" and re.search(r"masquerade|MASQUERADE", rule.text):
        return False
    ends = _ENDS.search(rule.text) and not _WITHIN.search(rule.text)
    return not _BRIDGE.search(rule.text) or bool(ends) or bool(LEADS.search(rule.text))


def _lets_through(rule: Rule) -> bool:
    """Whether the engine's own chains end for what it would have dropped."""
    everything = rule.chain == ENGINE and "ifname" not in rule.text
    return rule.text.endswith("accept") and (everything or "ISOLATION" in rule.chain)


def _engines_hooks(rule: Rule) -> tuple[str, ...]:
    return () if rule.chain in _BUILT_IN else (rule.chain,) if rule.chain.startswith(ENGINE) else ()
