# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups, and places where a secret could be seen, as the checks judge them."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ..._backup.files_sample import probe
from ..._core.checklist.custody import DUMP, NOT_SEARCHED
from .. import engine_api, system
from .walk import below

_JOURNAL_LINES = "100000"
_CHUNK = 1 << 20
_SHOWN_LINES = 5
_BCRYPT = re.compile(r'"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}"')
#: Bytes that are read in a moment.
_SMALL_DUMP = 64 << 20
#: Where what was typed, or given to programs, is kept by and by.
_WRITTEN = (
    *("/root/.*history", "/home/*/.*history", "/etc/environment", "/etc/profile.d/*", "/etc/cron.d/*"),
    *("/etc/systemd/system/*.*", "/etc/systemd/system/*/*.conf", "/root/.bashrc", "/root/.profile"),
)


#: Where somebody lays a copy down.
_SEARCHED = ("/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/usr/local", "/var/log", "/var/tmp", "/var/www")  # noqa: S108
_SMALL_FILE = 256 << 10
#: How files of pg_dump begin, in its own format, and, after a line, as text; and how rows begin there.
_DUMP, _TEXT_DUMPS = b"PGDMP", (b"-- PostgreSQL database dump", b"-- PostgreSQL database cluster dump")
_ROWS = (b"\nCOPY ", b"\nINSERT INTO ")
_HEAD = 100
#: Private keys below the stack's folder, and what of one is to be found in a copy.
_KEYS = ("pki/*.key", "pki/*/*.key", "nginx/certificate/*.pem", "certbot/config/live/*/privkey.pem")
_KEY_BODY = re.compile(rb"PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]{40,}?)\s+-----END")


def gather_backups(stack: str) -> dict[str, Any]:
    """What the stack's own command says of the backups, and what is on record."""
    command, root = f"/usr/local/sbin/{stack}-backup", f"/opt/{stack}/backup"
    info = system.run([command, "info", "--json"], stdin="", timeout=100)
    checked = system.run([command, "check"], stdin="", check=False, timeout=100)
    dumps = [os.stat(path).st_mtime for path in glob.glob(f"{root}/dumps/*") if not path.endswith("/.key")]
    return {
        "info": json.loads(info.out),
        "check": {"code": checked.code, "out": checked.out + checked.err},
        "records": {os.path.basename(path)[:-5]: _record(path) for path in glob.glob(f"{root}/records/*.json")},
        "dumps": sorted(dumps),
        "damaged_dumps": damaged_dumps(f"{root}/dumps", _record(f"{root}/records/dumps.json")),
        "since": system.modified_at(f"{root}/repository/postgres/key.fingerprint"),
        "configuration": _configuration(f"{root}/pgbackrest/pgbackrest.conf"),
        "settings": _record(f"{root}/backup.json"),
    }


def damaged_dumps(folder: str, recorded: Mapping[str, Any]) -> list[str]:
    """The dumps that are not what was written, by name. One of the same size and time is read if it is the newest."""
    found = []
    for name in sorted(recorded):
        path, wanted = f"{folder}/{name}", recorded[name]
        try:
            status = os.stat(path)
        except FileNotFoundError:
            found.append(f"{name} is gone")
            continue
        if status.st_size != wanted["size"]:
            found.append(f"{name} has {status.st_size} bytes, and {wanted['size']} were written")
        elif status.st_mtime_ns != wanted["modified"] or (name == max(recorded) and status.st_size <= _SMALL_DUMP):
            has = probe(path)
            if has is None or has.sha256 != wanted["sha256"]:
                found.append(f"{name} is not what was written")
    return found


