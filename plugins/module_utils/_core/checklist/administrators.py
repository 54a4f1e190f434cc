# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may act as the host's administrator, and what does so by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from . import sshd
from .custody import not_all
from .model import Facts, Outcome, check, none_of, warned_of

#: Who there is, and what opens them, with the widest mode of each.
ACCOUNTS = {
    "/usr/local": 0o775,
    "/usr/local/*bin": 0o775,
    "/usr/local/lib": 0o775,
    "/etc/group": 0o644,
    "/etc/gshadow": 0o640,
    "/etc/passwd": 0o644,
    "/etc/shadow": 0o640,
    "/etc/ssh/ssh_host_*_key": 0o600,
    "/etc/sudoers": 0o640,
}
#: What packages let run as root for everybody, each for a deed of its own.
RAISED = re.compile(
    "arping|at|bwrap|chage|chfn|clockdiff|chsh|dbus-daemon-launch-helper|dumpcap|exim4|expiry|fping|fusermount3?|gpasswd"
    "|mount([.][a-z_]+)?|mtr-packet|new[gu]idmap|newgrp|ntfs-3g|pam_timestamp_check|passwd|ping6?|pkexec|pppd|schroot"
    "|ssh-keysign|su|sudo(edit)?|umount([.][a-z_]+)?|unix_chkpwd|vmware-user-suid-wrapper"
)
_OF_LOGINS = (
    "What the finding says; passwd --lock NAME or userdel NAME; rm /etc/ld.so.preload, and find out who wrote it"
)
_OWNER = 1001
#: Days in which somebody can do something about it, and in which somebody must; by a policy each password gets there.
_SOON, _NOW, _PAST = 30, 7, -1_000_000
#: Where sshd looks for keys by itself.
_KEY_FILES = ("none", ".ssh/authorized_keys", ".ssh/authorized_keys2", "%h/.ssh/authorized_keys")


@check(
    "logins",
    "S92 S99",
    "host",
    "Nobody becomes the host's administrator without a key or a password",
    target="one account with user number 0, no empty password, no sign-in by one, sudo asks for it, nothing preloaded, "
    "no key and no member of sudo that nobody knows",
    command="getent passwd 0; passwd --status --all; "
    "sshd -T -C user=root,host=localhost,addr=203.0.113.1 | grep -e password -e kbd -e root -e keys; "
    "grep -r -e NOPASSWD -e include /etc/sudoers*; grep -r pam_exec /etc/pam.d; cat /etc/ld.so.preload; "
    "ssh-keygen -lf ~/.ssh/authorized_keys; getent group sudo; ls -l /etc/shadow",
    fix=_OF_LOGINS,
    needs="logins",
    everywhere=True,
)
def logins(facts: Facts) -> Outcome:
    seen = facts.seen["logins"]
    problems = [
        f"{name} is the administrator as well (user number 0): sed -i '/^{name}:/d' /etc/passwd /etc/shadow"
        for name in seen["roots"]
        if name != "root"
    ]
    problems += [f"{name} needs no password: passwd --lock {name}" for name in seen["open"]]
    problems += [f"{path} is loaded into every program" for path in seen["preload"]]
    problems += [one for path, found in seen["decisive"].items() if found for one in _too_open(path, found)]
    problems += [
        f"{one['path']} lets everybody in ({one['line']}): take that line out, and where a success=N jumps over it, "
        "make N one less"
        for one in seen["permitting"]
    ]
    problems += [
        f"{one['path']} gives the passwords of who signs in to a program ({one['line']}): take that line out, and "
        "where a success=N jumps over it, make N one less; then change the passwords; what is yours: checks_known_jobs"
        for one in seen["executing"]
        if len(unknown(facts, one["line"].split())) == len(one["line"].split())
    ]
    problems += _of_containers(facts)
    problems += [
        f"{path} has the administrator's powers, whoever starts it: rm {path}; what is yours: checks_known_jobs"
        for path in unknown(facts, seen["raised_elsewhere"])
    ]
    evidence, keys_only = str({**seen, "engine": "", "decisive": ""}), _keys_only(facts)
    empty = [name for name, one in seen["ssh"].items() if one["permitemptypasswords"] == "yes"]
    if empty:
        problems.append(f"sshd takes empty passwords, for {', '.join(empty[:5])}: {keys_only}")
    trusting = [name for name, one in seen["ssh"].items() if one["hostbasedauthentication"] == "yes"]
    if trusting:
        problems.append(
            f"sshd takes another host's word for who is {', '.join(trusting[:5])} (HostbasedAuthentication): "
            "take out what grep -ri HostbasedAuthentication /etc/ssh/sshd_config* shows, and systemctl reload ssh"
        )
    problems += [
        f"{name} can sign in over ssh by a password that may be guessed ({sshd.by_password(one)}): {keys_only}"
        for name, one in seen["ssh"].items()
        if name.split()[0] == "root" and one["permitrootlogin"] == "yes" and sshd.by_password(one)
    ]
    problems += [*_of_sshd(facts), *(f"{one}: {mend}" for one, mend in _ending(facts, _PAST, _NOW).items())]
    said = _warnings(facts)
    fix = "; ".join(dict.fromkeys(said.values()))
    if said and not problems:
        return warned_of(said, evidence, fix=fix)
    fix = f"{_OF_LOGINS}; {fix}" if said else ""
    measured = f"one administrator, no empty password{not_all(seen['cut'])}"
    outcome = none_of([*problems, *said], measured, evidence, fix=fix)
    return replace(outcome, told=() if problems else _only_key(facts))


