# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd does, or would once it reads its files anew: with each account, and with whom Ansible signs in as."""

from __future__ import annotations

import contextlib
import glob
import grp
import os
import pwd
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..._core.checklist.sshd import DECIDING, JUDGED
from ..._core.systemd_units import parse_timestamp
from .. import system

_OPTIONS = (
    *("authenticationmethods", "authorizedkeyscommand", "authorizedkeysfile", "kbdinteractiveauthentication"),
    *(
        "hostbasedauthentication",
        "passwordauthentication",
        "permitemptypasswords",
        "permitrootlogin",
        "trustedusercakeys",
        "usepam",
        "error",
    ),
)
#: From somewhere on the internet (RFC 5737): without a connection, blocks of Match would be passed over.
_FROM = {"host": "localhost", "addr": "203.0.113.1", "laddr": "127.0.0.1", "lport": "22"}
#: What a block of Match may say of the connection, in small letters, and how sshd is asked about it.
_CRITERIA = {"address": "addr", "host": "host", "localaddress": "laddr", "localport": "lport"}
_FILES = ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf")
_FOLDER = "/etc/ssh/"
_INCLUDE = re.compile(r"^\s*include[\s=]+(.*)$", re.MULTILINE | re.IGNORECASE)
_MATCH = re.compile(r"^\s*match\s+(.*)$", re.MULTILINE | re.IGNORECASE)
#: Why it stops though its files are right: it does not run and has no folder or keys, or wants to know who asks.
_STOPPED = ("privilege separation directory", "no hostkeys available", "connection test specification")
_KEY = re.compile(r"(?:^|\s)(?:ssh|ecdsa|sk)-\S+ (AAAA[A-Za-z0-9+/]+)=*(.*)$")
_LINE = re.compile(r"^\s*(\w+)[\s=]+(.*?)\s*(?:\s#.*)?$")


def gather(account: str, connection: dict[str, str]) -> dict[str, Any]:
    """How sshd would let ``account`` in over a connection of ``session()`` once it reads its files anew."""
    options, error = _ask(account, **connection)
    entry = pwd.getpwnam(account)
    return {
        "options": {name: options[name] for name in JUDGED if name in options},
        "error": error,
        "groups": _groups(entry),
        "keys": _keys(options, entry),
        # Where it is started for each connection, systemd listens.
        "listens": options.get("listenaddress", []) if _read_at() is not None else [],
        "from": connection,
        "lines": {option: _lines(option) for option in DECIDING},
    }


def session() -> tuple[str, dict[str, str]]:
    """Who has signed in over ssh so that this runs, and from where to where, in sshd's words; "" where nobody has."""
    pid, number = str(os.getpid()), ""
    connection: dict[str, str] = {}
    while pid not in ("", "0", "1"):
        text = system.read_text(f"/proc/{pid}/status") or ""
        status = dict(line.partition(":\t")[::2] for line in text.splitlines())
        if status.get("Name", "").startswith("sshd"):
            break
        number = status.get("Uid", "").partition("\t")[0]
        connection = _connection(pid) or connection
        pid = status.get("PPid", "")
    names = [one.pw_name for one in pwd.getpwall() if str(one.pw_uid) == number]
    return (names[0], connection) if names and connection else ("", {})


def _connection(pid: str) -> dict[str, str]:
    """What the environment of a process says of where it is used from; of another user's it may be hidden."""
    text = ""
    with contextlib.suppress(OSError):
        text = system.read_text(f"/proc/{pid}/environ") or ""
    said = next((value for value in text.split("\0") if value.startswith("SSH_CONNECTION=")), "")
    words = [word.partition("%")[0] for word in said.partition("=")[2].split()]
    if len(words) != len(_FROM):
        return {}
    return {"host": words[0], "addr": words[0], "laddr": words[2], "lport": words[3]}


def of_accounts(accounts: Iterable[str]) -> dict[str, dict[str, str]]:
    """The options of sshd by account, and by account and the connection where those are others."""
    found = {}
    elsewhere = connections("\n".join(system.read_text(path) or "" for path in files()))
    for account in accounts:
        usual = found[account] = _ssh(account)
        for name, connection in elsewhere.items():
            options = _ssh(account, **connection)
            if options != usual:
                found[f"{account} {name}"] = options
    return found


def unread() -> list[str]:
    """The files of sshd that were changed after it has read them; ``sshd -T`` reads them anew."""
    read = _read_at()
    return [] if read is None else [path for path in files() if system.changed_after(path, read)]