def _record(path: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        return dict(json.loads(system.read_text(path) or "{}"))
    return {"unreadable": path}


def _configuration(path: str) -> dict[str, str]:
    """The options, without their keys' and passwords' values."""
    pairs = (line.partition("=") for line in (system.read_text(path) or "").splitlines())
    return {
        name.strip(): value.strip()
        for name, equals, value in pairs
        if equals and not any(word in name for word in ("pass", "key"))
    }


def gather_secret_files(wanted: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with files that hold secrets, by path, and never what they say."""
    return {path: _differs(_lines(content), system.read_text(path)) for path, content in wanted.items()}


def _lines(text: str) -> list[str]:
    """Without hashes by bcrypt, which only the host can make: that the right one is there, who signs in has shown."""
    return _BCRYPT.sub('""', text).splitlines()


def _differs(wanted: Sequence[str], text: str | None) -> str:
    if text is None:
        return "is missing"
    pairs = zip_longest(wanted, _lines(text))
    lines = [str(number) for number, (one, other) in enumerate(pairs, 1) if one != other]
    return f"differs in line {', '.join(lines[:_SHOWN_LINES])}" if lines else ""


def gather_visible(stack: str, secrets: Mapping[str, str]) -> list[dict[str, str]]:
    """Where one of the secrets can be read by somebody who should not: place and name, never the value."""
    wanted = {name: value.encode() for name, value in secrets.items() if value} | dict(_private_keys(stack))
    found = [
        {"place": place, "secret": name}
        for place, content in _places(stack)
        for name in sorted(wanted)
        if wanted[name] in content
    ]
    cut: list[str] = []
    found += [{"place": path, "secret": DUMP} for path in open_dumps(_for_everybody(stack, cut))]
    return [*found, *({"place": path, "secret": NOT_SEARCHED} for path in cut)]


def _for_everybody(stack: str, cut: list[str]) -> Iterator[str]:
    return below(_SEARCHED, f"/opt/{stack}/data", for_all=True, cut=cut)


def open_dumps(paths: Iterable[str]) -> list[str]:
    """Of files, the dumps of PostgreSQL with data that everybody may read."""
    return [path for path in paths if _is_dump(path)]


def _is_dump(path: str) -> bool:
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IROTH:
            with open(path, "rb") as file:
                head = file.read(_HEAD)
                if any(mark in head for mark in _TEXT_DUMPS):
                    begin = head + file.read(_SMALL_DUMP)
                    return any(mark in begin for mark in _ROWS)
                return head.startswith(_DUMP)
    return False


def _private_keys(stack: str) -> Iterator[tuple[str, bytes]]:
    """What identifies each private key of the stack, of which somebody may have made a copy."""
    for pattern in _KEYS:
        for path in glob.glob(f"/opt/{stack}/{pattern}"):
            yield from ((f"the private key of {path}", body) for body in _KEY_BODY.findall(_read(path)))


def _places(stack: str) -> Iterator[tuple[str, bytes]]:
    containers = engine_api.call("GET", "/containers/json", all="1")
    for one in containers:
        with contextlib.suppress(engine_api.EngineError):
            shown = engine_api.call("GET", f"/containers/{one['Id']}/json")
            yield f"docker inspect {one['Names'][0].lstrip('/')}", json.dumps(shown, ensure_ascii=False).encode()
    with contextlib.suppress(engine_api.EngineError):  # a worker of the swarm does not know the services
        for service in engine_api.call("GET", "/services"):
            yield f"docker service inspect {service['Spec']['Name']}", json.dumps(service, ensure_ascii=False).encode()
    for image in engine_api.call("GET", "/images/json"):
        history = engine_api.call("GET", f"/images/{image['Id']}/history")
        yield f"docker history {(image.get('RepoTags') or [image['Id']])[0]}", json.dumps(history).encode()
    for pattern in _WRITTEN:
        yield from ((path, _read(path)) for path in glob.glob(pattern))
    for path in readable(_for_everybody(stack, [])):
        yield f"{path}, which everybody may read", _read(path)
    yield "ps auxww", b"\n".join(_read(path) for path in glob.glob("/proc/[0-9]*/cmdline"))
    journal = system.run(["journalctl", "--no-pager", "--lines", _JOURNAL_LINES], stdin="", check=False)
    yield "journalctl", journal.out.encode()
    for path in glob.glob("/var/lib/docker/containers/*/*-json.log*"):
        yield from ((f"the log {path}", chunk) for chunk in _chunks(path))


def readable(paths: Iterable[str]) -> Iterator[str]:
    """Of files, those that are small, and that everybody may read."""
    for path in paths:
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            if stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IROTH and found.st_size <= _SMALL_FILE:
                yield path


def _read(path: str) -> bytes:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read().replace(b"\0", b" ")
    return b""


def _chunks(path: str) -> Iterator[bytes]:
    """A file piece by piece; each one begins with the end of the one before."""
    kept = b""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield kept + chunk
            kept = chunk[-256:]