def _refusals(facts: Facts) -> dict[str, str]:
    firewall = facts.expected.get("firewall", {})
    return sshd.refusals(facts.seen["logins"], firewall["rules"] if firewall.get("enabled") else [])


def _keys_only(facts: Facts) -> str:
    return sshd.keys_only(facts.seen["logins"], bool(_refusals(facts)))


def _of_sshd(facts: Facts) -> list[str]:
    """Why sshd lets nobody in, or not whom Ansible signs in as, once it is reloaded or the host starts anew."""
    seen, refusals = facts.seen["logins"], _refusals(facts)
    account = seen["as"]
    said = dict.fromkeys([*(one["error"] for one in seen["ssh"].values()), seen["entry"]["error"]])
    errors = [error for error in said if error]
    problems = [
        f"sshd cannot read its settings and lets nobody in once it is restarted, see sshd -t: {error}"
        for error in errors
    ]
    problems += [
        f"sshd will not let {account} in any more once it is reloaded or the host starts anew, by {reason}: {mend}"
        for reason, mend in refusals.items()
    ]
    mend = "sshd -t && systemctl reload ssh"
    if errors or refusals:
        mend = f"do not restart it before {'sshd -t says nothing' if errors else f'it would let {account} in'}"
    return [*problems, *(f"sshd goes by what {path} said before it was changed: {mend}" for path in seen["unread"])]


def _ending(facts: Facts, least: int, most: int) -> dict[str, str]:
    """Administrators who in so many days cannot sign in any more, nor their jobs run; and what helps."""
    return {
        f"{name} cannot sign in{f' any more in {days} days' if days > 0 else ''}, not by a key either, as its account "
        "or its password is past its age": f"chage --maxdays -1 --expiredate -1 {name}"
        for name, days in facts.seen["logins"]["ending"].items()
        if least <= days < most
    }


def unknown(facts: Facts, paths: Iterable[str]) -> list[str]:
    """Those that nobody has named."""
    known = facts.expected.get("known_jobs", [])
    return [path for path in paths if not any(fnmatchcase(path, pattern) for pattern in known)]


def _of_containers(facts: Facts) -> list[str]:
    """What is wrong with the user that the containers run as: it owns the data, and nobody signs in as it."""
    seen, name = facts.seen["logins"]["containers"], facts.expected["host"]["user"]
    problems = [] if any(one["name"] == name for one in seen) else [f"there is no user {name} ({_OWNER}): make site"]
    problems += [
        f"{one['name']} has the user number {_OWNER} of the containers, and so all their data: userdel {one['name']}"
        for one in seen
        if one["name"] != name
    ]
    return problems + [
        f"{name}, as whom the containers run, may sign in: usermod --shell /usr/sbin/nologin {name}"
        for one in seen
        if one["name"] == name and not one["shell"].endswith(("/nologin", "/false"))
    ]


def _too_open(path: str, found: Mapping[str, Any]) -> list[str]:
    """Whether others than root may write what decides who is root, or read the passwords."""
    most = next((mode for pattern, mode in ACCOUNTS.items() if fnmatchcase(path, pattern)), 0o755)
    mend = f"chmod {found['mode'] & most:04o} {path}"
    problems = [f"{path} has mode {found['mode']:04o}: {mend}"] if found["mode"] & ~most & 0o777 else []
    problems += [
        f"{path} gives {who} rights by an access control list: setfacl --remove-all {path}"
        for who, bits in found.get("given", {}).items()
        if bits & ~most & 0o7
    ]
    return [*problems, *([f"{path} belongs to user {found['uid']}: chown root {path}"] if found["uid"] else [])]


