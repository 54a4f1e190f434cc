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
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..._core.checklist.administrators import ACCOUNTS, RAISED
from .. import system
from . import sshd
from .walk import below

_NO_SHELLS = ("/nologin", "/false", "/sync")
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
        "/root/.ssh",
        "/root/.ssh/authorized_keys",
    ),
    *("/etc/sysctl.d/99-firstbell.conf", "/etc/systemd/system/*.*", "/usr/local/lib/firstbell/*"),
)
_SUFFICES, _JUMPS = r"(?:sufficient|\[[^]\n]*success=(?:done|end)[^]\n]*\])", r"\[[^]\n]*success=\d[^]\n]*\]"
#: Whom a line of pam_succeed_if names does not count: some sign in at the screen without a password.
_NAMED = r"(?![^\n]*\b(?:user|uid)\s+(?:=|eq|in|ingroup)\s)"
#: Whoever asks is let in, and nothing further is asked.
_PERMITS = re.compile(
    rf"^[^\S\n]*-?auth\s+((?:{_SUFFICES}|{_JUMPS})\s+\S*pam_permit\b.*|{_SUFFICES}\s+\S*pam_succeed_if\b{_NAMED}.*"
    rf"|{_JUMPS}\s+\S*pam_succeed_if\b.*\buid\s+(?:>=?|ge|gt)\s+\d{{1,3}}\b.*)$",
    re.MULTILINE,
)
#: A program that is given the password of whoever signs in or changes it.
_EXECUTES = re.compile(
    r"^[^\S\n]*-?(?:auth|password)\s+(?:\[[^]\n]*\]|\S+)\s+\S*(pam_exec\.so\b.*)$", re.MULTILINE | re.IGNORECASE
)
#: What sets the environment of everybody who signs in, of root's shell, or of every service.
_ENVIRONMENTS = (
    *("/etc/environment", "/etc/profile", "/etc/bash.bashrc", "/root/.profile", "/root/.bash*"),
    *("/etc/systemd/system.conf", *(f"/{place}/systemd/system.conf.d/*.conf" for place in ("etc", "run", "usr/lib"))),
)
_LOADED = re.compile(
    r"^\s*(?:export\s+|(?:Default|Manager)Environment\s*=.*?)?(LD_(?:AUDIT|LIBRARY_PATH|PRELOAD)=\S+)", re.MULTILINE
)
_SUDOERS = "/etc/sudoers"
#: A folder or a file that sudo reads as well; its path may stand in quotes.
_INCLUDES = re.compile(r'^[^\S\n]*[#@]include(dir)?[^\S\n]+(?:"([^"\n]+)"|((?:\\.|[^\s\\])+))', re.MULTILINE)
_PROGRAMS = ("/usr/bin", "/usr/sbin")
#: Where no package puts a program that runs as root for everybody.
_PLACES = ("/usr/local", "/opt", "/srv", "/home", "/root", "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - to look
_CAPABILITY = "security.capability"
#: After four bytes of its version: tag, bits and number of each entry (linux/posix_acl_xattr.h).
_ACL, _ACL_KINDS, _ACL_MASK = "system.posix_acl_access", {0x02: "user", 0x08: "group"}, 0x10


def gather(stack: str, written: Iterable[str]) -> dict[str, Any]:
    """Who could log in as whom, who may write what decides on it, and what is loaded into every program."""
    accounts = [line.split(":") for line in (system.read_text("/etc/passwd") or "").splitlines()]
    shadow = [line.split(":") for line in (system.read_text("/etc/shadow") or "").splitlines()]
    passwords = [words[0] for words in shadow if len(words) > 1 and words[1].startswith("$")]
    came, connection = sshd.session()
    cut: list[str] = []
    own = came or os.environ.get("SUDO_USER", "") or "root"
    return {
        "roots": [words[0] for words in accounts if len(words) > 2 and words[2] == "0"],  # noqa: PLR2004
        "open": [words[0] for words in shadow if len(words) > 1 and not words[1]],
        "passwords": passwords,
        "ssh": sshd.of_accounts(sorted({"root", own, *passwords, *_with_shell(accounts)})),
        "as": own,
        "keys": [key for words in accounts if len(words) > _HOME for key in _keys(words[0], words[_HOME])],
        "members": [{"who": who, "group": group} for group in _POWERFUL for who in members_of(group)],
        "decisive": {path: status_of(path) for path in decisive_files(stack, written)},
        "ending": {words[0]: days for words in shadow if words[0] in ("root", own) for days in _days_left(words)},
        "preload": [*_preloaded(), *_environment()],
        "entry": sshd.gather(own, connection),
        "unread": sshd.unread(),
        "sudo": sudo_rules(),
        "containers": [
            {"name": words[0], "shell": words[-1]} for words in accounts if len(words) > _SHELL and words[2] == OWNER
        ],
        "executing": executing(),
        "permitting": permitting(),
        "raised": [path for path in raised(_programs()) if not RAISED.fullmatch(os.path.basename(path))],
        "raised_elsewhere": list(raised(below(_PLACES, f"/opt/{stack}/data", cut=cut))),
        # Once all of them were gone through.
        "cut": cut,
    }


def _days_left(words: Sequence[str]) -> list[int]:
    """How long an account of /etc/shadow can be signed in to, by its own end and by the age of its password."""
    today = int(time.time() // _DAY)
    changed, most, ends = (int(words[place]) if words[place:] and words[place] else -1 for place in _AGES)
    by_age = changed + most if changed > 0 and most >= 0 else 0 if changed == 0 else today + _NEVER
    left = min(by_age, ends if ends >= 0 else by_age) - today
    return [left] if left < _NEVER else []


def status_of(path: str) -> dict[str, Any] | None:
    """Mode and owner, and to whom else a list of its own gives rights; None where there is nothing."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return {"mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid, "given": given(path)}


def given(path: str) -> dict[str, int]:
    """The rights that the access control list of a file gives to users and groups by name, in bits of a mode."""
    try:
        packed = os.getxattr(path, _ACL)
    except OSError:
        return {}
    entries = list(struct.iter_unpack("<HHI", packed[4:]))
    mask = next((bits for tag, bits, _who in entries if tag == _ACL_MASK), 0o7)
    return {f"{_ACL_KINDS[tag]}:{who}": bits & mask for tag, bits, who in entries if tag in _ACL_KINDS and bits & mask}


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


def _preloaded() -> list[str]:
    return [f"{path} of /etc/ld.so.preload" for path in (system.read_text("/etc/ld.so.preload") or "").split()]


def _environment() -> list[str]:
    """What is loaded into the programs of whoever signs in, or of services."""
    paths = [path for pattern in _ENVIRONMENTS for path in glob.glob(pattern) if not path.endswith("_history")]
    return [f"{found} of {path}" for path in paths for found in _LOADED.findall(system.read_text(path) or "")]


def _keys(account: str, home: str) -> list[dict[str, str]]:
    """The keys that open an account, by their fingerprints."""
    text = "\n".join(system.read_text(f"{home}/.ssh/{name}") or "" for name in ("authorized_keys", "authorized_keys2"))
    found = []
    for key in sshd.keys(text):
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


def permitting() -> list[dict[str, str]]:
    """Where nobody is asked for a password."""
    texts = {path: (system.read_text(path) or "").replace("\\\n", " ") for path in sorted(glob.glob("/etc/pam.d/*"))}
    return [
        {"path": path, "line": " ".join(line.split())}
        for path, text in texts.items()
        for line in _PERMITS.findall(text)
    ]


def executing() -> list[dict[str, str]]:
    """Where what asks for passwords gives them to a program, but in what a package has brought so."""
    found = []
    for path in sorted(glob.glob("/etc/pam.d/*")):
        text = (system.read_text(path) or "").replace("\\\n", " ")
        found += [{"path": path, "line": " ".join(one.split())} for one in _EXECUTES.findall(text)]
    if not found:
        return []
    known = [line.split() for line in system.lines(["dpkg-query", "--show", "--showformat", "${Conffiles}\n"])]
    digests = {words[0]: words[1] for words in known if len(words) > 1}
    return [one for one in found if digests.get(one["path"]) != _md5(one["path"])]


def _md5(path: str) -> str:
    """The digest by which dpkg knows a file of a package."""
    with open(path, "rb") as file:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()


def sudo_files() -> list[str]:
    """What sudo reads, and what that includes."""
    found = [_SUDOERS, *_of_folder(f"{_SUDOERS}.d")]
    # It grows while it is read.
    for path in found:
        for folder, quoted, plain in _INCLUDES.findall(system.read_text(path) or ""):
            asked = (quoted or plain.replace("\\", "")).replace("%h", os.uname().nodename.partition(".")[0])
            names = [os.path.join(os.path.dirname(path), name) for name in asked.split(":")]
            included = (one for name in names for one in (_of_folder(name) if folder else [name]))
            found += [one for one in included if one not in found]
    return [path for path in found if os.path.isfile(path)]


def _of_folder(folder: str) -> list[str]:
    """Of what has a dot in its name, or ends so, sudo reads nothing."""
    paths = sorted(glob.glob(f"{folder.rstrip('/')}/*"))
    return [one for one in paths if "." not in os.path.basename(one) and not one.endswith("~")]


def sudo_rules() -> list[dict[str, Any]]:
    """Whom sudo lets be root, but root, its own group, and the user that this runs for."""
    found = []
    own = ("root", "%admin", "%sudo", os.environ.get("SUDO_USER", ""))
    for path in sudo_files():
        rules: dict[str, bool] = {}
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
