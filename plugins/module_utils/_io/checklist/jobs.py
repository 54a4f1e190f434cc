# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on the host by itself, and is neither a package's nor the playbook's."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator

from .. import system

_CRON = (
    "/etc/crontab",
    "/etc/cron.d/*",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/var/spool/cron/crontabs/*",
    "/var/spool/cron/atjobs/*",
    "/etc/rc.local",
    # Every program in Python begins with it, the stack's commands too.
    "/etc/python3*/sitecustomize.py",
)
#: Units of the administrator's, what changes those of others, and timers that last until the next boot.
_UNITS = (
    "/etc/systemd/system/*.*",
    "/etc/systemd/system/*.d/*.conf",
    "/etc/systemd/system.control/*.d/*.conf",
    "/run/systemd/system.control/*.d/*.conf",
    "/usr/local/lib/systemd/system/*.*",
    "/usr/lib/systemd/system/*.*",
    "/etc/init.d/*",
    "/run/systemd/transient/*.timer",
    "/run/systemd/system/*.*",
    "/run/systemd/system/*.d/*.conf",
)
#: What netplan and LXC make of their own settings at each boot.
_GENERATED = re.compile(r"/run/systemd/system/(?:netplan-[^/]+|[^/]+\.d/(?:10-netplan|zzz-lxc)[^/]*\.conf)")
_PYTHON = ("lib/python3*", "local/lib/python3*")
#: What else runs programs as root: when somebody signs in, a package is installed, a device or the network comes, or
#: the host starts; what is deleted then; and whose packages and libraries are taken. Some of it only by what it says.
_HOOKS = {
    "/etc/apt/apt.conf.d/*": "(?:Pre|Post)-(?:Invoke|Install)",
    "/etc/logrotate.d/*": r"(?m)^\s*(?:prerotate|postrotate|firstaction|lastaction|preremove)\b",
    # But the one of Debian's images for clouds.
    "/etc/udev/rules.d/*.rules": r"\b(?:RUN|PROGRAM)\b(?!\W*\"/etc/network/cloud-ifupdown-helper\b)|IMPORT\{program\}",
    **dict.fromkeys((f"/usr/{place}/dist-packages/*customize.py" for place in _PYTHON), ""),
    # Lines of code; those of setuptools and of packages that share a name are everywhere.
    **dict.fromkeys(
        (f"/usr/{place}/dist-packages/*.pth" for place in _PYTHON),
        r"(?m)^import[ \t](?!os; var = 'SETUPTOOLS_USE_DISTUTILS'|sys, types, os;)",
    ),
    **dict.fromkeys(("/etc/apt/trusted.gpg.d/*", "/etc/ld.so.conf.d/*.conf"), ""),
    **dict.fromkeys(("/root/.ssh/rc", "/etc/ssh/sshrc", "/etc/profile.d/*.sh", "/etc/update-motd.d/*"), ""),
    **dict.fromkeys(("/etc/network/if-*.d/*", "/etc/dhcp/*-hooks.d/*", "/etc/networkd-dispatcher/*.d/*"), ""),
    **dict.fromkeys((f"/{place}/systemd/system-generators/*" for place in ("etc", "run", "usr/local/lib")), ""),
    # In a shell, what is done instead of the program that was typed.
    **dict.fromkeys(
        ("/root/.profile", "/root/.bash_[!h]*", "/root/.bashrc", "/etc/profile"),
        r"(?m)^\s*(?:(?:alias|function)\s+)?(?:apt-get|docker|journalctl|nft|su|sudo|ssh|systemctl)\s*(?:=|\(\))",
    ),
    **dict.fromkeys(("/etc/systemd/user/*.*", "/root/.config/systemd/user/*.*", "/etc/tmpfiles.d/*.conf"), ""),
}
#: What a load test leaves, so that a boot closes what it has opened, and what that file says.
_OF_LOAD_TESTS = ("/etc/tmpfiles.d/{}-load-test.conf", "r! /opt/{}/nginx/conf/load-test.conf")


def gather(stack: str, written: Iterable[str]) -> dict[str, list[str]]:
    """Jobs and units that neither a package nor the playbook has written, and those of packages that were edited."""
    left, says = (one.format(stack) for one in _OF_LOAD_TESTS)
    own = {*written, *([left] if (system.read_text(left) or "").strip() == says else [])}
    paths = [path for pattern in _CRON for path in glob.glob(pattern)]
    # Of a link, what it leads to; that of a masked unit leads to no file.
    units = {os.path.realpath(path) for pattern in _UNITS for path in glob.glob(pattern)}
    paths += [path for path in units if os.path.isfile(path) and not _GENERATED.fullmatch(path)]
    hooks = set(_hooks())
    paths = sorted({path for path in paths if not os.path.basename(path).startswith(".")} | hooks)
    paths = [path for path in paths if path not in own]
    if not paths:
        return {"strange": [], "edited": []}
    of_packages = packaged(paths)
    known = [line.split() for line in system.lines(["dpkg-query", "--show", "--showformat", "${Conffiles}\n"])]
    digests = {words[0]: words[1] for words in known if len(words) > 1}
    return {
        "strange": [path for path in paths if path not in of_packages],
        "edited": [path for path in paths if path not in hooks and path in digests and _md5(path) != digests[path]],
    }


def packaged(paths: Iterable[str]) -> set[str]:
    """Of paths, those of packages. Older packages call by /lib what lies below /usr/lib."""
    older = [path.removeprefix("/usr") for path in paths if path.startswith("/usr/lib/")]
    patterns = [path.replace("\\", r"\\") for path in (*paths, *older)]
    said = system.run(["dpkg-query", "--search", *patterns], stdin="", check=False)
    found = {line.partition(": ")[2] for line in said.out.splitlines()}
    return found | {f"/usr{path}" for path in found if path.startswith("/lib/")}


def _hooks() -> Iterator[str]:
    for pattern, says in _HOOKS.items():
        for path in glob.glob(pattern):
            if os.path.isfile(path) and not os.path.islink(path) and re.search(says, system.read_text(path) or ""):
                yield path


def _md5(path: str) -> str:
    """The digest by which dpkg knows a file of a package."""
    with open(path, "rb") as file:
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