def _warnings(facts: Facts) -> dict[str, str]:
    """What may be meant so, and what to do about it else."""
    seen, said = facts.seen["logins"], {}
    # Of root, whom sshd lets in by one only where it says so, is told above.
    others = {name for name in seen["passwords"] if name != "root"}
    guessed = [name for name, one in seen["ssh"].items() if name.split()[0] in others and sshd.by_password(one)]
    if guessed:
        said[f"{', '.join(guessed[:5])} can sign in over ssh by a password that may be guessed"] = _keys_only(facts)
    for one in seen["sudo"]:
        if unknown(facts, [one["path"]]):
            how = "without a password" if one["free"] else "with a password"
            said[f"{one['who']} becomes the administrator {how} ({one['path']})"] = (
                f"take {'NOPASSWD' if one['free'] else 'the line'} out of the file with visudo -f {one['path']}; "
                "what is yours: name the file in checks_known_jobs"
            )
    said.update({one: f"passwd, for a new password; or {mend}" for one, mend in _ending(facts, _NOW, _SOON).items()})
    for path in unknown(facts, seen["raised"]):
        said[f"{path} has the administrator's powers, whoever starts it"] = (
            f"chmod u-s {path}; setcap -r {path}; what is yours: name it in checks_known_jobs"
        )
    return {**said, **_other_keys(facts), **_strangers(facts)}


def _other_keys(facts: Facts) -> dict[str, str]:
    """Where sshd takes keys from but the accounts' own files."""
    opened: dict[str, list[str]] = {}
    for account, options in facts.seen["logins"]["ssh"].items():
        sources = [("AuthorizedKeysFile", path) for path in options["authorizedkeysfile"].split()]
        sources += [
            (option, options[option.lower()].partition(" ")[0])
            for option in ("AuthorizedKeysCommand", "TrustedUserCAKeys")
        ]
        for option, path in sources:
            if path and path not in _KEY_FILES and unknown(facts, [path]):
                opened.setdefault(f"{option} {path}", []).append(account)
    first = sshd.safely(facts.seen["logins"], bool(_refusals(facts)))
    return {
        f"sshd opens {', '.join(names[:5])} also by {source}": (
            f"{first}have your own key in ~/.ssh/authorized_keys and keep a session open; take out what "
            f"grep -ri {source.partition(' ')[0]} /etc/ssh/sshd_config* shows, and systemctl reload ssh; "
            "what is yours: name what it points to in checks_known_jobs"
        )
        for source, names in opened.items()
    }


def _opens(one: Mapping[str, str]) -> str:
    return f"the key {one['key']} {one['comment']} opens {one['account']}"


def _only_key(facts: Facts) -> tuple[str, ...]:
    """The key of who this runs as, where the account has no other and no key was named."""
    own = [one for one in facts.seen["logins"]["keys"] if one["account"] == facts.seen["logins"]["as"]]
    return (_opens(own[0]),) if len(own) == 1 and not facts.expected.get("known_keys") else ()


def _strangers(facts: Facts) -> dict[str, str]:
    """Keys and members of powerful groups that nobody has named; who this runs as, with one key, needs no name."""
    seen, names = facts.seen["logins"], facts.expected.get("known_administrators", [])
    known = facts.expected.get("known_keys", [])
    keys = [
        _opens(one)
        for one in seen["keys"]
        if one["key"] not in known and one["account"] not in names and _opens(one) not in _only_key(facts)
    ]
    members = [
        f"{one['who']} belongs to the group {one['group']}"
        for one in seen["members"]
        if one["who"] not in (*names, "root", seen["as"])
    ]
    return {
        **dict.fromkeys(
            keys,
            "take the line out of authorized_keys, but not that of the key by which you come in "
            "(ssh-keygen -lf ~/.ssh/KEY.pub shows it); what is yours: name it in checks_known_keys",
        ),
        **dict.fromkeys(members, "gpasswd --delete NAME GROUP; who is yours: checks_known_administrators"),
    }


@check(
    "scheduled-jobs",
    "S92",
    "host",
    "Nothing is planned on the host that nobody knows of",
    target="no job and no unit but those of packages, unchanged, and of the stack",
    command="dpkg-query --search /etc/cron.*/* /etc/systemd/system/*.*; dpkg --verify | grep /etc/cron",
    fix="Read it. What is yours: name it in checks_known_jobs; else remove it, or its line, and find out who wrote it",
    needs="jobs",
    everywhere=True,
)
def scheduled_jobs(facts: Facts) -> Outcome:
    known = facts.expected.get("known_jobs", [])
    found, edited = (
        [path for path in facts.seen["jobs"][kind] if not any(fnmatchcase(path, pattern) for pattern in known)]
        for kind in ("strange", "edited")
    )
    problems = [f"{path} is not as its package brought it" for path in edited]
    problems += [
        f"{path} has a name of the stack's, and the playbook did not write it"
        for path in found
        if path.rpartition("/")[2].startswith((f"{facts.stack}-", "firstbell-"))
    ]
    evidence = "\n".join([*found, *edited])
    told = [f"{path} is of no package and not of the stack" for path in found]
    return none_of([*problems, *told], "none", evidence) if problems or not told else warned_of(told, evidence)
