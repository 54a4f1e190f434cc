# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's packet filter: the stack's rules, the engine's, and nobody else's."""

from __future__ import annotations

from fnmatch import fnmatchcase

from .. import engine_rules, foreign_rules
from .host import of_file
from .model import Facts, Outcome, check, none_of, warned
from .services import SITE

FIREWALL_FILE = "/etc/nftables.d/firstbell.nft"
#: The stack's own, as family and name.
_TABLE = "inet firstbell"
_ENGINE_ANEW = "systemctl restart docker, at a quiet time: it starts every container anew"


@check(
    "firewall-rules",
    "S54 S107",
    "network",
    "The host's firewall has exactly the rules that were planned",
    target="the rules of the inventory, in the kernel and at every boot, and beside them nothing but the engine's",
    command="nft --stateless --handle list ruleset; systemctl is-enabled firstbell-firewall; " + f"cat {FIREWALL_FILE}",
    fix=f"systemctl restart firstbell-firewall. {SITE}",
    needs="firewall engine",
    everywhere=True,
)
def firewall_rules(facts: Facts) -> Outcome:
    seen = facts.seen["firewall"]
    if not facts.expected["firewall"]["enabled"]:
        return warned("it is switched off (firewall_enabled)", fix="Remove firewall_enabled: false, then make site")
    problems = []
    if not seen["live"]:
        problems.append("no rules are loaded")
    elif seen["live"] != seen["wanted"]:
        live, wanted = ([line.strip() for line in text.splitlines()] for text in (seen["live"], seen["wanted"]))
        problems += [f"missing: {line}" for line in wanted if line not in live]
        problems += [f"added: {line}" for line in live if line not in wanted]
        problems = problems or ["the rules stand in another order"]
    read_at_boot = of_file(FIREWALL_FILE, seen["written"], seen["file"])
    problems += read_at_boot
    if seen["unit"].get("ActiveState") != "active":
        problems.append("firstbell-firewall does not run")
    # A restart of the service would load what is in the file.
    fixes = [SITE] if read_at_boot else [f"systemctl restart firstbell-firewall. {SITE}"] if problems else []
    if seen["unit"].get("UnitFileState") != "enabled":
        problems.append("the rules would not be loaded at the next boot")
        fixes.append("systemctl enable firstbell-firewall")
    gone, others = _gone(facts), _others(facts)
    problems += [f"the engine's own rules are gone: {', '.join(gone)}"] if gone else []
    problems += others
    for line in seen["hindered"]:
        device = line.partition(" dev ")[2].partition(" ")[0]
        problems.append(f"packets are lost or held up on purpose, {line}: tc qdisc del dev {device} root")
    typed = list(dict.fromkeys(gone.values()))
    fixes += [_ENGINE_ANEW if "" in typed else "; ".join(typed)] if gone else []
    fixes += [f"{'; '.join(others.values())}; what is yours: name it in checks_known_rules"] if others else []
    measured = f"{len(seen['live'].splitlines())} lines, as planned"
    return none_of(problems, measured, seen["live"], fix=". Then: ".join(fixes))


def _published(facts: Facts) -> set[int]:
    """The ports of containers that the engine leads in on this host."""
    return {port for one in facts.seen["engine"]["containers"] for port in one["published"]}


def _gone(facts: Facts) -> dict[str, str]:
    """What somebody has taken out of the engine's rules, with what puts it back."""
    settings = facts.expected["docker"]["settings"]
    if settings.get("iptables", True) is False or facts.seen["firewall"]["ruleset"] is None:
        return {}
    families = ["ip", *(["ip6"] if settings.get("ip6tables") else [])]
    return engine_rules.missing(facts.seen["firewall"]["ruleset"], families, _published(facts))


def _others(facts: Facts) -> dict[str, str]:
    """Whose rules nobody has named, with what removes them."""
    known = facts.expected.get("known_rules", [])
    found = foreign_rules.foreign(facts.seen["firewall"]["ruleset"] or "", _TABLE, _published(facts))
    found.update(
        {f"the route {one.strip()}": f"ip route del {one.strip()}" for one in facts.seen["firewall"]["nowhere"]}
    )
    return {
        rule: remove for rule, remove in found.items() if not any(fnmatchcase(rule, f"{pattern}*") for pattern in known)
    }