def _read_at() -> float | None:
    """When sshd has read its files, in seconds since 1970; None where it does not run as a service."""
    properties = ["--timestamp=us+utc", "--property=ActiveState,StateChangeTimestamp"]
    said = system.run(["systemctl", "show", *properties, "ssh.service"], stdin="", check=False).out
    shown = dict(line.partition("=")[::2] for line in said.splitlines())
    active = shown.get("ActiveState") == "active"
    return parse_timestamp(shown.get("StateChangeTimestamp", "")) if active else None


def files() -> list[str]:
    """The files of sshd, and what they include."""
    found = [path for pattern in _FILES for path in sorted(glob.glob(pattern))]
    # It grows while it is read.
    for path in found:
        patterns = [word for words in _INCLUDE.findall(system.read_text(path) or "") for word in words.split()]
        included = (one for pattern in patterns for one in sorted(glob.glob(os.path.join(_FOLDER, pattern.strip('"')))))
        found += [one for one in included if one not in found]
    return found


def connections(text: str) -> dict[str, dict[str, str]]:
    """Read of sshd's files what each block of Match asks of where one comes from or arrives, in sshd's words."""
    found = {}
    for line in _MATCH.findall(text):
        words = re.split(r"[\s=]+", line.strip())
        asked = {
            criterion: next((one for one in patterns.strip('"').split(",") if not one.startswith("!")), "")
            for criterion, patterns in zip(words[::2], words[1::2], strict=False)
            if criterion.lower() in _CRITERIA
        }
        values = {
            _CRITERIA[criterion.lower()]: pattern.partition("/")[0].replace("*", "1").replace("?", "1")
            for criterion, pattern in asked.items()
        }
        if values and all(values.values()):
            found["with " + " ".join(f"{criterion} {pattern}" for criterion, pattern in asked.items())] = values
    return found


def _ssh(account: str, **connection: str) -> dict[str, str]:
    """The options of sshd for who signs in as ``account`` so, and as ``error`` why it cannot read its files."""
    options, error = _ask(account, **connection)
    return {**{name: options.get(name, [""])[-1] for name in _OPTIONS}, "error": error}


def _ask(account: str, **connection: str) -> tuple[dict[str, list[str]], str]:
    """What sshd has for each option, one value for each line, and why it cannot read its files."""
    sshd = system.find_program("sshd")
    if sshd is None:
        return {}, ""
    asked = ",".join(f"{name}={value}" for name, value in {"user": account, **_FROM, **connection}.items())
    said = system.run([sshd, "-T", "-C", asked], stdin="", check=False)
    options: dict[str, list[str]] = {}
    for line in said.out.splitlines():
        name, _space, value = line.partition(" ")
        options.setdefault(name, []).append(value)
    refused = said.code != 0 and not any(reason in said.err for reason in _STOPPED)
    return options, (said.err.strip() or "it does not say why").splitlines()[0] if refused else ""


def _groups(account: pwd.struct_passwd) -> list[str]:
    found = []
    for number in os.getgrouplist(account.pw_name, account.pw_gid):
        with contextlib.suppress(KeyError):
            found.append(grp.getgrgid(number).gr_name)
    return found


def _keys(options: dict[str, list[str]], account: pwd.struct_passwd) -> int:
    """How many keys of an account are where sshd would look for them."""
    tokens = {"%h": account.pw_dir, "%u": account.pw_name, "%U": str(account.pw_uid), "%%": "%"}
    patterns = " ".join(options.get("authorizedkeysfile", [])).split()
    paths = [re.sub("%[huU%]", lambda token: tokens[token[0]], pattern) for pattern in patterns]
    texts = [system.read_text(os.path.join(account.pw_dir, path)) or "" for path in paths if path != "none"]
    return sum(1 for text in texts for _key in keys(text))


def keys(text: str) -> Iterator[re.Match[str]]:
    """The lines of keys in a file of them: the key itself, and its comment."""
    for line in text.splitlines():
        key = _KEY.search(line)
        # That of a cloud's image only says who is to be taken instead.
        if key and not line.lstrip().startswith("#") and "Please login as the user" not in line:
            yield key


def _lines(option: str) -> dict[str, str]:
    """Where the files of sshd name an option, as file and number of the line, and what they say there."""
    found = {}
    for path in files():
        for number, line in enumerate((system.read_text(path) or "").splitlines(), 1):
            match = _LINE.match(line)
            if match and match[1].lower() == option.lower():
                found[f"{path}:{number}"] = match[2]
    return found
