# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who could act as the host's administrator, and by what, as the checks judge it."""

from __future__ import annotations

import base64
import contextlib
import glob
import grp
import hashlib
import os
import pwd
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..._core.checklist.administrators import ACCOUNTS, RAISED
from ..._core.systemd_units import parse_timestamp
from .. import system
from .walk import below

_SSH_OPTIONS = (
    "authorizedkeyscommand",
    "authorizedkeysfile",
    "passwordauthentication",
    "permitemptypasswords",
    "permitrootlogin",
    "trustedusercakeys",
    "error",
)
#: From somewhere on the internet (RFC 5737): without a connection, blocks of Match would be passed over.
_SSH_FROM = {"host": "localhost", "addr": "203.0.113.1", "laddr": "127.0.0.1", "lport": "22"}
#: What a block of Match may say of the connection, in small letters, and how sshd is asked about it.
_SSH_CRITERIA = {"address": "addr", "host": "host", "localaddress": "laddr", "localport": "lport"}
_SSH_FILES = ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf")
_MATCH = re.compile(r"^\s*match\s+(.*)$", re.MULTILINE | re.IGNORECASE)
_NO_SHELLS = ("/nologin", "/false", "/sync")
#: Why it stops though its files are right: it does not run and has no folder or keys, or wants to know who asks.
_SSH_STOPPED = ("privilege separation directory", "no hostkeys available", "connection test specification")
_KEY = re.compile(r"(?:^|\s)(?:ssh|ecdsa|sk)-\S+ (AAAA[A-Za-z0-9+/]+)=*(.*)$")
#: Whoever belongs to one of these reads or writes everything. The engine's group has a check of its own.
_POWERFUL = ("adm", "disk", "incus-admin", "kmem", "lxd", "shadow", "sudo")
_HOME, _SHELL = 5, 6
#: Of a line of /etc/shadow, in days: when the password was changed, how long it holds, and when the account ends.
_AGES = (2, 4, 7)
_DAY, _NEVER = 86400, 10_000
#: As whom the containers run.
OWNER = "1001"
#: What root does by them, so that whoever may write one is root.
_DECISIVE = (
    *("/", "/etc", "/etc/cron.*", "/etc/pam.d", "/etc/ssh", "/etc/sudoers.d", "/etc/systemd", "/etc/systemd/system"),
    *("/opt", "/root", "/usr", "/usr/bin", "/usr/lib", "/usr/sbin", "/var", "/var/lib", "/var/lib/docker"),
    *(*ACCOUNTS, "/etc/docker", "/etc/docker/daemon.json", "/etc/crontab", "/etc/cron.d/*", "/etc/sudoers.d/*"),
    *(
        "/etc/nftables.d/firstbell.nft",
        "/etc/ssh/sshd_config",
        "/etc/ssh/sshd_config.d/*",
        "/root/.ssh/authorized_keys",
    ),
    *("/etc/sysctl.d/99-firstbell.conf", "/etc/systemd/system/*.*", "/usr/local/lib/firstbell/*"),
)
#: Whoever asks is let in, and nothing further is asked.
_PERMITS = re.compile(r"^\s*auth\s+(?:sufficient|\[[^]]*success=(?:done|end)[^]]*\])\s+pam_permit", re.MULTILINE)
_LOADED = re.compile(r"^\s*(LD_(?:AUDIT|LIBRARY_PATH|PRELOAD)=\S+)", re.MULTILINE)
_PROGRAMS = ("/usr/bin", "/usr/sbin")
#: Where no package puts a program that runs as root for everybody.
_PLACES = ("/usr/local", "/opt", "/srv", "/home", "/root", "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - to look
_CAPABILITY = "security.capability"


def gather(stack: str, written: Iterable[str]) -> dict[str, Any]:
    """Who could log in as whom, who may write what decides on it, and what is loaded into every program."""
    accounts = [line.split(":") for line in (system.read_text("/etc/passwd") or "").splitlines()]
    shadow = [line.split(":") for line in (system.read_text("/etc/shadow") or "").splitlines()]
    passwords = [words[0] for words in shadow if len(words) > 1 and words[1].startswith("$")]
    own = os.environ.get("SUDO_USER", "") or "root"
    return {
        "roots": [words[0] for words in accounts if len(words) > 2 and words[2] == "0"],  # noqa: PLR2004
        "open": [words[0] for words in shadow if len(words) > 1 and not words[1]],
        "passwords": passwords,
        "ssh": _ssh_of(sorted({"root", own, *passwords, *_with_shell(accounts)})),
        "as": own,
        "keys": [key for words in accounts if len(words) > _HOME for key in _keys(words[0], words[_HOME])],
        "members": [{"who": who, "group": group} for group in _POWERFUL for who in members_of(group)],
        "decisive": {path: status_of(path) for path in decisive_files(stack, written)},
        "ending": {words[0]: days for words in shadow if words[0] in ("root", own) for days in _days_left(words)},
        "preload": [*_preloaded(), *_environment()],
        "locked_out": _locked_out(own),
        "unread": _unread(),
        "sudo": sudo_rules(),
        "containers": [
            {"name": words[0], "shell": words[-1]} for words in accounts if len(words) > _SHELL and words[2] == OWNER
        ],
        "permitting": [path for path in glob.glob("/etc/pam.d/*") if _PERMITS.search(system.read_text(path) or "")],
        "raised": [path for path in raised(_programs()) if not RAISED.fullmatch(os.path.basename(path))],
        "raised_elsewhere": list(raised(below(_PLACES, f"/opt/{stack}/data"))),
    }


def _days_left(words: Sequence[str]) -> list[int]:
    """How long an account of /etc/shadow can be signed in to, by its own end and by the age of its password."""
    today = int(time.time() // _DAY)
    changed, most, ends = (int(words[place]) if words[place:] and words[place] else -1 for place in _AGES)
    by_age = changed + most if changed > 0 and most >= 0 else 0 if changed == 0 else today + _NEVER
    left = min(by_age, ends if ends >= 0 else by_age) - today
    return [left] if left < _NEVER else []


def status_of(path: str) -> dict[str, int] | None:
    """Mode and owner; None where there is nothing."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return {"mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid}


def _programs() -> Iterator[str]:
    for folder in _PROGRAMS:
        yield from (entry.path for entry in os.scandir(folder))


def raised(paths: Iterable[str]) -> Iterator[str]:
    """Of files, those that run as root, or with some of its powers, whoever starts them."""
    for path in paths:
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            started = stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IXOTH
            by_mode = found.st_mode & stat.S_ISUID and found.st_uid == 0
            if started and (by_mode or _CAPABILITY in os.listxattr(path)):
                yield path


def _with_shell(accounts: Iterable[Sequence[str]]) -> list[str]:
    """Whom it helps to sign in."""
    return [words[0] for words in accounts if len(words) > _SHELL and not words[_SHELL].endswith(_NO_SHELLS)]


def _ssh_of(accounts: Iterable[str]) -> dict[str, dict[str, str]]:
    """The options of sshd by account, and by account and the connection where those are others."""
    found = {}
    texts = [system.read_text(path) or "" for pattern in _SSH_FILES for path in sorted(glob.glob(pattern))]
    elsewhere = connections("\n".join(texts))
    for account in accounts:
        usual = found[account] = _ssh(account)
        for name, connection in elsewhere.items():
            options = _ssh(account, **connection)
            if options != usual:
                found[f"{account} {name}"] = options
    return found


def _unread() -> list[str]:
    """The files of sshd that were changed after it has read them; ``sshd -T`` reads them anew."""
    properties = ["--timestamp=us+utc", "--property=ActiveState,StateChangeTimestamp"]
    said = system.run(["systemctl", "show", *properties, "ssh.service"], stdin="", check=False).out
    shown = dict(line.partition("=")[::2] for line in said.splitlines())
    if shown.get("ActiveState") != "active":
        return []
    read = parse_timestamp(shown.get("StateChangeTimestamp", ""))
    return [path for pattern in _SSH_FILES for path in sorted(glob.glob(pattern)) if system.changed_after(path, read)]


def connections(text: str) -> dict[str, dict[str, str]]:
    """Read of sshd's files what each block of Match asks of where one comes from or arrives, in sshd's words."""
    found = {}
    for line in _MATCH.findall(text):
        words = re.split(r"[\s=]+", line.strip())
        asked = {
            criterion: next((one for one in patterns.strip('"').split(",") if not one.startswith("!")), "")
            for criterion, patterns in zip(words[::2], words[1::2], strict=False)
            if criterion.lower() in _SSH_CRITERIA
        }
        values = {
            _SSH_CRITERIA[criterion.lower()]: pattern.partition("/")[0].replace("*", "1").replace("?", "1")
            for criterion, pattern in asked.items()
        }
        if values and all(values.values()):
            found["with " + " ".join(f"{criterion} {pattern}" for criterion, pattern in asked.items())] = values
    return found


def _ssh(account: str, **connection: str) -> dict[str, str]:
    """The options of sshd for who signs in as ``account`` so, and as ``error`` why it cannot read its files."""
    sshd = system.find_program("sshd")
    if sshd is None:
        return dict.fromkeys(_SSH_OPTIONS, "")
    asked = ",".join(f"{name}={value}" for name, value in {"user": account, **_SSH_FROM, **connection}.items())
    said = system.run([sshd, "-T", "-C", asked], stdin="", check=False)
    options = dict(line.partition(" ")[::2] for line in said.out.splitlines())
    refused = said.code != 0 and not any(reason in said.err for reason in _SSH_STOPPED)
    options["error"] = (said.err.strip() or "it does not say why").splitlines()[0] if refused else ""
    return {name: options.get(name, "") for name in _SSH_OPTIONS}


def _locked_out(account: str) -> list[str]:
    """The options of sshd by which the account is refused, whatever its key. Addresses are passed over."""
    sshd = system.find_program("sshd")
    said = system.run([sshd, "-T", "-C", f"user={account},{_SSH_FROM}"], stdin="", check=False).out if sshd else ""
    groups = [one.gr_name for one in grp.getgrall() if account in members_of(one.gr_name)]
    names = {"users": [account], "groups": groups}
    found = []
    for kind, own in names.items():
        allowed, denied = (_patterns(said, f"{verb}{kind}") for verb in ("allow", "deny"))
        if allowed and not _any_matches(own, allowed):
            found.append(f"Allow{kind.title()}")
        if _any_matches(own, denied):
            found.append(f"Deny{kind.title()}")
    return found


def _patterns(said: str, option: str) -> list[str]:
    words = (line.split() for line in said.splitlines())
    return [name for one in words if one and one[0] == option for name in one[1:]]


def _any_matches(names: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern.partition("@")[0]) for name in names for pattern in patterns)


def _preloaded() -> list[str]:
    return [f"{path} of /etc/ld.so.preload" for path in (system.read_text("/etc/ld.so.preload") or "").split()]


def _environment() -> list[str]:
    """What the environment of everybody who signs in has loaded."""
    return [f"{found} of /etc/environment" for found in _LOADED.findall(system.read_text("/etc/environment") or "")]


def _keys(account: str, home: str) -> list[dict[str, str]]:
    """The keys that open an account, by their fingerprints."""
    text = "\n".join(system.read_text(f"{home}/.ssh/{name}") or "" for name in ("authorized_keys", "authorized_keys2"))
    found = []
    for line in text.splitlines():
        key = _KEY.search(line)
        # That of a cloud's image only says who is to be taken instead.
        if key and not line.startswith("#") and "Please login as the user" not in line:
            # What is no key opens nothing.
            with contextlib.suppress(ValueError):
                digest = hashlib.sha256(base64.b64decode(key[1] + "==")).digest()
                fingerprint = "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
                found.append({"account": account, "key": fingerprint, "comment": key[2].strip()})
    return found


def members_of(group: str | int) -> list[str]:
    """Who belongs to a group, by its list or as the group of the account."""
    try:
        entry = grp.getgrnam(group) if isinstance(group, str) else grp.getgrgid(group)
    except KeyError:
        return []
    primary = [one.pw_name for one in pwd.getpwall() if one.pw_gid == entry.gr_gid]
    return sorted({*entry.gr_mem, *primary})


def decisive_files(stack: str, written: Iterable[str] = ()) -> list[str]:
    """What makes an administrator of whoever may write it: the accounts, and what root runs or reads."""
    lib = "/usr/local/lib"
    patterns = (*_DECISIVE, f"/usr/local/sbin/{stack}-*", f"{lib}/{stack}-*", f"{lib}/{stack}-*/**/*")
    found = {path for pattern in patterns for path in glob.glob(pattern, recursive=True)}
    found |= {path for path in written if not path.startswith(f"/opt/{stack}/")}
    # What is masked leads to a device that everybody may write.
    return sorted(path for path in found if os.path.exists(path) and not os.path.islink(path))


def sudo_rules() -> list[dict[str, Any]]:
    """Whom sudo lets be root, but root, its own group, and the user that this runs for."""
    found = []
    own = ("root", "%admin", "%sudo", os.environ.get("SUDO_USER", ""))
    # Of what has a dot in its name, or ends so, sudo reads nothing.
    further = [path for path in glob.glob("/etc/sudoers.d/*") if not os.path.basename(path).endswith("~")]
    further = [path for path in further if "." not in os.path.basename(path)]
    for path in filter(os.path.isfile, ("/etc/sudoers", *sorted(further))):
        rules = {}
        for line in (system.read_text(path) or "").replace("\\\n", " ").splitlines():
            words = line.split() or ["#"]
            free = "NOPASSWD:" in line or "!authenticate" in line
            # Of what begins with a #, a number is a user, and all else a comment.
            comment = words[0][0] in "#@" and not words[0][1:].isdigit()
            setting = words[0].startswith("Defaults") or words[0].endswith("_Alias")
            if not comment and words[0] != own[-1] and (free or not (setting or words[0] in own)):
                rules[words[0]] = rules.get(words[0], False) or free
        found += [{"who": who, "path": path, "free": free} for who, free in sorted(rules.items())]
    return found
