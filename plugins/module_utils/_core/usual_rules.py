# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of programs that many hosts have, known by what they can do and not by their names alone.

fail2ban bans single addresses; Tailscale and wg-quick keep a tunnel's addresses to the tunnel, and administrators let
a tunnel's packets through. What the stack's own table drops stays dropped, so that what is accepted opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ENDS = r"(?:counter )?(?:drop|reject(?: with .+)?)"
_ADDRESS = r"[0-9a-f.:]+"
_HOOK = r"type filter hook {} priority [^;]+; policy accept;"
#: By table and chain, what their rules may be.
_USUAL: Mapping[re.Pattern[str], re.Pattern[str]] = {
    re.compile(place): re.compile("|".join(texts), re.IGNORECASE)
    for place, texts in {
        "inet f2b-table f2b-chain": (
            _HOOK.format("(?:input|forward)"),
            rf"(?:(?:meta l4proto|(?:tcp|udp) dport) (?:[\w-]+|\{{[^}}]*\}}) )*ip6? saddr @addr6?-set-\S+ {_ENDS}",
        ),
        r"ip6? filter f2b-\S+": (rf"ip6? saddr {_ADDRESS} {_ENDS}", "(?:counter )?return"),
        "ip6? filter (?:INPUT|FORWARD|DOCKER-USER)": (r".* jump f2b-\S+", "(?:counter )?jump ts-(?:input|forward)"),
        "ip6? filter FORWARD": (r'[io]ifname "(?:wg|tun)[\w-]*" (?:counter )?accept',),
        "ip6? nat POSTROUTING": ("(?:counter )?jump ts-postrouting",),
        "ip6? filter ts-(?:input|forward)": (
            ".*(?:accept|return)",
            r".*meta mark set [\w ]+",
            '.*"tailscale.*drop',
        ),
        "ip6? nat ts-postrouting": ('.*(?:masquerade|xt target "MASQUERADE")',),
        r"ip6? wg-quick-\S+ \S+": (
            _HOOK.format("(?:pre|post)routing"),
            rf'iifname != "[^"]+" ip6? daddr {_ADDRESS} fib saddr type != local drop',
            r"meta l4proto udp (?:meta mark|ct mark) [\w ]+",
        ),
    }.items()
}


def is_usual(table: str, chain: str, text: str) -> bool:
    """Whether a rule is one of those. ``table`` is family and name."""
    return any(
        place.fullmatch(f"{table} {chain}") and texts.fullmatch(text) is not None for place, texts in _USUAL.items()
    )
