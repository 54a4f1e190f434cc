# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By what sshd opens an account to guessed passwords, and by what it refuses whom Ansible signs in as."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..firewall import Opening, parse_opening

#: The options that may refuse somebody.
DECIDING = (
    *("AllowUsers", "DenyUsers", "AllowGroups", "DenyGroups", "PermitRootLogin", "PubkeyAuthentication"),
    *("AuthorizedKeysFile", "PasswordAuthentication", "AuthenticationMethods", "Port", "ListenAddress"),
    *("ForceCommand", "ChrootDirectory", "MaxSessions"),
)
#: And what else is asked of sshd to judge them.
JUDGED = (
    *(option.lower() for option in DECIDING),
    *("authorizedkeyscommand", "kbdinteractiveauthentication", "trustedusercakeys"),
)
#: Who signs in by such a method needs nothing but a password.
_PASSWORDS = {"PasswordAuthentication": "password", "KbdInteractiveAuthentication": "keyboard-interactive"}
_KEYS_ONLY = "\\n".join(f"{option} no" for option in (*_PASSWORDS, "PermitEmptyPasswords"))
_RELOAD = "sshd -t && systemctl reload ssh"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - to compare
_PORT = "22"


def by_password(options: Mapping[str, str]) -> str:
    """The option by which a password alone opens an account; empty where none does."""
    for option, method in _PASSWORDS.items():
        # Without PAM, nobody asks.
        on = options[option.lower()] == "yes" and (method == "password" or options["usepam"] == "yes")
        if on and _suffices(options["authenticationmethods"], method):
            return option
    return ""


def _suffices(methods: str, *own: str) -> bool:
    """Whether one of sshd's lists of methods is gone through with these alone."""
    lists = [[one.partition(":")[0] for one in words.split(",")] for words in methods.split()]
    return not lists or any(words == ["any"] or set(words) <= set(own) for words in lists)


def keys_only(seen: Mapping[str, Any], refused: bool) -> str:
    """What has sshd open nobody by a password. Of blocks that match, the first one counts, and more than the rest."""
    typed = f"printf '{_KEYS_ONLY}\\nMatch all\\n{_KEYS_ONLY}\\n' >/etc/ssh/sshd_config.d/00-keys.conf && {_RELOAD}"
    return f"{safely(seen, refused)}{typed}"


def safely(seen: Mapping[str, Any], refused: bool) -> str:
    """What is to be done before sshd is reloaded, so that the administrator can still come in."""
    if refused:
        return f"first what lets {seen['as']} in, then: "
    return "" if _has_keys(seen) else f"first a key of your own for {seen['as']} (ssh-copy-id), then: "


def _has_keys(seen: Mapping[str, Any]) -> bool:
    return bool(seen["entry"]["keys"]) or any(one["account"] == seen["as"] for one in seen["keys"])


def refusals(seen: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Why whom Ansible signs in as is refused once sshd reads its files anew, and what mends it.

    ``rules`` are the firewall's, none where it is switched off.
    """
    entry, account = seen["entry"], seen["as"]
    if not entry["options"]:
        return {}
    found = [*_by_name(entry, account), *_by_method(seen), *_by_session(seen), *_by_place(entry, rules)]
    return {f"{option}{_where(entry, option)}": _mend(seen, option) for option in dict.fromkeys(found)}


def _values(entry: Mapping[str, Any], option: str) -> list[str]:
    return [word for value in entry["options"].get(option.lower(), []) for word in value.split()]


def _by_name(entry: Mapping[str, Any], account: str) -> Iterable[str]:
    address = entry["from"].get("addr", "")
    for kind, own in (("Users", [account]), ("Groups", entry["groups"])):
        allowed, denied = (_values(entry, f"{verb}{kind}") for verb in ("Allow", "Deny"))
        if allowed and not _any_matches(own, allowed, address):
            yield f"Allow{kind}"
        if _any_matches(own, denied, address):
            yield f"Deny{kind}"


def _any_matches(names: Iterable[str], patterns: Sequence[str], address: str) -> bool:
    return any(_matches(name, pattern, address) for name in names for pattern in patterns)


def _matches(name: str, pattern: str, address: str) -> bool:
    """Whether a pattern like ``name@address`` takes it; where nobody knows the address, by the name."""
    user, _at, host = pattern.partition("@")
    if not fnmatchcase(name, user):
        return False
    if not host or not address or fnmatchcase(address, host):
        return True
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(host, strict=False)
    except ValueError:
        return False


def _by_method(seen: Mapping[str, Any]) -> Iterable[str]:
    entry, root = seen["entry"], seen["as"] in seen["roots"]
    one = {option: " ".join(_values(entry, option)) for option in DECIDING}
    if _has_keys(seen):
        if root and one["PermitRootLogin"] in ("no", "forced-commands-only"):
            yield "PermitRootLogin"
        if one["PubkeyAuthentication"] == "no":
            yield "PubkeyAuthentication"
        elsewhere = {
            word for option in ("AuthorizedKeysCommand", "TrustedUserCAKeys") for word in _values(entry, option)
        }
        if not entry["keys"] and elsewhere <= {"none"}:
            yield "AuthorizedKeysFile"
        if not _suffices(one["AuthenticationMethods"], "publickey"):
            yield "AuthenticationMethods"
    elif seen["as"] in seen["passwords"]:
        if root and one["PermitRootLogin"] != "yes":
            yield "PermitRootLogin"
        if all(_values(entry, option) == ["no"] for option in _PASSWORDS):
            yield "PasswordAuthentication"
        if not _suffices(one["AuthenticationMethods"], *_PASSWORDS.values()):
            yield "AuthenticationMethods"


def _by_session(seen: Mapping[str, Any]) -> Iterable[str]:
    """What lets somebody in who then can do nothing. In force, it has not kept Ansible from its work."""
    if seen["unread"]:
        yield from (
            one for one in ("ForceCommand", "ChrootDirectory") if _values(seen["entry"], one) not in ([], ["none"])
        )
        yield from (["MaxSessions"] if _values(seen["entry"], "MaxSessions") == ["0"] else [])


def _by_place(entry: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Whether sshd listens where Ansible comes in, and behind a port that the firewall opens."""
    places = [(one.rpartition(":")[0].strip("[]"), one.rpartition(":")[2]) for one in entry["listens"]]
    if not places:
        return
    lead_in = [port for address, port in places if not address.startswith(("127.", "::1"))]
    own, address = (entry["from"].get(name, "") for name in ("lport", "laddr"))
    # An address may bring its own port.
    port_of = "Port" if entry["lines"].get("Port") or not entry["lines"].get("ListenAddress") else "ListenAddress"
    if own and own not in [port for _address, port in places]:
        yield port_of
    elif not lead_in or (own and not any((one, own) in places for one in (address, *_EVERYWHERE))):
        yield "ListenAddress"
    elif not own and rules and not any(_opens(parse_opening(rule), port) for rule in rules for port in lead_in):
        yield port_of


def _opens(opening: Opening, port: str) -> bool:
    outside = opening.protocol == "tcp" and opening.source not in ("peers", "containers")
    return outside and opening.first <= int(port) <= opening.last


def _culprits(entry: Mapping[str, Any], option: str) -> list[str]:
    """The lines that say what is in force, or all of the option where that cannot be told by what they say."""
    lines = entry["lines"].get(option, {})
    said = " ".join(_values(entry, option))
    return [place for place, value in lines.items() if value.strip('"').lower() == said.lower()] or [*lines]


def _where(entry: Mapping[str, Any], option: str) -> str:
    places = _culprits(entry, option)
    return f" ({', '.join(places)})" if places else ""


def _mend(seen: Mapping[str, Any], option: str) -> str:
    """What takes the line out, or else says what lacks."""
    entry = seen["entry"]
    own = entry["from"].get("lport", "")
    typed = []
    for place in _culprits(entry, option):
        path, _colon, number = place.rpartition(":")
        typed.append(f"sed -i '{number}s/^/#/' {path}")
    if option == "Port" and own not in ("", _PORT):
        typed.append(f"sed -i '1i Port {own}' /etc/ssh/sshd_config")
    if option == "PasswordAuthentication":
        return f"{safely(seen, refused=False)}{_RELOAD}"
    if not typed:
        return f"take the line out that grep -rni {option} /etc/ssh shows, then: {_RELOAD}"
    return " && ".join([*typed, _RELOAD])
